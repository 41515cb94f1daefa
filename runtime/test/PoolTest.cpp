// The work of a dispatch among the threads of a session.
#include "TestSession.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace {

/// A dispatch of `grid` units whose kernel counts the calls of each, on `threads` threads.
struct Grid {
  Grid(int64_t grid, int64_t claim, uint32_t threads, anybit_kernel_function function) : counts(size_t(grid)) {
    copy.kernels[0].function = function;
    copy.dispatch.grid = grid;
    copy.dispatch.claim = claim;
    EXPECT_EQ(anybit_module_wrap(&copy.descriptor, &module), ANYBIT_OK) << anybit_last_error();
    anybit_session_options options = optionsWith(threads);
    EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_OK) << anybit_last_error();
  }
  ~Grid() {
    anybit_session_destroy(session);
    anybit_module_close(module);
  }
  void run() {
    current = this;
    const void *inputs[] = {input.data()};
    void *outputs[] = {input.data()};
    ASSERT_EQ(anybit_session_run(session, inputs, outputs), ANYBIT_OK);
  }
  static void count(void *const *, int64_t begin, int64_t end, void *) {
    ++current->calls;
    for (int64_t i = begin; i < end; ++i)
      ++current->counts[size_t(i)];
  }
  static Grid *current;

  Copy copy;
  std::vector<std::atomic<int>> counts;
  std::atomic<int> calls{0};
  std::vector<float> input = std::vector<float>(kTestLength);
  anybit_module *module = nullptr;
  anybit_session *session = nullptr;
};
Grid *Grid::current;

TEST(Pool, EveryUnitIsComputedOnce) {
  for (int64_t size : {1, 2, 3, 7, 64, 1001})
    for (int64_t claim : {1, 2, 5, 31, 500, 2000})
      for (uint32_t threads : {1u, 2u, 3u, 5u}) {
        Grid grid(size, claim, threads, Grid::count);
        grid.run();
        grid.run();
        for (const std::atomic<int> &count : grid.counts)
          ASSERT_EQ(count, 2) << "grid " << size << ", claim " << claim << ", threads " << threads;
        // Four parts of each share at most, and as few as parts of `claim` fill.
        int64_t parts = std::min(std::max<int64_t>(size / claim, 1), 4 * int64_t(threads));
        EXPECT_LE(grid.calls, 2 * (parts + int64_t(threads)));
        if (size / 2 < claim)
          EXPECT_EQ(grid.calls, 2);
      }
}

/// The first part waits until all others are done: of its thread's share, too.
void waitForAllOthers(void *const *arguments, int64_t begin, int64_t end, void *scratch) {
  Grid &grid = *Grid::current;
  Grid::count(arguments, begin, end, scratch);
  auto isDone = [](const std::atomic<int> &count) { return count > 0; };
  while (begin == 0 && !std::all_of(grid.counts.begin(), grid.counts.end(), isDone))
    std::this_thread::yield();
}

TEST(Pool, AThreadTakesWhatASlowerOneHasLeft) {
  for (uint32_t threads : {2u, 4u}) {
    Grid grid(64, 1, threads, waitForAllOthers);
    grid.run();
    for (const std::atomic<int> &count : grid.counts)
      EXPECT_EQ(count, 1);
  }
}

} // namespace
