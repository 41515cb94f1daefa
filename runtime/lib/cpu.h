#ifndef ANYBIT_LIB_CPU_H
#define ANYBIT_LIB_CPU_H

#include <stddef.h>

/* Writes those of the comma-separated LLVM feature names that this machine lacks into `missing`, comma separated, cut
   at its size. A feature counts only if the operating system saves its registers; an unknown name is lacking. Returns
   how many are lacking. */
size_t anybit_missing_cpu_features(const char *features, char *missing, size_t missing_bytes);

#endif /* ANYBIT_LIB_CPU_H */
