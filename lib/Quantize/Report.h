//===- Report.h - stage S7 --------------------------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_REPORT_H
#define ANYBIT_LIB_QUANTIZE_REPORT_H

#include "Calibrate.h"

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace anybit::quantize {

/// What the reports are about. All references outlive it.
struct Report {
  const Network &network;
  const std::vector<std::vector<float>> &masters;
  const std::vector<WidthPlan> &plans;
  const std::vector<CandidateChoice> &choices;
  Task task = Task::Classify;
  size_t samples = 0;
  double threshold = 0.5; ///< Agreement below which a candidate is not to be deployed.
};

/// One object: {"samples", "held_out", "task", "layers": [{"name", "weights", "outer", "kurtosis"}], "candidates":
/// [{"name", "loss", "agreement", "deployable", "stages": [..], "layers": [{"name", "bits", "format", "sqnr_db"}],
/// "activations": [{"name", "bits", "scale", "zero", "sqnr_db", "channel_loss"}]}]}. A `bits` of 0 is float32.
void writeJson(const Report &report, llvm::raw_ostream &os);

/// A table of candidates, and one of layers.
void writeText(const Report &report, llvm::raw_ostream &os);

/// One sentence for each candidate below the threshold.
void writeWarnings(const Report &report, llvm::raw_ostream &os);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_REPORT_H
