//===- Measure.h - timing of candidates -------------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_DRIVER_MEASURE_H
#define ANYBIT_LIB_DRIVER_MEASURE_H

#include "Artifact.h"

#include <string>
#include <vector>

namespace anybit::driver {

/// Latency of one candidate in milliseconds.
struct Latency {
  uint32_t candidate = 0;
  double minimum = 0, median = 0, p99 = 0;
  uint64_t runs = 0;
};

/// Time of one dispatch of one candidate: the minimum over the profiled runs, in milliseconds.
struct LayerTime {
  uint32_t candidate = 0;
  std::string layer, kernel, family;
  double minimum = 0;
  uint64_t macs = 0;
};

/// Runs an artifact on made-up inputs (the same in every process).
class Measurement {
public:
  explicit Measurement(const Artifact &artifact) : artifact(artifact) {}

  /// Makes inputs and outputs. Like all functions here: on failure prints why and returns the exit code.
  int prepare();
  /// Times `candidates` until each has 300 runs of at least 0.2 seconds together, or 2 seconds, taking turns so that a
  /// change of the machine's speed meets all of them. The first run of a turn warms caches up and does not count.
  int measureLatencies(llvm::ArrayRef<uint32_t> candidates, bool quiet, std::vector<Latency> &latencies);
  /// Times every dispatch over a few runs of each candidate.
  int profile(llvm::ArrayRef<uint32_t> candidates, std::vector<LayerTime> &layers);
  /// Nanoseconds that a switch takes: of the call for packed stores, until the rebuilt candidate is ready for master
  /// stores. The median of many batches; 0 if there is nothing to switch.
  int measureSwitch(double &nanoseconds);

private:
  int runOnce();

  const Artifact &artifact;
  std::vector<data::Array> inputs, outputs;
  std::vector<const void *> inputPointers;
  std::vector<void *> outputPointers;
};

} // namespace anybit::driver

#endif // ANYBIT_LIB_DRIVER_MEASURE_H
