/* Bit planes of weights, ANYBIT_ORDER_PLANES of weights.h. */
#include "pack_planes.h"

#include <string.h>

static int64_t words_per_run(const anybit_weight_shape *shape) { return (shape->inputs + 31) / 32; }

static int64_t words_per_plane(const anybit_weight_shape *shape, const anybit_packing *packing) {
  return shape->kernel_height * shape->kernel_width * words_per_run(shape) * packing->column_block;
}

int64_t anybit_plane_block_bytes(const anybit_weight_shape *shape, const anybit_packing *packing) {
  return (int64_t)packing->storage_bits * words_per_plane(shape, packing) * (int64_t)sizeof(uint32_t);
}

/* The lowest bits of eight bytes, byte i at bit i: the product moves each of them to the top byte, and no two sums
   meet. */
static uint32_t gather_bits(uint64_t bytes) {
  return (uint32_t)((bytes & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56);
}

/* Byte i of the result is bytes[i], on any byte order. */
static uint64_t load_bytes(const uint8_t *bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i)
    value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

void anybit_pack_plane_block(const anybit_weight_shape *shape, const anybit_packing *packing, const int16_t *codes,
                             int64_t columns, uint32_t *words) {
  int64_t taps = shape->kernel_height * shape->kernel_width, reduction = shape->inputs * taps;
  int64_t width = packing->column_block, run_words = words_per_run(shape), plane = words_per_plane(shape, packing);
  uint8_t stage[32];
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t i = 0; i < taps * run_words; ++i) {
      int64_t tap = i / run_words, first = i % run_words * 32;
      int64_t count = shape->inputs - first < 32 ? shape->inputs - first : 32;
      const int16_t *from = codes + column * reduction + first * taps + tap;
      memset(stage, 0, sizeof stage);
      for (int64_t c = 0; c < count; ++c)
        stage[c] = (uint8_t)from[c * taps];
      for (uint32_t bit = 0; bit < packing->storage_bits; ++bit) {
        uint32_t word = 0;
        for (uint32_t part = 0; part < 4; ++part)
          word |= gather_bits(load_bytes(stage + 8 * part) >> bit) << (8 * part);
        words[bit * plane + i * width + column] = word;
      }
    }
}
