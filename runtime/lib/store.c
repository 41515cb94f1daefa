#include "store.h"

#include "error.h"
#include "fp_environment.h"
#include "rebuild.h"

#include <string.h>

/* state: candidate in bits 0..30, its slot in bit 31, ready candidate + 1 in bits 32..63. */
static const uint32_t kNoCandidate = 0x7fffffff;
static uint32_t active_of(uint64_t state) { return (uint32_t)state & 0x7fffffff; }
static uint32_t slot_of(uint64_t state) { return (uint32_t)state >> 31; }
static int has_ready(uint64_t state) { return state >> 32 != 0; }
static uint32_t next_of(uint64_t state) { return has_ready(state) ? (uint32_t)(state >> 32) - 1 : active_of(state); }
static uint64_t without_ready(uint64_t state) { return (uint32_t)state; }
static uint64_t with_ready(uint64_t state, uint32_t candidate) {
  return (uint32_t)state | (candidate + UINT64_C(1)) << 32;
}
static uint64_t adopted(uint64_t state) { return next_of(state) | (uint64_t)(slot_of(state) ^ 1) << 31; }

static int is_master(const anybit_store *store) { return store->module->slot_bytes > 0; }

/* Under `lock`: begins a fill if the request is neither ready nor active. Returns whether one is in progress. */
static int begin_fill(anybit_store *store) {
  while (!store->filling) {
    uint32_t target = atomic_load(&store->requested);
    uint64_t state = atomic_load(&store->state);
    if (next_of(state) == target)
      return 0;
    /* A run may adopt what is ready just now; then look again. */
    if (has_ready(state) && !atomic_compare_exchange_strong(&store->state, &state, without_ready(state)))
      continue;
    if (active_of(state) == target)
      return 0;
    store->target = target;
    store->target_slot = store->slots[slot_of(state) ^ 1];
    store->units = anybit_rebuild_units(store->module, target);
    atomic_store(&store->next_unit, 0);
    store->filling = 1;
    pthread_cond_broadcast(&store->changed);
  }
  return 1;
}

/* Under `lock`, left while working: takes units until none is left or another candidate is wanted. The last helper to
   leave publishes a whole slot; an abandoned one is filled anew later. */
static void help_fill(anybit_store *store, void *scratch) {
  ++store->helpers;
  pthread_mutex_unlock(&store->lock);
  while (atomic_load_explicit(&store->requested, memory_order_relaxed) == store->target) {
    int64_t unit = atomic_fetch_add(&store->next_unit, 1);
    if (unit >= store->units)
      break;
    anybit_rebuild_unit(store->module, store->target, unit, store->target_slot, scratch);
  }
  pthread_mutex_lock(&store->lock);
  if (--store->helpers > 0)
    return;
  store->filling = 0;
  if (atomic_load(&store->requested) == store->target && atomic_load(&store->next_unit) >= store->units)
    atomic_store(&store->state, with_ready(atomic_load(&store->state), store->target));
  pthread_cond_broadcast(&store->changed);
}

/* Under `lock`: one step towards the request. Returns 0 when there is nothing to do. */
static int advance(anybit_store *store, void *scratch) {
  if (!begin_fill(store))
    return 0;
  int wanted = atomic_load(&store->requested) == store->target;
  if (store->helpers == 0 || (wanted && atomic_load(&store->next_unit) < store->units))
    help_fill(store, scratch);
  else
    pthread_cond_wait(&store->changed, &store->lock);
  return 1;
}

static void *work(void *argument) {
  anybit_store_worker *self = argument;
  anybit_store *store = self->store;
  anybit_enter_fp_environment();
  pthread_mutex_lock(&store->lock);
  while (!store->stop)
    if (!advance(store, self->scratch))
      pthread_cond_wait(&store->changed, &store->lock);
  pthread_mutex_unlock(&store->lock);
  return NULL;
}

uint32_t anybit_store_workers(const anybit_module_descriptor *module, uint32_t threads) {
  if (module->slot_bytes == 0)
    return 0;
  return threads > 1 ? threads - 1 : 1;
}

anybit_status anybit_store_start(anybit_store *store, const anybit_module_descriptor *module, uint32_t worker_count,
                                 anybit_store_worker *workers, void *prepare_scratch, uint8_t *slots[2]) {
  memset(store, 0, sizeof *store);
  store->module = module;
  if (!is_master(store))
    return ANYBIT_OK;
  store->slots[0] = slots[0];
  store->slots[1] = slots[1];
  store->workers = workers;
  store->prepare_scratch = prepare_scratch;
  atomic_store(&store->state, kNoCandidate);
  pthread_mutex_init(&store->lock, NULL);
  pthread_cond_init(&store->changed, NULL);
  for (uint32_t i = 0; i < worker_count; ++i) {
    workers[i].store = store;
    int failure = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    if (failure) {
      anybit_store_stop(store);
      return anybit_fail(ANYBIT_OUT_OF_MEMORY, "cannot start a rebuild thread: %s", strerror(failure));
    }
    ++store->started;
  }
  anybit_store_prepare(store);
  uint8_t *slot;
  anybit_store_acquire(store, &slot);
  return ANYBIT_OK;
}

void anybit_store_stop(anybit_store *store) {
  if (!is_master(store))
    return;
  pthread_mutex_lock(&store->lock);
  store->stop = 1;
  atomic_store(&store->requested, kNoCandidate); /* a fill in progress ends after its units in hand */
  pthread_cond_broadcast(&store->changed);
  pthread_mutex_unlock(&store->lock);
  for (uint32_t i = 0; i < store->started; ++i)
    pthread_join(store->workers[i].thread, NULL);
  pthread_cond_destroy(&store->changed);
  pthread_mutex_destroy(&store->lock);
}

void anybit_store_request(anybit_store *store, uint32_t index) {
  atomic_store_explicit(&store->requested, index, memory_order_release);
  if (!is_master(store))
    return;
  pthread_mutex_lock(&store->lock);
  pthread_cond_broadcast(&store->changed);
  pthread_mutex_unlock(&store->lock);
}

void anybit_store_prepare(anybit_store *store) {
  if (!is_master(store))
    return;
  uint64_t saved = anybit_enter_fp_environment();
  pthread_mutex_lock(&store->lock);
  /* Two callers would share the one scratch. */
  while (store->preparing)
    pthread_cond_wait(&store->changed, &store->lock);
  store->preparing = 1;
  while (advance(store, store->prepare_scratch))
    ;
  store->preparing = 0;
  pthread_cond_broadcast(&store->changed);
  pthread_mutex_unlock(&store->lock);
  anybit_leave_fp_environment(saved);
}

/* A ready candidate that is no longer wanted stays unused. */
static int is_adoptable(const anybit_store *store, uint64_t state) {
  return has_ready(state) && next_of(state) == atomic_load(&store->requested);
}

uint32_t anybit_store_next(const anybit_store *store) {
  if (!is_master(store))
    return atomic_load(&store->requested);
  uint64_t state = atomic_load(&store->state);
  return is_adoptable(store, state) ? next_of(state) : active_of(state);
}

uint32_t anybit_store_acquire(anybit_store *store, uint8_t **slot) {
  *slot = NULL;
  if (!is_master(store))
    return atomic_load_explicit(&store->requested, memory_order_acquire);
  uint64_t state = atomic_load(&store->state);
  while (is_adoptable(store, state))
    if (atomic_compare_exchange_weak(&store->state, &state, adopted(state)))
      state = adopted(state);
  *slot = store->slots[slot_of(state)];
  return active_of(state);
}
