//===- Progress.h - a progress bar ------------------------------*- C++ -*-===//
#ifndef ANYBIT_SUPPORT_PROGRESS_H
#define ANYBIT_SUPPORT_PROGRESS_H

#include "llvm/ADT/StringRef.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace anybit {

/// One line on standard error that shows how far a piece of work is. It appears only on a terminal, only when the work
/// takes longer than two seconds, and is wiped at the end. Any thread may call `advance`.
class Progress {
public:
  /// `total` steps of work, named `label`; `quiet` (the flag -q) never draws.
  Progress(llvm::StringRef label, uint64_t total, bool quiet);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// Counts `steps` as done and redraws at most ten times a second.
  void advance(uint64_t steps = 1);

private:
  using Clock = std::chrono::steady_clock;
  void draw(uint64_t count);

  const std::string label;
  const uint64_t total;
  const bool enabled;
  std::atomic<uint64_t> done = {0};
  std::mutex mutex;
  Clock::time_point nextDraw;
  bool drawn = false;
};

} // namespace anybit

#endif // ANYBIT_SUPPORT_PROGRESS_H
