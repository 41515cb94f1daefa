#include "error.h"
#include "fp_environment.h"
#include "module.h"
#include "pool.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kMostThreads = 1024 };

struct anybit_session {
  const anybit_module *module;
  uint8_t *arena;
  void **arguments; /* of the dispatch in progress */
  anybit_profile_function profile;
  void *profile_user;
  _Atomic int running;
  int owns_memory;
  anybit_pool pool;
  anybit_store store;
};

/* Offsets in the session's one block. Every part is followed by ANYBIT_ALIGNMENT readable bytes (abi.h). */
typedef struct session_layout {
  uint32_t threads, rebuilders; /* rebuilders: background ones */
  uint64_t arguments, pool_workers, pool_shares, store_workers, arena, scratch, scratch_stride, slots[2];
  uint64_t rebuild_scratch, rebuild_stride, bytes;
  int overflow;
} session_layout;

static uint64_t reserve(session_layout *layout, uint64_t count, uint64_t each) {
  uint64_t at = layout->bytes, bytes, end;
  layout->overflow |= __builtin_mul_overflow(count, each, &bytes);
  layout->overflow |= __builtin_add_overflow(bytes, 2 * ANYBIT_ALIGNMENT - 1, &bytes);
  layout->overflow |= __builtin_add_overflow(at, bytes & ~(uint64_t)(ANYBIT_ALIGNMENT - 1), &end);
  layout->overflow |= end > PTRDIFF_MAX;
  layout->bytes = layout->overflow ? 0 : end;
  return at;
}

static uint64_t stride_of(session_layout *layout, uint64_t bytes) {
  layout->overflow |= bytes > PTRDIFF_MAX;
  return layout->overflow ? 0 : (bytes + 2 * ANYBIT_ALIGNMENT - 1) & ~(uint64_t)(ANYBIT_ALIGNMENT - 1);
}

static anybit_status lay_out(const anybit_module *module, const anybit_session_options *options,
                             session_layout *layout) {
  const anybit_module_descriptor *d = module->descriptor;
  uint64_t slots = d->slot_bytes > 0 ? 1 : 0;
  memset(layout, 0, sizeof *layout);
  layout->threads = options && options->threads ? options->threads : 1;
  layout->rebuilders = anybit_store_workers(d, layout->threads);
  layout->scratch_stride = stride_of(layout, d->scratch_bytes);
  layout->rebuild_stride = stride_of(layout, module->needs.rebuild_scratch);
  reserve(layout, 1, sizeof(anybit_session));
  layout->arguments = reserve(layout, module->needs.arguments, sizeof(void *));
  layout->pool_workers = reserve(layout, layout->threads - 1, sizeof(anybit_pool_worker));
  layout->pool_shares = reserve(layout, layout->threads, sizeof(anybit_pool_share));
  layout->store_workers = reserve(layout, layout->rebuilders, sizeof(anybit_store_worker));
  layout->arena = reserve(layout, 1, d->arena_bytes);
  layout->scratch = reserve(layout, layout->threads, layout->scratch_stride);
  layout->slots[0] = reserve(layout, slots, d->slot_bytes);
  layout->slots[1] = reserve(layout, slots, d->slot_bytes);
  layout->rebuild_scratch = reserve(layout, slots * (layout->rebuilders + 1), layout->rebuild_stride);
  if (layout->overflow)
    return anybit_fail(ANYBIT_OUT_OF_MEMORY,
                       "a session of '%s' with %u threads needs more memory than can be addressed", d->model,
                       layout->threads);
  return ANYBIT_OK;
}

static anybit_status check_options(const anybit_module *module, const anybit_session_options *options) {
  if (!module)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the module is null");
  if (!options)
    return ANYBIT_OK;
  if (options->size != sizeof *options)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT,
                       "the options' size is %zu, this runtime knows %zu; set it to the size "
                       "of anybit_session_options of its header",
                       options->size, sizeof *options);
  if (options->threads > kMostThreads || options->reserved)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "%u threads and reserved %u; at most %d and 0 are allowed",
                       options->threads, options->reserved, kMostThreads);
  if ((uintptr_t)options->memory % ANYBIT_ALIGNMENT)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the session's memory is not aligned to %u bytes", ANYBIT_ALIGNMENT);
  return ANYBIT_OK;
}

anybit_status anybit_session_bytes(const anybit_module *module, const anybit_session_options *options, size_t *bytes) {
  anybit_status status = check_options(module, options);
  if (status != ANYBIT_OK)
    return status;
  if (!bytes)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the pointer for the size is null");
  session_layout layout;
  status = lay_out(module, options, &layout);
  if (status == ANYBIT_OK)
    *bytes = (size_t)layout.bytes;
  return status;
}

static anybit_status obtain(const anybit_session_options *options, uint64_t bytes, void **memory) {
  if (options && options->memory) {
    *memory = options->memory;
    if (options->memory_bytes < bytes)
      return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the session's memory has %zu bytes, %zu are needed",
                         options->memory_bytes, (size_t)bytes);
    return ANYBIT_OK;
  }
  if (posix_memalign(memory, ANYBIT_ALIGNMENT, (size_t)bytes) != 0)
    return anybit_fail(ANYBIT_OUT_OF_MEMORY, "no memory for a session (%zu bytes)", (size_t)bytes);
  return ANYBIT_OK;
}

static anybit_status start(anybit_session *session, const session_layout *layout, uint8_t *memory) {
  const anybit_module_descriptor *d = session->module->descriptor;
  session->arena = memory + layout->arena;
  session->arguments = (void **)(void *)(memory + layout->arguments);
  anybit_pool_worker *pool_workers = (void *)(memory + layout->pool_workers);
  anybit_store_worker *store_workers = (void *)(memory + layout->store_workers);
  uint8_t *rebuild_scratch = memory + layout->rebuild_scratch;
  for (uint32_t i = 0; i < layout->rebuilders; ++i)
    store_workers[i].scratch = rebuild_scratch + (i + 1) * layout->rebuild_stride;
  uint8_t *slots[2] = {memory + layout->slots[0], memory + layout->slots[1]};
  anybit_pool_share *pool_shares = (void *)(memory + layout->pool_shares);
  anybit_status status = anybit_pool_start(&session->pool, layout->threads, pool_workers, pool_shares,
                                           memory + layout->scratch, layout->scratch_stride);
  if (status != ANYBIT_OK)
    return status;
  status = anybit_store_start(&session->store, d, layout->rebuilders, store_workers, rebuild_scratch, slots);
  if (status != ANYBIT_OK)
    anybit_pool_stop(&session->pool);
  return status;
}

anybit_status anybit_session_create(const anybit_module *module, const anybit_session_options *options,
                                    anybit_session **out) {
  if (!out)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the pointer for the session is null");
  *out = NULL;
  anybit_status status = check_options(module, options);
  if (status != ANYBIT_OK)
    return status;
  session_layout layout;
  void *memory;
  status = lay_out(module, options, &layout);
  if (status == ANYBIT_OK)
    status = obtain(options, layout.bytes, &memory);
  if (status != ANYBIT_OK)
    return status;
  anybit_session *session = memory;
  memset(session, 0, sizeof *session);
  session->module = module;
  session->owns_memory = !(options && options->memory);
  status = start(session, &layout, memory);
  if (status == ANYBIT_OK)
    *out = session;
  else if (session->owns_memory)
    free(memory);
  return status;
}

void anybit_session_destroy(anybit_session *session) {
  if (!session)
    return;
  anybit_store_stop(&session->store);
  anybit_pool_stop(&session->pool);
  if (session->owns_memory)
    free(session);
}

anybit_status anybit_session_set_candidate(anybit_session *session, uint32_t index) {
  if (!session)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the session is null");
  uint32_t count = session->module->descriptor->variant_count;
  if (index >= count)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "candidate %u does not exist; '%s' has %u", index,
                       session->module->descriptor->model, count);
  anybit_store_request(&session->store, index);
  return ANYBIT_OK;
}

anybit_status anybit_session_set_candidate_by_name(anybit_session *session, const char *name) {
  if (!session || !name)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the session or the candidate's name is null");
  int32_t index = anybit_module_find_candidate(session->module, name);
  if (index >= 0)
    return anybit_session_set_candidate(session, (uint32_t)index);
  const anybit_module_descriptor *d = session->module->descriptor;
  char names[512] = "";
  for (uint32_t i = 0, used = 0; i < d->variant_count && used < sizeof names; ++i)
    used += (uint32_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", d->variants[i].name);
  return anybit_fail(ANYBIT_INVALID_ARGUMENT, "candidate '%s' does not exist; '%s' has %s", name, d->model, names);
}

uint32_t anybit_session_candidate(const anybit_session *session) {
  return session ? anybit_store_next(&session->store) : UINT32_MAX;
}

anybit_status anybit_session_prepare(anybit_session *session) {
  if (!session)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the session is null");
  anybit_store_prepare(&session->store);
  return ANYBIT_OK;
}

typedef struct run_pointers {
  const void *const *inputs;
  void *const *outputs;
  uint8_t *slot;
} run_pointers;

/* Kernels take writable pointers; they write only what the plan says they write. */
static void *address_of(const anybit_session *session, const run_pointers *run, const anybit_argument *argument) {
  switch (argument->kind) {
  case ANYBIT_ARGUMENT_ARENA:
    return session->arena + argument->offset;
  case ANYBIT_ARGUMENT_INPUT:
    return (uint8_t *)(uintptr_t)run->inputs[argument->index] + argument->offset;
  case ANYBIT_ARGUMENT_OUTPUT:
    return (uint8_t *)run->outputs[argument->index] + argument->offset;
  case ANYBIT_ARGUMENT_SLOT:
    return run->slot + argument->offset;
  default:
    return (uint8_t *)(uintptr_t)argument->constant + argument->offset;
  }
}

static uint64_t nanoseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void run_dispatch(anybit_session *session, const run_pointers *run, const anybit_dispatch *dispatch) {
  for (uint32_t i = 0; i < dispatch->argument_count; ++i)
    session->arguments[i] = address_of(session, run, &dispatch->arguments[i]);
  anybit_kernel_function function = session->module->descriptor->kernels[dispatch->kernel].function;
  if (!session->profile) {
    anybit_pool_run(&session->pool, function, session->arguments, dispatch->grid, dispatch->claim);
    return;
  }
  uint64_t start = nanoseconds_now();
  anybit_pool_run(&session->pool, function, session->arguments, dispatch->grid, dispatch->claim);
  session->profile(session->profile_user, dispatch, nanoseconds_now() - start);
}

static anybit_status check_pointers(const anybit_tensor *tensors, uint32_t count, const void *const *pointers,
                                    const char *role) {
  if (count && !pointers)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the table of %u %ss is null", count, role);
  for (uint32_t i = 0; i < count; ++i)
    if (!pointers[i])
      return anybit_fail(ANYBIT_INVALID_ARGUMENT, "%s %u ('%s') is null", role, i, tensors[i].name);
  return ANYBIT_OK;
}

anybit_status anybit_session_run(anybit_session *session, const void *const *inputs, void *const *outputs) {
  if (!session)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the session is null");
  const anybit_module_descriptor *d = session->module->descriptor;
  anybit_status status = check_pointers(d->inputs, d->input_count, inputs, "input");
  if (status == ANYBIT_OK)
    status = check_pointers(d->outputs, d->output_count, (const void *const *)outputs, "output");
  if (status != ANYBIT_OK)
    return status;
  if (atomic_exchange_explicit(&session->running, 1, memory_order_acquire))
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "a run of this session is in flight; use a session per thread");
  uint64_t saved = anybit_enter_fp_environment();
  run_pointers run = {inputs, outputs, NULL};
  const anybit_variant *variant = &d->variants[anybit_store_acquire(&session->store, &run.slot)];
  anybit_pool_set_in_run(&session->pool, 1);
  for (uint32_t i = 0; i < variant->dispatch_count; ++i)
    run_dispatch(session, &run, &variant->dispatches[i]);
  anybit_pool_set_in_run(&session->pool, 0);
  anybit_leave_fp_environment(saved);
  atomic_store_explicit(&session->running, 0, memory_order_release);
  return ANYBIT_OK;
}

anybit_status anybit_session_set_profile(anybit_session *session, anybit_profile_function function, void *user) {
  if (!session)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the session is null");
  if (atomic_exchange_explicit(&session->running, 1, memory_order_acquire))
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "a run of this session is in flight; set the profile between runs");
  session->profile = function;
  session->profile_user = user;
  atomic_store_explicit(&session->running, 0, memory_order_release);
  return ANYBIT_OK;
}
