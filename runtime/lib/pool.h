/* A fixed pool of threads, one of them the caller. Each has an equal share of a grid, which it takes in a few parts; who is
   done with his own takes parts of what others have left, so that a core that is slower than another, by its making or by
   its other work, does less. */
#ifndef ANYBIT_LIB_POOL_H
#define ANYBIT_LIB_POOL_H

#include "anybit/runtime.h"

#include <pthread.h>
#include <stdatomic.h>

/* The part [next, end) of a grid that nobody has taken. `next` passes `end`. In a cache line of its own. */
typedef struct anybit_pool_share {
  _Alignas(ANYBIT_ALIGNMENT) _Atomic int64_t next;
  int64_t end;
} anybit_pool_share;

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
  anybit_pool_share *shares;   /* of each thread, the caller's first */
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
  int64_t claim; /* of a share, at a time */
  _Alignas(ANYBIT_ALIGNMENT) _Atomic uint32_t working; /* workers that have not finished the job */
  _Atomic int waiting;                                 /* the caller sleeps on `finished` */
  _Alignas(ANYBIT_ALIGNMENT) _Atomic uint32_t sleepers;
} anybit_pool;

/* Starts threads - 1 workers in `workers`; `shares` has room for `threads`. `pool` must stay where it is. On failure nothing
   runs. */
anybit_status anybit_pool_start(anybit_pool *pool, uint32_t threads, anybit_pool_worker *workers,
                                anybit_pool_share *shares, uint8_t *scratch, uint64_t scratch_stride);

void anybit_pool_stop(anybit_pool *pool);

/* Calls `function` for all of [0, grid), in parts of at least `claim` but for the last of a share, and returns when every
   part is done. One caller at a time. */
void anybit_pool_run(anybit_pool *pool, anybit_kernel_function function, void *const *arguments, int64_t grid,
                     int64_t claim);

/* Whether dispatches of one run are in flight, between which workers should stay awake. */
void anybit_pool_set_in_run(anybit_pool *pool, int in_run);

#endif /* ANYBIT_LIB_POOL_H */
