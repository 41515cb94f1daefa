//===- TimeCandidates.cpp - an artifact measured through the C API --------===//

#include "Layer.h"
#include "anybit/runtime.h"

#include "llvm/Support/MathExtras.h"

#include <chrono>
#include <limits>

using namespace llvm;

namespace anybit::tune {
namespace {

constexpr unsigned turns = 4, leastRuns = 4, mostRuns = 300;
constexpr double turnSeconds = 0.005;

struct CloseModule {
  void operator()(anybit_module *module) const { anybit_module_close(module); }
};
struct DestroySession {
  void operator()(anybit_session *session) const { anybit_session_destroy(session); }
};

Error runtimeError() { return createStringError(anybit_last_error()); }

/// Memory for tensors of the caller: zeros.
class Buffers {
public:
  Buffers(const anybit_tensor *tensors, uint32_t count) {
    for (const anybit_tensor &tensor : ArrayRef(tensors, count)) {
      size_t bytes = tensor.element_type == ANYBIT_INT64 ? 8 : 4; // of an element, at most
      for (uint32_t d = 0; d < tensor.rank; ++d)
        bytes *= tensor.dimensions[d];
      memory.emplace_back(divideCeil(bytes, sizeof(uint64_t)));
    }
    for (std::vector<uint64_t> &one : memory)
      pointers.push_back(one.data());
  }

  void *const *data() const { return pointers.data(); }

private:
  std::vector<std::vector<uint64_t>> memory;
  std::vector<void *> pointers;
};

/// The time of the dispatch with multiplications in one run.
struct Stopwatch {
  static void record(void *user, const anybit_dispatch *dispatch, uint64_t nanoseconds) {
    if (dispatch->macs)
      static_cast<Stopwatch *>(user)->nanoseconds += nanoseconds;
  }
  uint64_t nanoseconds = 0;
};

class Measurement {
public:
  Error open(StringRef path);
  /// Runs one candidate for a while; `least` becomes less where a run took less.
  Error takeTurn(uint32_t candidate, double &least);
  uint32_t candidates() const { return anybit_module_descriptor_of(module.get())->variant_count; }

private:
  std::unique_ptr<anybit_module, CloseModule> module;
  std::unique_ptr<anybit_session, DestroySession> session;
  std::optional<Buffers> inputs, outputs;
  Stopwatch watch;
};

Error Measurement::open(StringRef path) {
  anybit_module *opened = nullptr;
  if (anybit_module_open(path.str().c_str(), &opened) != ANYBIT_OK)
    return runtimeError();
  module.reset(opened);
  anybit_session_options options = {};
  options.size = sizeof(options);
  options.threads = 1;
  anybit_session *created = nullptr;
  if (anybit_session_create(opened, &options, &created) != ANYBIT_OK)
    return runtimeError();
  session.reset(created);
  const anybit_module_descriptor *descriptor = anybit_module_descriptor_of(opened);
  inputs.emplace(descriptor->inputs, descriptor->input_count);
  outputs.emplace(descriptor->outputs, descriptor->output_count);
  if (anybit_session_set_profile(created, Stopwatch::record, &watch) != ANYBIT_OK)
    return runtimeError();
  return Error::success();
}

Error Measurement::takeTurn(uint32_t candidate, double &least) {
  using Clock = std::chrono::steady_clock;
  if (anybit_session_set_candidate(session.get(), candidate) != ANYBIT_OK)
    return runtimeError();
  Clock::time_point start = Clock::now();
  auto isOver = [&] { return std::chrono::duration<double>(Clock::now() - start).count() > turnSeconds; };
  for (unsigned run = 0; run < leastRuns || (run < mostRuns && !isOver()); ++run) {
    watch.nanoseconds = 0;
    if (anybit_session_run(session.get(), const_cast<const void *const *>(inputs->data()), outputs->data()) != ANYBIT_OK)
      return runtimeError();
    // The first run of a turn warms up.
    if (run)
      least = std::min(least, std::max<double>(1, double(watch.nanoseconds)));
  }
  return Error::success();
}

} // namespace

Expected<std::vector<double>> timeCandidates(StringRef path) {
  Measurement measurement;
  if (Error error = measurement.open(path))
    return std::move(error);
  std::vector<double> least(measurement.candidates(), std::numeric_limits<double>::infinity());
  for (unsigned turn = 0; turn < turns; ++turn)
    for (uint32_t candidate = 0; candidate < least.size(); ++candidate)
      if (Error error = measurement.takeTurn(candidate, least[candidate]))
        return std::move(error);
  return least;
}

} // namespace anybit::tune
