/* The meaning of weights, shared by the compiler (which folds at compile time) and the runtime (which rebuilds a
   candidate from the master store): wavelet synthesis, weight quantizers, packing. One implementation serves both,
   so that the `packed` and the `master` store hold equal bytes (docs/numerics.md N2, N3). C11, no dependencies, no
   allocation. All functions are pure and safe to call from any thread. Sizes must have been checked by the caller:
   every product of dimensions fits int64_t. */
#ifndef ANYBIT_WEIGHTS_H
#define ANYBIT_WEIGHTS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The plane whose aligned 2x2 blocks are mixed (numerics N3); each group is a plane of its own. */
typedef enum anybit_band_layout {
  ANYBIT_LAYOUT_NONE = 0,    /* no transform */
  ANYBIT_LAYOUT_TILE = 1,    /* (O*kh) x (I*kw) */
  ANYBIT_LAYOUT_MATRIX = 2,  /* O x (I*kh*kw) */
  ANYBIT_LAYOUT_PLANE = 3,   /* O x I, once per kernel position */
  ANYBIT_LAYOUT_SPATIAL = 4, /* kh x kw, once per (o, i); 1x1 is the identity */
} anybit_band_layout;

typedef enum anybit_wavelet { ANYBIT_HAAR = 0, ANYBIT_DB2 = 1 } anybit_wavelet;

typedef enum anybit_weight_format {
  ANYBIT_SIGNED = 0,   /* w = q,           q in -2^(b-1) .. 2^(b-1)-1 */
  ANYBIT_UNSIGNED = 1, /* w = q - zero,    q in 0 .. 2^b-1 */
  ANYBIT_ODD = 2,      /* w = 2q - (2^b-1), q in 0 .. 2^b-1 */
  ANYBIT_NARROW = 3,   /* w = q,           q in -2^(b-1)+1 .. 2^(b-1)-1; packed as SIGNED */
} anybit_weight_format;

/* A weight tensor in order O, I, kh, kw (O over all groups, I per group). */
typedef struct anybit_weight_shape {
  int64_t outputs, inputs, kernel_height, kernel_width, groups;
} anybit_weight_shape;

/* Number of elements of `shape`. */
int64_t anybit_weight_count(const anybit_weight_shape *shape);

/* W' = sum_k alpha_k P_k W (N3; alpha in the order LL, LH, HL, HH), float32, the closed form's order of operations,
   never fused. `in` and `out` must not overlap; `scratch` is needed for db2 only: 4 * count + 64 floats, may be
   NULL for Haar. */
void anybit_mix_bands(const anybit_weight_shape *shape, uint32_t layout, uint32_t wavelet, const float alpha[4],
                      const float *in, float *out, float *scratch);

/* Codes q (N2) of `count` values with one scale, all float32, division, half to even (odd: floor form). `zero` is used
   by UNSIGNED only and lies in -2^15 .. 2^15. Codes of `signed` are two's complement in int16_t. Infinities encode as
   the end of the code range, NaN as the code of 0. */
void anybit_encode(uint32_t format, uint32_t bits, float scale, int32_t zero, const float *in, int64_t count,
                   int16_t *codes);

/* The integer w of the table above for a code. */
int32_t anybit_decode(uint32_t format, uint32_t bits, int32_t zero, int32_t code);

float anybit_half_to_float(uint16_t half);
uint16_t anybit_float_to_half(float value); /* half to even; overflow gives infinity */

/* Packed weights of the byte-dot families ("dot4", docs/kernels.md). The reduction of one output is a list of runs;
   a run is `taps_in_run` kernel columns of I channels that lie side by side in a channels-last activation; it is cut
   into steps of 4 values, the last padded with w = 0. Per group the outputs are cut into blocks of `column_block`
   columns, the last padded with columns of w = 0. Order of the bytes:
       [group][column block][run][step][column][4]
   storage_bits 8: int8 w. Formats whose w leaves int8 are a sum of planes (anybit_weight_planes), [run][plane][step],
   and the activations are read once per plane: w = w0 + w1 + ..., each the rest divided by the planes left, rounded
   down. Two planes hold -256 .. 254; a format that reaches 255 (odd at 8 bits, unsigned at 8 bits with zero 0)
   needs three.
   storage_bits 4, 2, 1: the unsigned index of w (signed: q + 2^(b-1); else q), U = column_block*4*storage_bits/8
   bytes per step, byte j holds the indices of positions j, j+U, j+2U, ... from the lowest bits up, where a position
   is column*4+k. A padded step needs an index with w = 0, so formats without one (odd, unsigned with a zero point
   out of range) need runs of a multiple of 4 values there (padded columns, which nobody reads, then hold index 0);
   storage_bits 8 has no such limit. */
typedef enum anybit_packing_order {
  ANYBIT_ORDER_STEPS = 0,  /* above */
  ANYBIT_ORDER_PLANES = 1, /* below */
} anybit_packing_order;

/* Packed weights of the family "popcount" (numerics N9): bit p of 32 channels of one column is a word, and a run is one
   kernel position. Order of the uint32 words:
       [group][column block][bit][run][32 channels][column]
   Bit p of `signed` is that of two's complement, else that of the code. Channels and columns past the last hold 0.
   `unsigned` with a zero point other than 0 has no such form. */
typedef struct anybit_packing {
  uint32_t column_block; /* columns per block, a multiple of 4 */
  uint32_t storage_bits; /* STEPS: 8, 4, 2 or 1, at least the bits of the format; PLANES: the bits of the format */
  uint32_t taps_in_run;  /* 1 or kernel_width; PLANES: 1 */
  uint32_t planes;       /* STEPS: anybit_weight_planes(...) if storage_bits is 8, else 1; PLANES: 1 */
  uint32_t order;        /* anybit_packing_order */
  uint32_t input_bits;   /* PLANES: bits of the input's codes; else 0 */
} anybit_packing;

/* The least number of int8 whose sum reaches every w of the format: 1, else 2 or 3. */
uint32_t anybit_weight_planes(uint32_t format, uint32_t bits, int32_t zero);

/* Bytes of the packed tensor. */
int64_t anybit_packed_bytes(const anybit_weight_shape *shape, const anybit_packing *packing);

/* Number of int32 in `initial` below: groups * column blocks * column_block. */
int64_t anybit_padded_outputs(const anybit_weight_shape *shape, const anybit_packing *packing);

/* Packs codes (order O, I, kh, kw). `packed` has anybit_packed_bytes bytes; `initial` gets, per padded output,
   -input_zero * sum(w) over the unpadded reduction, the accumulator's start that makes the sum that of
   (a - input_zero) * w (numerics N4); 0 for padded outputs. PLANES of `odd` are compared with the input, not
   multiplied: the sum of w*a is (2^input_bits - 1) * sum(code) less the bits that differ (N9), and `initial` has that too. */
void anybit_pack(const anybit_weight_shape *shape, const anybit_packing *packing, uint32_t format, uint32_t bits,
                 int32_t weight_zero, int32_t input_zero, const int16_t *codes, uint8_t *packed, int32_t *initial);

#ifdef __cplusplus
}
#endif
#endif /* ANYBIT_WEIGHTS_H */
