#include "AllocationHook.h"

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ANYBIT_TEST_NO_HOOK
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define ANYBIT_TEST_NO_HOOK
#endif

namespace anybit::test {
std::atomic<bool> countAllocations{false};
std::atomic<long> allocations{0};
#ifdef ANYBIT_TEST_NO_HOOK
const bool allocationHookWorks = false;
#else
const bool allocationHookWorks = true;
#endif
} // namespace anybit::test

#ifndef ANYBIT_TEST_NO_HOOK
static void count() {
  if (anybit::test::countAllocations.load(std::memory_order_relaxed))
    anybit::test::allocations.fetch_add(1, std::memory_order_relaxed);
}

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) { return count(), __libc_malloc(bytes); }
void *calloc(size_t number, size_t bytes) { return count(), __libc_calloc(number, bytes); }
void *realloc(void *old, size_t bytes) { return count(), __libc_realloc(old, bytes); }
void *memalign(size_t alignment, size_t bytes) { return count(), __libc_memalign(alignment, bytes); }
void *aligned_alloc(size_t alignment, size_t bytes) { return count(), __libc_memalign(alignment, bytes); }
int posix_memalign(void **out, size_t alignment, size_t bytes) {
  count();
  *out = __libc_memalign(alignment, bytes);
  return *out ? 0 : 12;
}
}
#endif
