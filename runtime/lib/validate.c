#include "module.h"

#include "cpu.h"
#include "error.h"

#include <inttypes.h>
#include <string.h>

static uint64_t element_bytes(uint32_t type) {
  switch (type) {
  case ANYBIT_UINT8:
  case ANYBIT_INT8:
  case ANYBIT_BOOL:
    return 1;
  case ANYBIT_FLOAT32:
  case ANYBIT_INT32:
    return 4;
  case ANYBIT_INT64:
    return 8;
  default:
    return 0;
  }
}

uint64_t anybit_tensor_bytes(const anybit_tensor *tensor) {
  uint64_t bytes = element_bytes(tensor->element_type);
  if (tensor->rank > ANYBIT_MAX_RANK)
    return 0;
  for (uint32_t i = 0; i < tensor->rank; ++i)
    if (tensor->dimensions[i] <= 0 || __builtin_mul_overflow(bytes, (uint64_t)tensor->dimensions[i], &bytes))
      return 0;
  return bytes > INT64_MAX ? 0 : bytes;
}

static anybit_status check_tensors(const anybit_tensor *tensors, uint32_t count, const char *role, const char *origin) {
  if (count && !tensors)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': it has %u %ss but no table of them", origin, count, role);
  for (uint32_t i = 0; i < count; ++i)
    if (!tensors[i].name || anybit_tensor_bytes(&tensors[i]) == 0)
      return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                         "'%s': %s %u ('%s') has element type %u and rank %u; a name, a known type, rank <= %u and "
                         "positive dimensions are needed",
                         origin, role, i, tensors[i].name ? tensors[i].name : "", tensors[i].element_type,
                         tensors[i].rank, ANYBIT_MAX_RANK);
  return ANYBIT_OK;
}

static anybit_status check_kernels(const anybit_module_descriptor *module, const char *origin) {
  if (module->kernel_count && !module->kernels)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': it has %u kernels but no table of them", origin,
                       module->kernel_count);
  for (uint32_t i = 0; i < module->kernel_count; ++i) {
    const anybit_kernel *kernel = &module->kernels[i];
    if (!kernel->name || !kernel->family || !kernel->function)
      return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': kernel %u has no name, family or function", origin, i);
    if (kernel->scratch_bytes > module->scratch_bytes)
      return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                         "'%s': kernel '%s' needs %" PRIu64 " bytes of scratch, the module states %" PRIu64, origin,
                         kernel->name, kernel->scratch_bytes, module->scratch_bytes);
  }
  return ANYBIT_OK;
}

/* Bytes that an argument's offset must stay below; 0 where the argument cannot be. */
static uint64_t argument_limit(const anybit_module_descriptor *module, const anybit_variant *variant,
                               const anybit_argument *argument) {
  switch (argument->kind) {
  case ANYBIT_ARGUMENT_ARENA:
    return variant->arena_bytes;
  case ANYBIT_ARGUMENT_CONSTANT:
    return argument->constant ? INT64_MAX : 0;
  case ANYBIT_ARGUMENT_INPUT:
    return argument->index < module->input_count ? anybit_tensor_bytes(&module->inputs[argument->index]) : 0;
  case ANYBIT_ARGUMENT_OUTPUT:
    return argument->index < module->output_count ? anybit_tensor_bytes(&module->outputs[argument->index]) : 0;
  case ANYBIT_ARGUMENT_SLOT:
    return variant->slot_bytes;
  default:
    return 0;
  }
}

static anybit_status check_dispatch(const anybit_module_descriptor *module, const anybit_variant *variant,
                                    const anybit_dispatch *dispatch, const char *origin) {
  const char *layer = dispatch->layer ? dispatch->layer : "";
  if (!dispatch->layer || dispatch->kernel >= module->kernel_count || dispatch->grid < 0 || dispatch->claim < 1)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s': candidate '%s', layer '%s': kernel %u of %u, grid %" PRId64 ", claim %" PRId64
                       "; a layer name, a known kernel, a grid >= 0 and a claim >= 1 are needed",
                       origin, variant->name, layer, dispatch->kernel, module->kernel_count, dispatch->grid,
                       dispatch->claim);
  if (dispatch->argument_count && !dispatch->arguments)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': candidate '%s', layer '%s' has no table of its %u arguments",
                       origin, variant->name, layer, dispatch->argument_count);
  for (uint32_t i = 0; i < dispatch->argument_count; ++i) {
    const anybit_argument *argument = &dispatch->arguments[i];
    uint64_t limit = argument_limit(module, variant, argument);
    if (argument->offset >= limit)
      return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                         "'%s': candidate '%s', layer '%s', argument %u: kind %u, index %u, offset %" PRIu64
                         " is not below %" PRIu64,
                         origin, variant->name, layer, i, argument->kind, argument->index, argument->offset, limit);
  }
  return ANYBIT_OK;
}

static anybit_status check_variant(const anybit_module_descriptor *module, const anybit_variant *variant,
                                   const char *origin, anybit_module_needs *needs) {
  if (!variant->name || (variant->dispatch_count && !variant->dispatches) ||
      (variant->rebuild_count && !variant->rebuilds))
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': candidate %td has no name, dispatches or rebuilds", origin,
                       variant - module->variants);
  if (variant->arena_bytes > module->arena_bytes || variant->slot_bytes > module->slot_bytes)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s': candidate '%s' needs %" PRIu64 " bytes of arena and %" PRIu64
                       " of weights, the module states %" PRIu64 " and %" PRIu64,
                       origin, variant->name, variant->arena_bytes, variant->slot_bytes, module->arena_bytes,
                       module->slot_bytes);
  for (uint32_t i = 0; i < variant->dispatch_count; ++i) {
    anybit_status status = check_dispatch(module, variant, &variant->dispatches[i], origin);
    if (status != ANYBIT_OK)
      return status;
    if (variant->dispatches[i].argument_count > needs->arguments)
      needs->arguments = variant->dispatches[i].argument_count;
  }
  return ANYBIT_OK;
}

static anybit_status check_identity(const anybit_module_descriptor *module, const char *origin) {
  if (module->magic != ANYBIT_ABI_MAGIC)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': its descriptor has the wrong magic number", origin);
  if (module->abi_major != ANYBIT_ABI_MAJOR)
    return anybit_fail(ANYBIT_INCOMPATIBLE_ABI, "'%s' was made for ABI %u.%u, this runtime has ABI %u.%u; %s", origin,
                       module->abi_major, module->abi_minor, ANYBIT_ABI_MAJOR, ANYBIT_ABI_MINOR,
                       module->abi_major > ANYBIT_ABI_MAJOR ? "update the runtime" : "compile the model again");
  if (module->descriptor_bytes < ANYBIT_LEAST_DESCRIPTOR_BYTES)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': its descriptor has %" PRIu64 " bytes, at least %u are needed",
                       origin, module->descriptor_bytes, ANYBIT_LEAST_DESCRIPTOR_BYTES);
  if (!module->model || !module->producer || !module->triple || !module->features)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': its descriptor lacks model, producer, triple or features",
                       origin);
  if (!module->variants || module->variant_count == 0 || module->variant_count > INT32_MAX)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s': it has %u candidates; at least one is needed", origin,
                       module->variant_count);
  return ANYBIT_OK;
}

static anybit_status check_features(const anybit_module_descriptor *module, const char *origin) {
  char missing[512];
  size_t count = anybit_missing_cpu_features(module->features, missing, sizeof missing);
  if (count == 0)
    return ANYBIT_OK;
  /* The CPU may have tile registers that the operating system does not grant. */
  const char *without = strstr(missing, "amx-") ? ", without tile registers by --target native,-amx-int8" : "";
  return anybit_fail(ANYBIT_UNSUPPORTED_CPU,
                     "'%s' needs CPU features that this machine lacks: %s; compile the model for this machine%s",
                     origin, missing, without);
}

anybit_status anybit_validate(const anybit_module_descriptor *module, const char *origin, anybit_module_needs *needs) {
  *needs = (anybit_module_needs){0, 0};
  anybit_status status = check_identity(module, origin);
  if (status == ANYBIT_OK)
    status = check_features(module, origin);
  if (status == ANYBIT_OK)
    status = check_tensors(module->inputs, module->input_count, "input", origin);
  if (status == ANYBIT_OK)
    status = check_tensors(module->outputs, module->output_count, "output", origin);
  if (status == ANYBIT_OK)
    status = check_kernels(module, origin);
  for (uint32_t i = 0; status == ANYBIT_OK && i < module->variant_count; ++i)
    status = check_variant(module, &module->variants[i], origin, needs);
  if (status == ANYBIT_OK)
    status = anybit_validate_masters(module, origin, needs);
  return status;
}
