#include "anybit/Support/Progress.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace anybit;

static constexpr std::chrono::seconds silence(2);
static constexpr std::chrono::milliseconds period(100);
static constexpr unsigned barColumns = 30;

Progress::Progress(llvm::StringRef label, uint64_t total, bool quiet)
    : label(label), total(std::max<uint64_t>(total, 1)),
      enabled(!quiet && llvm::sys::Process::StandardErrIsDisplayed()), nextDraw(Clock::now() + silence) {}

Progress::~Progress() {
  if (drawn)
    llvm::errs() << "\r\033[K";
}

void Progress::advance(uint64_t steps) {
  uint64_t count = done.fetch_add(steps) + steps;
  if (!enabled)
    return;
  // A thread that finds another one drawing has better things to do.
  std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
  if (!lock.owns_lock() || Clock::now() < nextDraw)
    return;
  draw(std::min(count, total));
  nextDraw = Clock::now() + period;
}

void Progress::draw(uint64_t count) {
  unsigned filled = static_cast<unsigned>(static_cast<double>(count) / static_cast<double>(total) * barColumns);
  llvm::errs() << '\r' << label << " [" << std::string(filled, '#') << std::string(barColumns - filled, ' ') << "] "
               << llvm::format("%3u%%", static_cast<unsigned>(100.0 * static_cast<double>(count) / total)) << "\033[K";
  drawn = true;
}
