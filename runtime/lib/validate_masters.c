#include "module.h"

#include "anybit/weights.h"
#include "error.h"
#include "rebuild.h"

#include <inttypes.h>
#include <math.h>

/* Weights of one tensor; far below this every product of sizes here fits int64_t. */
static const int64_t kMostWeights = INT64_C(1) << 40;

static int64_t master_count(const anybit_master *master) {
  const int64_t sizes[] = {master->outputs, master->inputs, master->kernel_height, master->kernel_width};
  int64_t count = 1;
  for (int i = 0; i < 4; ++i)
    if (sizes[i] <= 0 || __builtin_mul_overflow(count, sizes[i], &count) || count > kMostWeights)
      return 0;
  return count;
}

static anybit_status check_master(const anybit_master *master, const char *origin) {
  if (!master->layer || !master->values)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': a master tensor has no layer name or no values", origin);
  if (master_count(master) == 0 || master->groups <= 0 || master->outputs % master->groups != 0)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s': master tensor of '%s' has shape %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64
                       " in %" PRId64 " groups; positive sizes and a divisor of the first are needed",
                       origin, master->layer, master->outputs, master->inputs, master->kernel_height,
                       master->kernel_width, master->groups);
  if (master->layout > ANYBIT_LAYOUT_SPATIAL || master->wavelet > ANYBIT_DB2)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': master tensor of '%s' has the unknown layout %u or wavelet %u",
                       origin, master->layer, master->layout, master->wavelet);
  return ANYBIT_OK;
}

static anybit_status check_encoding(const anybit_master *master, const anybit_rebuild *rebuild, const char *origin) {
  uint32_t narrowest = rebuild->format == ANYBIT_NARROW ? 2 : 1;
  int has_zero = rebuild->format == ANYBIT_UNSIGNED;
  if (rebuild->format > ANYBIT_NARROW || rebuild->bits < narrowest || rebuild->bits > 8 ||
      (rebuild->weight_zero != 0 && !has_zero))
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s': rebuild of '%s': format %u with %u bits and zero point %d; the formats are signed, "
                       "unsigned, odd and narrow, 1 to 8 bits (narrow 2), and unsigned alone has a zero point",
                       origin, master->layer, rebuild->format, rebuild->bits, rebuild->weight_zero);
  if (!rebuild->scales || (rebuild->scale_count != 1 && rebuild->scale_count != master->outputs))
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': rebuild of '%s': %u scales for %" PRId64 " outputs", origin,
                       master->layer, rebuild->scale_count, master->outputs);
  for (uint32_t i = 0; i < rebuild->scale_count; ++i)
    if (!isfinite(rebuild->scales[i]) || !(rebuild->scales[i] > 0))
      return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': rebuild of '%s': scale %u is %g, not finite and positive",
                         origin, master->layer, i, (double)rebuild->scales[i]);
  return ANYBIT_OK;
}

static int is_packing(const anybit_master *master, const anybit_rebuild *rebuild) {
  uint32_t storage = rebuild->storage_bits;
  if (rebuild->column_block == 0 || rebuild->column_block % 8 || rebuild->column_block > 4096)
    return 0;
  if (rebuild->order == ANYBIT_ORDER_PLANES)
    return rebuild->format != ANYBIT_UNSIGNED && storage == rebuild->bits && rebuild->taps_in_run == 1 && rebuild->input_bits - 1 < 8;
  if (rebuild->order != ANYBIT_ORDER_STEPS)
    return 0;
  if ((storage != 8 && storage != 4 && storage != 2 && storage != 1) || storage < rebuild->bits)
    return 0;
  if (rebuild->taps_in_run != 1 && rebuild->taps_in_run != master->kernel_width)
    return 0;
  int zero_is_code = rebuild->weight_zero >= 0 && rebuild->weight_zero < 1 << rebuild->bits;
  int has_padding = rebuild->format == ANYBIT_UNSIGNED ? zero_is_code : rebuild->format != ANYBIT_ODD;
  return storage == 8 || has_padding || master->inputs * rebuild->taps_in_run % 4 == 0;
}

static int fits(uint64_t offset, uint64_t align, uint64_t count, uint64_t limit) {
  return offset % align == 0 && offset <= limit && count <= limit - offset;
}

static anybit_status check_rebuild(const anybit_module_descriptor *module, const anybit_variant *variant,
                                   const anybit_rebuild *rebuild, const char *origin) {
  if (rebuild->master >= module->master_count)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': candidate '%s' rebuilds master tensor %u of %u", origin,
                       variant->name, rebuild->master, module->master_count);
  const anybit_master *master = &module->masters[rebuild->master];
  anybit_status status = check_encoding(master, rebuild, origin);
  if (status != ANYBIT_OK)
    return status;
  if (!is_packing(master, rebuild))
    return anybit_fail(
        ANYBIT_INVALID_ARTIFACT,
        "'%s': rebuild of '%s': column block %u, %u storage bits, %u taps in a run, order %u do not fit %u bits, "
        "a kernel %" PRId64 " wide and %u bits of input",
        origin, master->layer, rebuild->column_block, rebuild->storage_bits, rebuild->taps_in_run, rebuild->order,
        rebuild->bits, master->kernel_width, rebuild->input_bits);
  anybit_weight_shape shape = {master->outputs, master->inputs, master->kernel_height, master->kernel_width,
                               master->groups};
  anybit_packing packing = anybit_rebuild_packing(rebuild);
  uint64_t weights = (uint64_t)anybit_packed_bytes(&shape, &packing);
  uint64_t initials = (uint64_t)anybit_padded_outputs(&shape, &packing) * sizeof(int32_t);
  if (!fits(rebuild->weight_offset, 1, weights, variant->slot_bytes) ||
      !fits(rebuild->initial_offset, sizeof(int32_t), initials, variant->slot_bytes))
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s': rebuild of '%s': %" PRIu64 " bytes at %" PRIu64 " and %" PRIu64 " at %" PRIu64
                       " do not fit the slot of candidate '%s', %" PRIu64 " bytes",
                       origin, master->layer, weights, rebuild->weight_offset, initials, rebuild->initial_offset,
                       variant->name, variant->slot_bytes);
  return ANYBIT_OK;
}

anybit_status anybit_validate_masters(const anybit_module_descriptor *module, const char *origin,
                                      anybit_module_needs *needs) {
  if (module->master_count && !module->masters)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': it has %u master tensors but no table of them", origin,
                       module->master_count);
  for (uint32_t i = 0; i < module->master_count; ++i) {
    anybit_status status = check_master(&module->masters[i], origin);
    if (status != ANYBIT_OK)
      return status;
  }
  for (uint32_t i = 0; i < module->variant_count; ++i)
    for (uint32_t j = 0; j < module->variants[i].rebuild_count; ++j) {
      const anybit_rebuild *rebuild = &module->variants[i].rebuilds[j];
      anybit_status status = check_rebuild(module, &module->variants[i], rebuild, origin);
      if (status != ANYBIT_OK)
        return status;
      uint64_t scratch = anybit_rebuild_scratch(&module->masters[rebuild->master], rebuild);
      if (scratch > needs->rebuild_scratch)
        needs->rebuild_scratch = scratch;
    }
  return ANYBIT_OK;
}
