/* Which candidate the next run uses. Packed store: an index. Master store: two slots, of which runs read the active
   one while requests fill the spare one.

   `state` is one word: active candidate, active slot, and the candidate that the spare slot holds ready, if any. Only
   the start of a run turns `ready` into `active`; only the filler, under `lock`, sets or withdraws `ready`. While
   nothing is ready nobody but the filler touches the spare slot. */
#ifndef ANYBIT_LIB_STORE_H
#define ANYBIT_LIB_STORE_H

#include "anybit/runtime.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct anybit_store_worker {
  struct anybit_store *store;
  void *scratch;
  pthread_t thread;
} anybit_store_worker;

typedef struct anybit_store {
  const anybit_module_descriptor *module;
  _Atomic uint32_t requested;
  _Atomic uint64_t state;
  uint8_t *slots[2];
  void *prepare_scratch;
  anybit_store_worker *workers;
  uint32_t started;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  /* The fill in progress; under `lock` but for next_unit. */
  int filling, stop, preparing;
  uint32_t target, helpers;
  uint8_t *target_slot;
  int64_t units;
  _Atomic int64_t next_unit;
} anybit_store;

/* Background threads of a session with `threads` threads; with the caller of `prepare` they are as many as the
   session has, at least two. 0 for a packed module. */
uint32_t anybit_store_workers(const anybit_module_descriptor *module, uint32_t threads);

/* Starts on candidate 0, filled. `workers[i].scratch` must be set. On failure nothing runs. */
anybit_status anybit_store_start(anybit_store *store, const anybit_module_descriptor *module, uint32_t worker_count,
                                 anybit_store_worker *workers, void *prepare_scratch, uint8_t *slots[2]);

void anybit_store_stop(anybit_store *store);

/* The latest request wins. `index` is in range. */
void anybit_store_request(anybit_store *store, uint32_t index);

/* Helps until the requested candidate is ready or active. */
void anybit_store_prepare(anybit_store *store);

/* What a run started now would use. */
uint32_t anybit_store_next(const anybit_store *store);

/* Start of a run: makes the ready candidate active and returns candidate and slot (NULL if packed). */
uint32_t anybit_store_acquire(anybit_store *store, uint8_t **slot);

#endif /* ANYBIT_LIB_STORE_H */
