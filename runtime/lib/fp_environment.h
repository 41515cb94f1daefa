/* The floating-point mode that kernels rely on (numerics N5): round to nearest, subnormals kept, no traps. */
#ifndef ANYBIT_LIB_FP_ENVIRONMENT_H
#define ANYBIT_LIB_FP_ENVIRONMENT_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
static inline uint64_t anybit_enter_fp_environment(void) {
  uint64_t saved = _mm_getcsr();
  _mm_setcsr(0x1f80);
  return saved;
}
static inline void anybit_leave_fp_environment(uint64_t saved) { _mm_setcsr((unsigned)saved); }
#elif defined(__aarch64__)
static inline uint64_t anybit_enter_fp_environment(void) {
  uint64_t saved;
  __asm__ volatile("mrs %0, fpcr\n\tmsr fpcr, xzr" : "=&r"(saved)::"memory");
  return saved;
}
static inline void anybit_leave_fp_environment(uint64_t saved) {
  __asm__ volatile("msr fpcr, %0" ::"r"(saved) : "memory");
}
#elif defined(__riscv)
static inline uint64_t anybit_enter_fp_environment(void) {
  uint64_t saved;
  __asm__ volatile("csrrwi %0, frm, 0" : "=r"(saved)::"memory");
  return saved;
}
static inline void anybit_leave_fp_environment(uint64_t saved) {
  __asm__ volatile("csrw frm, %0" ::"r"(saved) : "memory");
}
#else
#error "state this machine's floating-point control register"
#endif

#endif /* ANYBIT_LIB_FP_ENVIRONMENT_H */
