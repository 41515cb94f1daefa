#include "Measure.h"

#include "anybit/Support/Progress.h"

#include <algorithm>
#include <chrono>
#include <random>

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

using Clock = std::chrono::steady_clock;

static constexpr uint64_t enoughRuns = 300;
/// 300 runs of a small network are a few milliseconds, in which the machine may be busy with something else.
static constexpr double leastSeconds = 0.2;
static constexpr double enoughSeconds = 2;
static constexpr double turnSeconds = 0.02;
static constexpr uint64_t profiledRuns = 20;
static constexpr double profiledSeconds = 1;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Values of the interval [0, 1) for reals, zeros for everything else: integer inputs are often indices.
static void fillInput(data::Array &array, uint32_t seed) {
  if (array.type != data::ElementType::Float32)
    return;
  std::mt19937 generator(seed);
  for (float &value : array.mutableValues<float>())
    value = static_cast<float>(generator() >> 8) / static_cast<float>(1 << 24);
}

int Measurement::prepare() {
  for (const anybit_tensor &tensor : artifact.inputs()) {
    Expected<data::Array> array = makeArray(tensor);
    if (!array)
      return fail(array.takeError());
    fillInput(*array, static_cast<uint32_t>(inputs.size()));
    inputs.push_back(std::move(*array));
  }
  for (const anybit_tensor &tensor : artifact.outputs()) {
    Expected<data::Array> array = makeArray(tensor);
    if (!array)
      return fail(array.takeError());
    outputs.push_back(std::move(*array));
  }
  for (data::Array &array : inputs)
    inputPointers.push_back(array.bytes.data());
  for (data::Array &array : outputs)
    outputPointers.push_back(array.bytes.data());
  return Done;
}

int Measurement::runOnce() {
  anybit_status status = anybit_session_run(artifact.session(), inputPointers.data(), outputPointers.data());
  return status == ANYBIT_OK ? Done : failRuntime(status, artifact.path());
}

namespace {

/// The runs of one candidate so far, in seconds.
struct Samples {
  std::vector<double> seconds;
  double total = 0;

  /// Of the work, in percent.
  uint64_t done() const {
    double byRuns = std::min(static_cast<double>(seconds.size()) / enoughRuns, total / leastSeconds);
    return static_cast<uint64_t>(100 * std::clamp(std::max(byRuns, total / enoughSeconds), 0.0, 1.0));
  }
  void add(double value) {
    seconds.push_back(value);
    total += value;
  }
};

} // namespace

static Latency summarize(uint32_t candidate, std::vector<double> seconds) {
  llvm::sort(seconds);
  auto milliseconds = [&](double quantile) {
    return 1e3 * seconds[static_cast<size_t>(quantile * static_cast<double>(seconds.size() - 1))];
  };
  return {candidate, milliseconds(0), milliseconds(0.5), milliseconds(0.99), seconds.size()};
}

int Measurement::measureLatencies(ArrayRef<uint32_t> candidates, bool quiet, std::vector<Latency> &latencies) {
  std::vector<Samples> samples(candidates.size());
  auto enough = [](const Samples &one) { return one.done() == 100; };
  Progress progress("bench", 100 * candidates.size(), quiet);
  while (!llvm::all_of(samples, enough)) {
    for (auto [candidate, own] : zip(candidates, samples)) {
      if (int code = artifact.useCandidate(candidate))
        return code;
      if (int code = runOnce())
        return code;
      uint64_t before = own.done();
      Clock::time_point turn = Clock::now();
      do {
        Clock::time_point start = Clock::now();
        if (int code = runOnce())
          return code;
        own.add(secondsSince(start));
      } while (secondsSince(turn) < turnSeconds);
      progress.advance(own.done() - before);
    }
  }
  for (auto [candidate, own] : zip(candidates, samples))
    latencies.push_back(summarize(candidate, std::move(own.seconds)));
  return Done;
}

namespace {

/// The minimum time of every dispatch of a variant, in milliseconds.
struct Profile {
  const anybit_dispatch *first;
  std::vector<double> minimum;

  static void record(void *user, const anybit_dispatch *dispatch, uint64_t nanoseconds) {
    auto &profile = *static_cast<Profile *>(user);
    double &least = profile.minimum[dispatch - profile.first];
    least = std::min(least, 1e-6 * static_cast<double>(nanoseconds));
  }
};

} // namespace

int Measurement::profile(ArrayRef<uint32_t> candidates, std::vector<LayerTime> &layers) {
  for (uint32_t candidate : candidates) {
    const anybit_variant &variant = artifact.candidates()[candidate];
    Profile profile = {variant.dispatches, std::vector<double>(variant.dispatch_count, 1e300)};
    if (int code = artifact.useCandidate(candidate))
      return code;
    anybit_status status = anybit_session_set_profile(artifact.session(), Profile::record, &profile);
    Clock::time_point start = Clock::now();
    int code = status == ANYBIT_OK ? Done : failRuntime(status, artifact.path());
    for (uint64_t run = 0; !code && run < profiledRuns && (!run || secondsSince(start) < profiledSeconds); ++run)
      code = runOnce();
    anybit_session_set_profile(artifact.session(), nullptr, nullptr);
    if (code)
      return code;
    for (uint32_t i = 0; i < variant.dispatch_count; ++i) {
      const anybit_dispatch &dispatch = variant.dispatches[i];
      const anybit_kernel &kernel = artifact.descriptor().kernels[dispatch.kernel];
      layers.push_back({candidate, dispatch.layer, kernel.name, kernel.family, profile.minimum[i], dispatch.macs});
    }
  }
  return Done;
}

int Measurement::measureSwitch(double &nanoseconds) {
  uint32_t count = static_cast<uint32_t>(artifact.candidates().size());
  bool rebuilds = artifact.descriptor().slot_bytes > 0;
  const unsigned batches = rebuilds ? 3 * count : 101, calls = rebuilds ? 1 : 10000;
  nanoseconds = 0;
  if (count < 2)
    return Done;
  std::vector<double> times;
  uint32_t candidate = 0;
  for (unsigned batch = 0; batch < batches; ++batch) {
    Clock::time_point start = Clock::now();
    for (unsigned call = 0; call < calls; ++call) {
      candidate = candidate + 1 < count ? candidate + 1 : 0;
      anybit_status status = anybit_session_set_candidate(artifact.session(), candidate);
      if (status == ANYBIT_OK && rebuilds)
        status = anybit_session_prepare(artifact.session());
      if (status != ANYBIT_OK)
        return failRuntime(status, artifact.path());
    }
    times.push_back(1e9 * secondsSince(start) / calls);
    // The slot that a rebuild fills is free again only after a run.
    if (int code = rebuilds ? runOnce() : static_cast<int>(Done))
      return code;
  }
  llvm::sort(times);
  nanoseconds = times[times.size() / 2];
  return Done;
}
