#include "half.h"

#include "clones.h"

ANYBIT_VECTOR_CLONES
static void halves_to_floats(const uint16_t *halves, int64_t count, float *floats) {
  for (int64_t i = 0; i < count; ++i)
    floats[i] = anybit_inline_half_to_float(halves[i]);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* One instruction for fourteen; subnormal halves cost nothing more. */
__attribute__((target("f16c"))) static int64_t convert_registers(const uint16_t *halves, int64_t count, float *floats) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(floats + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(halves + i))));
  return i;
}

void anybit_halves_to_floats(const uint16_t *halves, int64_t count, float *floats) {
  int64_t done = __builtin_cpu_supports("f16c") ? convert_registers(halves, count, floats) : 0;
  halves_to_floats(halves + done, count - done, floats + done);
}
#else
void anybit_halves_to_floats(const uint16_t *halves, int64_t count, float *floats) {
  halves_to_floats(halves, count, floats);
}
#endif
