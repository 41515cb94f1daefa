#include "rebuild.h"

#include "half.h"

/* Floats mixed at a time where rows are short: the three buffers of a chunk stay in the first-level cache. */
enum { kChunkFloats = 2048 };

typedef struct rebuild_plan {
  const anybit_master *master;
  const anybit_rebuild *rebuild;
  int64_t outputs;       /* per group */
  int64_t length;        /* weights of one output */
  int64_t blocks;        /* per group */
  int64_t mixed_at_once; /* outputs, even unless all */
  int whole_plane;
} rebuild_plan;

anybit_packing anybit_rebuild_packing(const anybit_rebuild *rebuild) {
  int has_planes = rebuild->order == ANYBIT_ORDER_STEPS && rebuild->storage_bits == 8;
  uint32_t planes = has_planes ? anybit_weight_planes(rebuild->format, rebuild->bits, rebuild->weight_zero) : 1;
  anybit_packing packing = {rebuild->column_block, rebuild->storage_bits, rebuild->taps_in_run,
                            planes,                rebuild->order,        rebuild->input_bits};
  return packing;
}

static rebuild_plan plan_of(const anybit_master *master, const anybit_rebuild *rebuild) {
  rebuild_plan plan = {master, rebuild, 0, 0, 0, 0, 0};
  plan.outputs = master->outputs / master->groups;
  plan.length = master->inputs * master->kernel_height * master->kernel_width;
  plan.blocks = (plan.outputs + rebuild->column_block - 1) / rebuild->column_block;
  plan.whole_plane = master->wavelet == ANYBIT_DB2 && master->layout != ANYBIT_LAYOUT_NONE;
  plan.mixed_at_once = kChunkFloats / plan.length & ~(int64_t)1;
  if (plan.mixed_at_once < 2)
    plan.mixed_at_once = 2;
  if (plan.mixed_at_once > (int64_t)rebuild->column_block)
    plan.mixed_at_once = rebuild->column_block;
  if (plan.whole_plane || plan.mixed_at_once > plan.outputs)
    plan.mixed_at_once = plan.outputs;
  return plan;
}

static uint64_t aligned(uint64_t bytes) { return (bytes + ANYBIT_ALIGNMENT - 1) / ANYBIT_ALIGNMENT * ANYBIT_ALIGNMENT; }

uint64_t anybit_rebuild_scratch(const anybit_master *master, const anybit_rebuild *rebuild) {
  rebuild_plan plan = plan_of(master, rebuild);
  uint64_t floats = (uint64_t)(plan.mixed_at_once * plan.length);
  uint64_t wavelet = plan.whole_plane ? aligned((4 * floats + 64) * sizeof(float)) : 0;
  return 2 * aligned(floats * sizeof(float)) + wavelet +
         aligned((uint64_t)rebuild->column_block * (uint64_t)plan.length * sizeof(int16_t));
}

typedef struct rebuild_buffers {
  float *master, *mixed, *wavelet;
  int16_t *codes;
} rebuild_buffers;

static rebuild_buffers buffers_of(const rebuild_plan *plan, void *scratch) {
  uint64_t floats = (uint64_t)(plan->mixed_at_once * plan->length), bytes = aligned(floats * sizeof(float));
  uint8_t *at = scratch;
  rebuild_buffers buffers = {(float *)(void *)at, (float *)(void *)(at + bytes), NULL, NULL};
  at += 2 * bytes;
  if (plan->whole_plane) {
    buffers.wavelet = (float *)(void *)at;
    at += aligned((4 * floats + 64) * sizeof(float));
  }
  buffers.codes = (int16_t *)(void *)at;
  return buffers;
}

/* Reads and mixes `count` outputs of `group` from `first` on. */
static void mix_outputs(const rebuild_plan *plan, int64_t group, int64_t first, int64_t count,
                        const rebuild_buffers *buffers) {
  const anybit_master *m = plan->master;
  const uint16_t *halves = m->values + (group * plan->outputs + first) * plan->length;
  anybit_halves_to_floats(halves, count * plan->length, buffers->master);
  anybit_weight_shape shape = {count, m->inputs, m->kernel_height, m->kernel_width, 1};
  anybit_mix_bands(&shape, m->layout, m->wavelet, plan->rebuild->alpha, buffers->master, buffers->mixed,
                   buffers->wavelet);
}

static void encode_outputs(const rebuild_plan *plan, int64_t group, int64_t first, int64_t count, const float *mixed,
                           int16_t *codes) {
  const anybit_rebuild *r = plan->rebuild;
  if (r->scale_count == 1) {
    anybit_encode(r->format, r->bits, r->scales[0], r->weight_zero, mixed, count * plan->length, codes);
    return;
  }
  const float *scales = r->scales + group * plan->outputs + first;
  for (int64_t i = 0; i < count; ++i)
    anybit_encode(r->format, r->bits, scales[i], r->weight_zero, mixed + i * plan->length, plan->length,
                  codes + i * plan->length);
}

static void pack_columns(const rebuild_plan *plan, int64_t group, int64_t block, int64_t columns, const int16_t *codes,
                         uint8_t *slot) {
  const anybit_master *m = plan->master;
  const anybit_rebuild *r = plan->rebuild;
  anybit_weight_shape shape = {columns, m->inputs, m->kernel_height, m->kernel_width, 1};
  anybit_packing packing = anybit_rebuild_packing(r);
  int64_t index = group * plan->blocks + block;
  uint8_t *weights = slot + r->weight_offset + index * anybit_packed_bytes(&shape, &packing);
  int32_t *initial = (int32_t *)(void *)(slot + r->initial_offset) + index * r->column_block;
  anybit_pack(&shape, &packing, r->format, r->bits, r->weight_zero, r->input_zero, codes, weights, initial);
}

/* One column block. Haar mixes it piecewise: a piece starts at an even output, so no 2x2 block is cut. */
static void rebuild_block(const rebuild_plan *plan, int64_t group, int64_t block, const rebuild_buffers *buffers,
                          uint8_t *slot) {
  int64_t width = plan->rebuild->column_block, begin = block * width;
  int64_t columns = plan->outputs - begin < width ? plan->outputs - begin : width;
  if (plan->whole_plane)
    encode_outputs(plan, group, begin, columns, buffers->mixed + begin * plan->length, buffers->codes);
  for (int64_t done = 0; !plan->whole_plane && done < columns; done += plan->mixed_at_once) {
    int64_t count = columns - done < plan->mixed_at_once ? columns - done : plan->mixed_at_once;
    mix_outputs(plan, group, begin + done, count, buffers);
    encode_outputs(plan, group, begin + done, count, buffers->mixed, buffers->codes + done * plan->length);
  }
  pack_columns(plan, group, block, columns, buffers->codes, slot);
}

static int64_t units_of(const rebuild_plan *plan) {
  return plan->whole_plane ? plan->master->groups : plan->master->groups * plan->blocks;
}

int64_t anybit_rebuild_units(const anybit_module_descriptor *module, uint32_t candidate) {
  const anybit_variant *variant = &module->variants[candidate];
  int64_t units = 0;
  for (uint32_t i = 0; i < variant->rebuild_count; ++i) {
    rebuild_plan plan = plan_of(&module->masters[variant->rebuilds[i].master], &variant->rebuilds[i]);
    units += units_of(&plan);
  }
  return units;
}

void anybit_rebuild_unit(const anybit_module_descriptor *module, uint32_t candidate, int64_t unit, uint8_t *slot,
                         void *scratch) {
  const anybit_rebuild *rebuild = module->variants[candidate].rebuilds;
  rebuild_plan plan = plan_of(&module->masters[rebuild->master], rebuild);
  while (unit >= units_of(&plan)) {
    unit -= units_of(&plan);
    ++rebuild;
    plan = plan_of(&module->masters[rebuild->master], rebuild);
  }
  rebuild_buffers buffers = buffers_of(&plan, scratch);
  if (!plan.whole_plane) {
    rebuild_block(&plan, unit / plan.blocks, unit % plan.blocks, &buffers, slot);
    return;
  }
  mix_outputs(&plan, unit, 0, plan.outputs, &buffers);
  for (int64_t block = 0; block < plan.blocks; ++block)
    rebuild_block(&plan, unit, block, &buffers, slot);
}
