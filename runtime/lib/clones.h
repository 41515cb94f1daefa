/* ANYBIT_VECTOR_CLONES before a function: compiled for AVX2 as well, and chosen when the program starts. The results
   are the same: no operation is fused or reordered. Sanitizers instrument the chooser before they are ready. */
#ifndef ANYBIT_LIB_CLONES_H
#define ANYBIT_LIB_CLONES_H

#include <stdint.h>

#define ANYBIT_VECTOR_CLONES
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__has_attribute) && defined(__OPTIMIZE__)
#if __has_attribute(target_clones) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#undef ANYBIT_VECTOR_CLONES
#define ANYBIT_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#endif
#else
#undef ANYBIT_VECTOR_CLONES
#define ANYBIT_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#endif
#endif
#endif

#endif /* ANYBIT_LIB_CLONES_H */
