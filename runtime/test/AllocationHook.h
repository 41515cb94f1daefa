// Counts the calls of malloc, calloc, realloc and the aligned forms in this program while it is on.
#ifndef ANYBIT_TEST_ALLOCATION_HOOK_H
#define ANYBIT_TEST_ALLOCATION_HOOK_H

#include <atomic>

namespace anybit::test {
/// False where a sanitizer owns the allocator.
extern const bool allocationHookWorks;
extern std::atomic<bool> countAllocations;
extern std::atomic<long> allocations;
} // namespace anybit::test

#endif // ANYBIT_TEST_ALLOCATION_HOOK_H
