//===- Progress.h - a progress bar ------------------------------*- C++ -*-===//
#ifndef ANYBIT_SUPPORT_PROGRESS_H
#define ANYBIT_SUPPORT_PROGRESS_H

#include "llvm/ADT/StringRef.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace anybit {

/// One line on standard error that shows how far a piece of work is and how long it has taken. It appears only on a
/// terminal, only when the work takes longer than two seconds, and is wiped at the end. Any thread may call `advance`.
class Progress {
public:
  /// `total` steps of work, named `label`; `quiet` (the flag -q) never draws.
  Progress(llvm::StringRef label, uint64_t total, bool quiet);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// Counts `steps` as done.
  void advance(uint64_t steps = 1) { done.fetch_add(steps, std::memory_order_relaxed); }

private:
  using Clock = std::chrono::steady_clock;
  void drawUntilEnd();
  void draw(double seconds) const;

  const std::string label;
  const uint64_t total;
  std::atomic<uint64_t> done = {0};
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  std::thread painter; ///< On a terminal only. Steps may be long: the line must not wait for them.
};

} // namespace anybit

#endif // ANYBIT_SUPPORT_PROGRESS_H
