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
    : label(label), total(std::max<uint64_t>(total, 1)) {
  if (!quiet && llvm::sys::Process::StandardErrIsDisplayed())
    painter = std::thread([this] { drawUntilEnd(); });
}

Progress::~Progress() {
  if (!painter.joinable())
    return;
  {
    std::lock_guard<std::mutex> lock(mutex);
    ended = true;
  }
  changed.notify_one();
  painter.join();
}

void Progress::drawUntilEnd() {
  std::unique_lock<std::mutex> lock(mutex);
  auto atEnd = [this] { return ended; };
  Clock::time_point start = Clock::now();
  if (changed.wait_for(lock, silence, atEnd))
    return;
  do
    draw(std::chrono::duration<double>(Clock::now() - start).count());
  while (!changed.wait_for(lock, period, atEnd));
  llvm::errs() << "\r\033[K";
}

void Progress::draw(double seconds) const {
  double part = static_cast<double>(std::min(done.load(std::memory_order_relaxed), total)) / static_cast<double>(total);
  unsigned filled = static_cast<unsigned>(part * barColumns);
  std::string line;
  llvm::raw_string_ostream(line) << '\r' << label << " [" << std::string(filled, '#')
                                 << std::string(barColumns - filled, ' ') << "] "
                                 << llvm::format("%3u%% %4.0f s", static_cast<unsigned>(100 * part), seconds)
                                 << "\033[K";
  llvm::errs() << line;
}
