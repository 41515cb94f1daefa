/* A fixed pool that splits grids evenly: `threads` parts, one of them the caller's. */
#ifndef ANYBIT_LIB_POOL_H
#define ANYBIT_LIB_POOL_H

#include "anybit/runtime.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct anybit_pool_worker {
  struct anybit_pool *pool;
  uint32_t part;
  pthread_t thread;
} anybit_pool_worker;

/* Threads that wait look at `epoch` or `working`; each lies in a line of its own with what is written and read together
   with it, so that a dispatch moves one line to the workers and one back. */
typedef struct anybit_pool {
  uint32_t threads;
  uint32_t started;
  anybit_pool_worker *workers; /* threads - 1 */
  uint8_t *scratch;            /* part i's begins at i * scratch_stride */
  uint64_t scratch_stride;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  pthread_cond_t finished;
  /* The job; written before `epoch` moves, read after. */
  _Alignas(ANYBIT_ALIGNMENT) _Atomic uint32_t epoch;
  _Atomic int stop;
  _Atomic int in_run; /* more dispatches follow soon */
  anybit_kernel_function function;
  void *const *arguments;
  int64_t grid;
  _Alignas(ANYBIT_ALIGNMENT) _Atomic uint32_t working; /* workers that have not finished the job */
  _Atomic int waiting;                                 /* the caller sleeps on `finished` */
  _Alignas(ANYBIT_ALIGNMENT) _Atomic uint32_t sleepers;
} anybit_pool;

/* Starts threads - 1 workers in `workers`. `pool` must stay where it is. On failure nothing runs. */
anybit_status anybit_pool_start(anybit_pool *pool, uint32_t threads, anybit_pool_worker *workers, uint8_t *scratch,
                                uint64_t scratch_stride);

void anybit_pool_stop(anybit_pool *pool);

/* Calls `function` for all of [0, grid) and returns when every part is done. One caller at a time. */
void anybit_pool_run(anybit_pool *pool, anybit_kernel_function function, void *const *arguments, int64_t grid);

/* Whether dispatches of one run are in flight, between which workers should stay awake. */
void anybit_pool_set_in_run(anybit_pool *pool, int in_run);

#endif /* ANYBIT_LIB_POOL_H */
