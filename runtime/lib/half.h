/* float16 conversion that compilers vectorise; weights.h has the public, out-of-line spelling. */
#ifndef ANYBIT_LIB_HALF_H
#define ANYBIT_LIB_HALF_H

#include <stdint.h>
#include <string.h>

static inline float anybit_float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t anybit_bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Branch-free, and without a subnormal float on the way: those cost a microcode assist each on some CPUs. */
static inline float anybit_inline_half_to_float(uint16_t half) {
  uint32_t bits = (uint32_t)(half & 0x7fffu) << 13;
  uint32_t exponent = bits & 0x0f800000u;
  uint32_t rebased = bits + ((127u - 15u) << 23);
  uint32_t special = rebased + ((128u - 16u) << 23);
  float subnormal = anybit_float_of_bits(rebased + (1u << 23)) - anybit_float_of_bits(113u << 23);
  uint32_t magnitude = exponent == 0x0f800000u ? special : rebased;
  magnitude = exponent == 0 ? anybit_bits_of_float(subnormal) : magnitude;
  return anybit_float_of_bits(magnitude | (uint32_t)(half & 0x8000u) << 16);
}

/* `count` of them, in vectors where the CPU has any. */
void anybit_halves_to_floats(const uint16_t *halves, int64_t count, float *floats);

#endif /* ANYBIT_LIB_HALF_H */
