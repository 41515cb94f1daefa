//===- Calibrate.h - stages S1, S3 and S6 -----------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_CALIBRATE_H
#define ANYBIT_LIB_QUANTIZE_CALIBRATE_H

#include "Functions.h"
#include "Loss.h"
#include "Simulator.h"

#include <map>
#include <optional>

namespace anybit::quantize {

/// A candidate's widths, spelled out; 0 is float32.
struct WidthPlan {
  std::string name;
  std::vector<unsigned> weights; ///< By layer.
  std::vector<unsigned> sites;   ///< By site: the widest of its readers; 8 where the site is wide.
};

/// First and last layers get `outerBits`, unless that is 0 or the candidate is float.
WidthPlan planOf(const Network &network, const Candidate &candidate, unsigned outerBits);

/// How a candidate's accumulators are brought closer to the float network's.
enum class CorrectionKind {
  None,
  WeightBias, ///< Their mean loses what the rounding of the layer's own weights adds to it.
  DeltaBN,    ///< They get the float network's mean and variance.
};

/// What is done in front of the float network's affine: acc' = (acc - from) * ratio + to, one each a channel.
struct Correction {
  std::vector<double> ratio, from, to;
};

/// The stages that a candidate was offered, and what each reached on the held-out samples.
struct StageResult {
  std::string name;
  Distance distance;
  bool kept = false;
};

/// Everything that one candidate adds to the network.
struct CandidateChoice {
  std::vector<WeightChoice> weights;   ///< By layer.
  std::vector<SiteChoice> sites;       ///< By site.
  std::vector<Correction> corrections; ///< By layer; empty vectors: none.
  std::vector<double> siteSqnr;        ///< dB, by site: codes against the values in front of them.
  std::vector<double> siteLoss;        ///< By site: channelLoss() of its first source.
  std::vector<StageResult> stages;
  Distance distance;
};

/// Mean and variance of each channel of a layer's accumulators.
struct Moments {
  std::vector<double> mean, variance;
};

class Calibrator {
public:
  /// The references outlive the calibrator.
  Calibrator(Network &network, Executor &executor);

  /// Moves factors among the layers of the network (Equalize.h); before measureFloat().
  llvm::Error equalize(llvm::ArrayRef<Batch> inputs);

  /// Runs the float network: its outputs and moments are what candidates are held against. `inputs` are all samples of
  /// each graph input; they outlive the calls of calibrate().
  llvm::Error measureFloat(llvm::ArrayRef<Batch> inputs);

  /// The most bytes of values that a run held at a time so far, per sample.
  size_t bytesPerSample() const { return simulator.peakBytesPerSample(); }

  /// S1, then S3 if it lowers the loss. A candidate of 8 bits that is still far from the float network is tried with
  /// real values at the edges whose channels differ too much for one scale, and at the few that cost the most.
  llvm::Expected<CandidateChoice> calibrate(const WidthPlan &plan);

  /// How many times measureFloat() and calibrate() run the network, for a progress bar.
  static constexpr unsigned passesFloat = 1, passesCandidate = 2;

  Task task() const { return kind; }
  /// The layers' weights rounded to float16.
  const std::vector<std::vector<float>> &masters() const { return master; }
  /// `callback` is called after each step of each pass.
  void onStep(std::function<void()> callback) { simulator.progress = std::move(callback); }

private:
  Network &network;
  Simulator simulator;
  SiteFunctions functions;
  llvm::ArrayRef<Batch> inputs;
  std::vector<std::vector<float>> master;
  std::vector<Moments> floatMoments;
  llvm::StringMap<Histogram> floatHistograms; ///< Of sources that share a site.
  std::vector<Batch> floatOutputs;
  Task kind = Task::Regress;
  std::map<std::pair<size_t, unsigned>, WeightChoice> searched; ///< By layer and bits: candidates share them.

  void roundMasters();
  const WeightChoice &weightsOf(size_t layer, unsigned bits);
  llvm::Expected<CandidateChoice> runStage(llvm::StringRef suffix, const WidthPlan &plan, CorrectionKind kind);
  llvm::Expected<CandidateChoice> calibrateAt(const WidthPlan &plan, llvm::StringRef suffix,
                                              llvm::ArrayRef<CorrectionKind> corrections);
  llvm::Expected<std::optional<WidthPlan>> withRealEdges(const WidthPlan &plan, const CandidateChoice &coded);

  friend class MeasuringPolicy;
  friend class CandidatePolicy;
};

/// What the rounding of the weights to `coded` adds to the mean of the accumulators of `layer`, as `from`: the sum of
/// (coded - real) * mean of the input, padding counted as input. It has no part of the errors of the activations' codes,
/// which in a flat area of a picture (a border of one colour, say) are constants that hold there alone.
Correction weightBiasOf(const Layer &layer, llvm::ArrayRef<float> coded, const Batch &input);

/// The affine that `layer` has under `correction`, in double.
void correctedAffine(const Layer &layer, const Correction &correction, std::vector<double> &gain,
                     std::vector<double> &shift);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_CALIBRATE_H
