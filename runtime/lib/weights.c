/* Formats, encoding and float16 of weights.h. The band mix is in bands.c, the packing in pack.c. */
#include "anybit/weights.h"

#include "clones.h"
#include "half.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

int64_t anybit_weight_count(const anybit_weight_shape *shape) {
  return shape->outputs * shape->inputs * shape->kernel_height * shape->kernel_width;
}

/* Both bounds are integers below 2^22, so clamping before the rounding gives what clamping after it gives, and the
   sum with 1.5 * 2^23 rounds half to even and leaves the integer in its low bits: no libm call, no overflow. */
ANYBIT_VECTOR_CLONES
static void encode_to_even(float scale, float low, float high, int32_t zero, const float *in, int64_t count,
                           int16_t *codes) {
  for (int64_t i = 0; i < count; ++i) {
    float t = in[i] / scale;
    t = t == t ? t : 0.0f;
    t = t < low ? low : t;
    t = t > high ? high : t;
    int32_t rounded = (int32_t)(anybit_bits_of_float(t + 12582912.0f) - 0x4b400000u);
    codes[i] = (int16_t)(rounded + zero);
  }
}

ANYBIT_VECTOR_CLONES
static void encode_odd(float scale, int32_t half_range, const float *in, int64_t count, int16_t *codes) {
  float low = (float)-half_range, high = (float)(half_range - 1);
  for (int64_t i = 0; i < count; ++i) {
    float t = in[i] / scale * 0.5f;
    t = t == t ? t : 0.0f;
    t = t < low ? low : t;
    t = t > high ? high : t;
    int32_t floored = (int32_t)t;
    floored -= (float)floored > t;
    codes[i] = (int16_t)(floored + half_range);
  }
}

void anybit_encode(uint32_t format, uint32_t bits, float scale, int32_t zero, const float *in, int64_t count,
                   int16_t *codes) {
  int32_t half_range = 1 << (bits - 1);
  switch (format) {
  case ANYBIT_ODD:
    encode_odd(scale, half_range, in, count, codes);
    return;
  case ANYBIT_UNSIGNED:
    encode_to_even(scale, (float)-zero, (float)(2 * half_range - 1 - zero), zero, in, count, codes);
    return;
  default:
    encode_to_even(scale, (float)((format == ANYBIT_NARROW) - half_range), (float)(half_range - 1), 0, in, count,
                   codes);
    return;
  }
}

int32_t anybit_decode(uint32_t format, uint32_t bits, int32_t zero, int32_t code) {
  switch (format) {
  case ANYBIT_ODD:
    return 2 * code - ((1 << bits) - 1);
  case ANYBIT_UNSIGNED:
    return code - zero;
  default:
    return code;
  }
}

float anybit_half_to_float(uint16_t half) { return anybit_inline_half_to_float(half); }

uint16_t anybit_float_to_half(float value) {
  uint32_t bits = anybit_bits_of_float(value);
  uint32_t sign = bits >> 16 & 0x8000u;
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return (uint16_t)(sign | 0x7e00u);
  if (magnitude >= 0x47800000u) /* 65536 */
    return (uint16_t)(sign | 0x7c00u);
  if (magnitude < 0x38800000u) { /* 2^-14: the sum with 1/2 rounds to multiples of 2^-24 */
    float aligned = anybit_float_of_bits(magnitude) + 0.5f;
    return (uint16_t)(sign | (anybit_bits_of_float(aligned) - 0x3f000000u));
  }
  uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return (uint16_t)(sign | (rounded - ((127u - 15u) << 23)) >> 13);
}
