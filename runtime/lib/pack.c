/* The packed layout of weights.h. */
#include "anybit/weights.h"
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

/* Steps that are staged at a time. */
enum { kStagedSteps = 64 };

/* The stored bytes of the positions [first, first + count) of a run, in one plane; `column` holds the codes of one
   output. A run position is tap * inputs + channel, a code's place channel * taps + tap. */
static void stage_values(const anybit_weight_shape *shape, const anybit_packing *packing, stored_value value,
                         uint32_t plane, int64_t run, const int16_t *column, int64_t first, int64_t count,
                         uint8_t *stage) {
  int64_t taps = shape->kernel_height * shape->kernel_width;
  while (count > 0) {
    int64_t channel = first % shape->inputs, tap = run * packing->taps_in_run + first / shape->inputs;
    int64_t width = shape->inputs - channel < count ? shape->inputs - channel : count;
    const int16_t *codes = column + channel * taps + tap;
    if (packing->planes > 1)
      for (int64_t i = 0; i < width; ++i)
        stage[i] = (uint8_t)plane_of(codes[i * taps] * value.factor + value.offset, packing->planes, plane);
    else if (taps == 1)
      for (int64_t i = 0; i < width; ++i)
        stage[i] = (uint8_t)(codes[i] * value.factor + value.offset);
    else
      for (int64_t i = 0; i < width; ++i)
        stage[i] = (uint8_t)(codes[i * taps] * value.factor + value.offset);
    first += width;
    count -= width;
    stage += width;
  }
}

/* ORs `steps` staged words of one column into zeroed bytes. The four values of a column share a byte lane, so whole
   words are shifted: no value crosses a byte. */
static void merge_column(const uint8_t *stage, int64_t steps, int64_t step_bytes, uint32_t shift, uint8_t *to) {
  for (int64_t step = 0; step < steps; ++step) {
    uint32_t word, old;
    memcpy(&word, stage + step * 4, 4);
    memcpy(&old, to + step * step_bytes, 4);
    old |= word << shift;
    memcpy(to + step * step_bytes, &old, 4);
  }
}

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

/* Packs the steps [first, first + steps) of one run and plane of a block with `columns` outputs. */
static void pack_steps(const anybit_weight_shape *shape, const anybit_packing *packing, stored_value value,
                       uint32_t plane, int64_t run, const int16_t *codes, int64_t columns, int64_t first, int64_t steps,
                       uint8_t *to) {
  uint8_t stage[kStagedSteps * 4];
  int64_t reduction = shape->inputs * shape->kernel_height * shape->kernel_width, bytes = bytes_per_step(packing);
  int64_t lane = bytes / 4, left = shape->inputs * packing->taps_in_run - first * 4;
  int64_t values = left < steps * 4 ? left : steps * 4;
  memset(stage, value.padding, sizeof stage);
  for (int64_t column = 0; column < (int64_t)packing->column_block; ++column) {
    if (column < columns)
      stage_values(shape, packing, value, plane, run, codes + column * reduction, first * 4, values, stage);
    else if (column == columns)
      memset(stage, value.padding, sizeof stage);
    merge_column(stage, steps, bytes, packing->storage_bits * (uint32_t)(column / lane), to + column % lane * 4);
  }
}

/* Packs one column block. */
static void pack_block(const anybit_weight_shape *shape, const anybit_packing *packing, stored_value value,
                       const int16_t *codes, int64_t columns, uint8_t *to) {
  int64_t runs = run_count(shape, packing), steps = steps_per_run(shape, packing), bytes = bytes_per_step(packing);
  for (int64_t run = 0; run < runs; ++run)
    for (uint32_t plane = 0; plane < packing->planes; ++plane, to += steps * bytes)
      for (int64_t first = 0; first < steps; first += kStagedSteps) {
        int64_t count = steps - first < kStagedSteps ? steps - first : kStagedSteps;
        pack_steps(shape, packing, value, plane, run, codes, columns, first, count, to + first * bytes);
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
