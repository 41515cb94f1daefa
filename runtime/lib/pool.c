#include "pool.h"

#include "error.h"
#include "fp_environment.h"

#include <string.h>

/* Looks at a flag before a thread sleeps. Between runs: some tens of microseconds, so that idle sessions cost no
   energy. During a run: a millisecond, more than a thread waits for another in one dispatch. Waking it would take
   longer than most dispatches, in a virtual machine, whose idle processors are given to others, most of all. */
enum { kSpinsIdle = 1000, kSpinsInRun = 20000 };

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Parts that a thread takes its share in. Each reads the weights of a layer again, and a few even out what is worth it.
 */
enum { kMostClaims = 4 };

static void do_part(anybit_pool *pool, uint32_t part) {
  void *scratch = pool->scratch + part * pool->scratch_stride;
  for (uint32_t i = 0; i < pool->threads; ++i) {
    anybit_pool_share *share = &pool->shares[(part + i) % pool->threads];
    int64_t begin;
    while ((begin = atomic_fetch_add_explicit(&share->next, pool->claim, memory_order_relaxed)) < share->end) {
      int64_t left = share->end - begin;
      pool->function(pool->arguments, begin, begin + (left < pool->claim ? left : pool->claim), scratch);
    }
  }
}

/* Equal shares for as many threads as get one of at least `claim`. */
static void share_out(anybit_pool *pool, int64_t grid, int64_t claim) {
  int64_t most = grid / claim, sharers = most < pool->threads ? most : pool->threads;
  int64_t each = grid / sharers, rest = grid % sharers, begin = 0;
  for (uint32_t i = 0; i < pool->threads; ++i) {
    anybit_pool_share *share = &pool->shares[i];
    share->end = i < sharers ? begin + each + (i < rest) : begin;
    atomic_store_explicit(&share->next, begin, memory_order_relaxed);
    begin = share->end;
  }
  int64_t part = (each + kMostClaims) / kMostClaims;
  pool->claim = part > claim ? part : claim;
}

/* Sleeping and waking are a handshake of two sequentially consistent pairs: the sleeper counts itself, then looks at
   the epoch; the caller moves the epoch, then looks at the count. One of them sees the other. */
static void await_epoch(anybit_pool *pool, uint32_t seen) {
  for (int i = 0; i < (atomic_load_explicit(&pool->in_run, memory_order_relaxed) ? kSpinsInRun : kSpinsIdle); ++i) {
    if (atomic_load_explicit(&pool->epoch, memory_order_acquire) != seen)
      return;
    relax();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleepers, 1);
  while (atomic_load(&pool->epoch) == seen)
    pthread_cond_wait(&pool->wake, &pool->lock);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->lock);
}

static void announce(anybit_pool *pool) {
  atomic_fetch_add(&pool->epoch, 1);
  if (atomic_load(&pool->sleepers) == 0)
    return;
  pthread_mutex_lock(&pool->lock);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

static void finish_part(anybit_pool *pool) {
  if (atomic_fetch_sub(&pool->working, 1) != 1 || !atomic_load(&pool->waiting))
    return;
  pthread_mutex_lock(&pool->lock);
  pthread_cond_signal(&pool->finished);
  pthread_mutex_unlock(&pool->lock);
}

static void await_workers(anybit_pool *pool) {
  for (int i = 0; i < kSpinsInRun; ++i) {
    if (atomic_load_explicit(&pool->working, memory_order_acquire) == 0)
      return;
    relax();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->waiting, 1);
  while (atomic_load(&pool->working) != 0)
    pthread_cond_wait(&pool->finished, &pool->lock);
  atomic_store(&pool->waiting, 0);
  pthread_mutex_unlock(&pool->lock);
}

static void *work(void *argument) {
  anybit_pool_worker *self = argument;
  anybit_pool *pool = self->pool;
  anybit_enter_fp_environment();
  for (uint32_t seen = 0;; ++seen) {
    await_epoch(pool, seen);
    if (atomic_load(&pool->stop))
      return NULL;
    do_part(pool, self->part);
    finish_part(pool);
  }
}

anybit_status anybit_pool_start(anybit_pool *pool, uint32_t threads, anybit_pool_worker *workers,
                                anybit_pool_share *shares, uint8_t *scratch, uint64_t scratch_stride) {
  memset(pool, 0, sizeof *pool);
  pool->threads = threads;
  pool->workers = workers;
  pool->shares = shares;
  pool->scratch = scratch;
  pool->scratch_stride = scratch_stride;
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->finished, NULL);
  for (uint32_t i = 0; i + 1 < threads; ++i) {
    workers[i] = (anybit_pool_worker){.pool = pool, .part = i + 1};
    int failure = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    if (failure) {
      anybit_pool_stop(pool);
      return anybit_fail(ANYBIT_OUT_OF_MEMORY, "cannot start thread %u of %u: %s", i + 1, threads, strerror(failure));
    }
    ++pool->started;
  }
  return ANYBIT_OK;
}

void anybit_pool_stop(anybit_pool *pool) {
  atomic_store(&pool->stop, 1);
  announce(pool);
  for (uint32_t i = 0; i < pool->started; ++i)
    pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->finished);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
}

void anybit_pool_run(anybit_pool *pool, anybit_kernel_function function, void *const *arguments, int64_t grid,
                     int64_t claim) {
  if (pool->threads == 1 || grid / 2 < claim) {
    if (grid > 0)
      function(arguments, 0, grid, pool->scratch);
    return;
  }
  pool->function = function;
  pool->arguments = arguments;
  share_out(pool, grid, claim);
  atomic_store(&pool->working, pool->threads - 1);
  announce(pool);
  do_part(pool, 0);
  await_workers(pool);
}

void anybit_pool_set_in_run(anybit_pool *pool, int in_run) {
  atomic_store_explicit(&pool->in_run, in_run, memory_order_relaxed);
}
