/* The packed layout of weights.h. */
#include "anybit/weights.h"
#include "clones.h"
#include "pack_planes.h"

#include <string.h>

static int is_signed(uint32_t format) { return format == ANYBIT_SIGNED || format == ANYBIT_NARROW; }

static int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

static int64_t column_blocks(const anybit_weight_shape *shape, const anybit_packing *packing) {
  return divide_up(shape->outputs / shape->groups, packing->column_block);
}

static int64_t run_count(const anybit_weight_shape *shape, const anybit_packing *packing) {
  return shape->kernel_height * shape->kernel_width / packing->taps_in_run;
}

static int64_t steps_per_run(const anybit_weight_shape *shape, const anybit_packing *packing) {
  return divide_up(shape->inputs * packing->taps_in_run, 4);
}

static int64_t bytes_per_step(const anybit_packing *packing) {
  return (int64_t)packing->column_block * packing->storage_bits / 2;
}

uint32_t anybit_weight_planes(uint32_t format, uint32_t bits, int32_t zero) {
  int32_t top = is_signed(format) ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  int32_t bottom = is_signed(format) ? -top - 1 : 0;
  int64_t low = anybit_decode(format, bits, zero, bottom), high = anybit_decode(format, bits, zero, top);
  uint32_t planes = 1;
  while (low < -128 * (int64_t)planes || high > 127 * (int64_t)planes)
    ++planes;
  return planes;
}

int64_t anybit_packed_bytes(const anybit_weight_shape *shape, const anybit_packing *packing) {
  if (packing->order == ANYBIT_ORDER_PLANES)
    return shape->groups * column_blocks(shape, packing) * anybit_plane_block_bytes(shape, packing);
  return shape->groups * column_blocks(shape, packing) * run_count(shape, packing) * packing->planes *
         steps_per_run(shape, packing) * bytes_per_step(packing);
}

int64_t anybit_padded_outputs(const anybit_weight_shape *shape, const anybit_packing *packing) {
  return shape->groups * column_blocks(shape, packing) * packing->column_block;
}

/* What a code becomes before it is stored: factor * code + offset, and the stored value of w = 0. */
typedef struct stored_value {
  int32_t factor, offset, padding;
} stored_value;

static stored_value stored_value_of(const anybit_packing *packing, uint32_t format, uint32_t bits, int32_t zero) {
  int32_t top = (1 << bits) - 1;
  if (packing->storage_bits == 8) {
    stored_value value = {format == ANYBIT_ODD ? 2 : 1, 0, 0};
    value.offset = format == ANYBIT_ODD ? -top : format == ANYBIT_UNSIGNED ? -zero : 0;
    return value;
  }
  stored_value value = {1, 0, 0};
  if (is_signed(format))
    value.offset = value.padding = 1 << (bits - 1);
  if (format == ANYBIT_UNSIGNED && zero >= 0 && zero <= top)
    value.padding = zero;
  return value;
}

/* Plane `plane` of `planes` of w: as even as possible, rounded down. */
static int32_t plane_of(int32_t w, uint32_t planes, uint32_t plane) {
  for (uint32_t left = planes;; --left, --plane) {
    int32_t part = w >= 0 ? w / (int32_t)left : -((-w + (int32_t)left - 1) / (int32_t)left);
    if (plane == 0)
      return part;
    w -= part;
  }
}

/* Steps and lanes that are staged at a time: a lane of a step is four bytes, 16 of them fill a cache line. */
enum { kStagedSteps = 64, kStagedLanes = 16 };

/* Stored values of `count` codes that lie `stride` apart. They are taken modulo 256, so bytes are enough. */
ANYBIT_VECTOR_CLONES
static void store_values(const int16_t *codes, int64_t stride, int64_t count, stored_value value, uint8_t *bytes) {
  if (stride == 1)
    for (int64_t i = 0; i < count; ++i)
      bytes[i] = (uint8_t)codes[i];
  else
    for (int64_t i = 0; i < count; ++i)
      bytes[i] = (uint8_t)codes[i * stride];
  uint8_t doubled = value.factor == 2 ? 0xff : 0, offset = (uint8_t)value.offset; /* No product of bytes in vectors. */
  for (int64_t i = 0; i < count; ++i)
    bytes[i] = (uint8_t)(bytes[i] + (bytes[i] & doubled) + offset);
}

/* ORs staged bytes, shifted, into others. Whole words are shifted: no value crosses a byte. */
ANYBIT_VECTOR_CLONES
static void merge_bytes(const uint8_t *stage, uint32_t shift, uint8_t *bytes) {
  for (int64_t i = 0; i < kStagedSteps * 4; i += 4) {
    uint32_t word, old;
    memcpy(&word, stage + i, 4);
    memcpy(&old, bytes + i, 4);
    old |= word << shift;
    memcpy(bytes + i, &old, 4);
  }
}

/* What the steps [first, first + steps) of one run and plane of a block are packed from. */
typedef struct step_range {
  const anybit_weight_shape *shape;
  const anybit_packing *packing;
  stored_value value;
  const int16_t *codes; /* of `columns` outputs */
  int64_t columns, run, first, steps;
  uint32_t plane;
} step_range;

/* The stored bytes of the first `count` values of a range; `column` holds the codes of one output. A run position is
   tap * inputs + channel, a code's place channel * taps + tap. */
static void stage_values(const step_range *range, const int16_t *column, int64_t count, uint8_t *stage) {
  const anybit_weight_shape *shape = range->shape;
  const anybit_packing *packing = range->packing;
  int64_t taps = shape->kernel_height * shape->kernel_width, first = range->first * 4;
  while (count > 0) {
    int64_t channel = first % shape->inputs, tap = range->run * packing->taps_in_run + first / shape->inputs;
    int64_t width = shape->inputs - channel < count ? shape->inputs - channel : count;
    const int16_t *codes = column + channel * taps + tap;
    if (packing->planes > 1)
      for (int64_t i = 0; i < width; ++i)
        stage[i] = (uint8_t)plane_of(codes[i * taps] * range->value.factor + range->value.offset, packing->planes,
                                     range->plane);
    else
      store_values(codes, taps, width, range->value, stage);
    first += width;
    count -= width;
    stage += width;
  }
}

/* Stores the words [0, steps) of `lanes` lanes: step after step, lanes side by side. */
static inline void store_words(const uint8_t lane_words[][kStagedSteps * 4], int64_t lanes, int64_t steps,
                               int64_t step_bytes, uint8_t *to) {
  for (int64_t step = 0; step < steps; ++step)
    for (int64_t lane = 0; lane < lanes; ++lane)
      memcpy(to + step * step_bytes + lane * 4, lane_words[lane] + step * 4, 4);
}

/* The bytes of one lane: those of columns a number of lanes apart share them, `storage_bits` each. */
static void stage_lane(const step_range *range, int64_t lane, int64_t lanes, uint8_t *bytes) {
  const anybit_weight_shape *shape = range->shape;
  int64_t reduction = shape->inputs * shape->kernel_height * shape->kernel_width, count = range->steps * 4;
  int64_t left = shape->inputs * range->packing->taps_in_run - range->first * 4, values = left < count ? left : count;
  uint8_t stage[kStagedSteps * 4];
  uint32_t shift = 0;
  memset(bytes, 0, kStagedSteps * 4);
  memset(stage, range->value.padding, sizeof stage);
  for (int64_t column = lane; column < (int64_t)range->packing->column_block; column += lanes) {
    if (column < range->columns)
      stage_values(range, range->codes + column * reduction, values, stage);
    else
      memset(stage, range->value.padding, sizeof stage);
    merge_bytes(stage, shift, bytes);
    shift += range->packing->storage_bits;
  }
}

static void pack_steps(const step_range *range, uint8_t *to) {
  int64_t step_bytes = bytes_per_step(range->packing), lanes = step_bytes / 4;
  uint8_t words[kStagedLanes][kStagedSteps * 4];
  for (int64_t lane = 0; lane < lanes; lane += kStagedLanes) {
    int64_t count = lanes - lane < kStagedLanes ? lanes - lane : kStagedLanes;
    for (int64_t i = 0; i < count; ++i)
      stage_lane(range, lane + i, lanes, words[i]);
    if (count == kStagedLanes) /* A constant lets compilers turn the copies into vectors. */
      store_words(words, kStagedLanes, range->steps, step_bytes, to + lane * 4);
    else
      store_words(words, count, range->steps, step_bytes, to + lane * 4);
  }
}

ANYBIT_VECTOR_CLONES
static int64_t sum_of_codes(const int16_t *codes, int64_t count) {
  int64_t sum = 0;
  for (int64_t first = 0; first < count; first += 4096) {
    int32_t part = 0;
    int64_t end = count - first < 4096 ? count : first + 4096;
    for (int64_t i = first; i < end; ++i)
      part += codes[i];
    sum += part;
  }
  return sum;
}

/* Packs one column block. */
static void pack_block(const anybit_weight_shape *shape, const anybit_packing *packing, stored_value value,
                       const int16_t *codes, int64_t columns, uint8_t *to) {
  int64_t runs = run_count(shape, packing), steps = steps_per_run(shape, packing), bytes = bytes_per_step(packing);
  for (int64_t run = 0; run < runs; ++run)
    for (uint32_t plane = 0; plane < packing->planes; ++plane, to += steps * bytes)
      for (int64_t first = 0; first < steps; first += kStagedSteps) {
        int64_t count = steps - first < kStagedSteps ? steps - first : kStagedSteps;
        step_range range = {shape, packing, value, codes, columns, run, first, count, plane};
        pack_steps(&range, to + first * bytes);
      }
}

void anybit_pack(const anybit_weight_shape *shape, const anybit_packing *packing, uint32_t format, uint32_t bits,
                 int32_t weight_zero, int32_t input_zero, const int16_t *codes, uint8_t *packed, int32_t *initial) {
  int64_t outputs = shape->outputs / shape->groups, blocks = column_blocks(shape, packing);
  int64_t reduction = shape->inputs * shape->kernel_height * shape->kernel_width, block = packing->column_block;
  stored_value value = stored_value_of(packing, format, bits, weight_zero);
  int64_t factor = format == ANYBIT_ODD ? 2 : 1, offset = anybit_decode(format, bits, weight_zero, 0);
  int64_t bytes = anybit_packed_bytes(shape, packing), block_bytes = bytes / (shape->groups * blocks);
  int in_planes = packing->order == ANYBIT_ORDER_PLANES;
  int64_t highest = in_planes && format == ANYBIT_ODD ? (1 << packing->input_bits) - 1 : 0;
  if (in_planes) /* Columns past the last output, and channels past the last. */
    memset(packed, 0, (size_t)bytes);
  for (int64_t i = 0; i < shape->groups * blocks; ++i) {
    int64_t first = i % blocks * block, columns = outputs - first < block ? outputs - first : block;
    const int16_t *from = codes + (i / blocks * outputs + first) * reduction;
    if (in_planes)
      anybit_pack_plane_block(shape, packing, from, columns, (uint32_t *)(void *)(packed + i * block_bytes));
    else
      pack_block(shape, packing, value, from, columns, packed + i * block_bytes);
    for (int64_t column = 0; column < block; ++column) {
      int64_t sum = column < columns ? sum_of_codes(from + column * reduction, reduction) : 0;
      int64_t weights = column < columns ? factor * sum + offset * reduction : 0;
      initial[i * block + column] = (int32_t)(highest * sum - (int64_t)input_zero * weights);
    }
  }
}
