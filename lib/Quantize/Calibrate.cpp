//===- Calibrate.cpp - stages S1, S3 and S6 -------------------------------===//
#include "Calibrate.h"

#include "Equalize.h"
#include "Sensitivity.h"
#include "Statistics.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Parallel.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace anybit::quantize {

namespace {

/// Values from which delta-BN takes no ratio: dead channels would give 0/0.
constexpr double deadVariance = 1e-6;
constexpr double largestRatio = 4;

/// A candidate of 8 bits should lose less than this; where it does not, edges that lose more than `coarseLoss` of the
/// variance of their channels are to blame, and a few that cost the outputs most; leaving them real must at least halve
/// the loss.
constexpr double acceptableLoss = 0.05, coarseLoss = 0.1, realEdgeGain = 0.5;

/// Sizes of channels need few.
constexpr size_t equalizingSamples = 32;

std::vector<float> roundToHalf(ArrayRef<float> values) {
  std::vector<float> result;
  for (float value : values)
    result.push_back(float(Eigen::half(value)));
  return result;
}

double medianOf(std::vector<double> values) {
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Guarded delta-BN: the accumulators of the candidate get the float network's mean and variance.
Correction correctionOf(const Moments &real, const Moments &coded) {
  Correction result;
  double realFloor = deadVariance * medianOf(real.variance), codedFloor = deadVariance * medianOf(coded.variance);
  for (size_t c = 0; c < real.mean.size(); ++c) {
    bool dead = real.variance[c] <= realFloor || coded.variance[c] <= codedFloor;
    double ratio = dead ? 1 : std::sqrt(real.variance[c] / coded.variance[c]);
    result.ratio.push_back(std::clamp(ratio, 1 / largestRatio, largestRatio));
    result.from.push_back(coded.mean[c]);
    result.to.push_back(real.mean[c]);
  }
  return result;
}

StringRef nameOf(CorrectionKind kind) {
  return kind == CorrectionKind::None ? "steps" : kind == CorrectionKind::WeightBias ? "weight bias" : "delta-bn";
}

AffineValues rounded(const Layer &layer, const Correction &correction) {
  std::vector<double> gain, shift;
  correctedAffine(layer, correction, gain, shift);
  return {{gain.begin(), gain.end()}, {shift.begin(), shift.end()}};
}

} // namespace

Correction weightBiasOf(const Layer &layer, ArrayRef<float> coded, const Batch &input) {
  ChannelShape shape = inputShape(layer, input.dims);
  std::vector<double> mean = momentsOf(input, shape).mean;
  WeightOrder order(layer, shape.channels);
  Correction result;
  for (size_t output = 0; output < layer.channels(); ++output) {
    double bias = 0;
    for (size_t i = 0; i < order.perGroup; ++i)
      for (size_t tap = 0; tap < order.taps; ++tap) {
        size_t index = order.indexOf(output, i, tap);
        bias += (double(coded[index]) - layer.weights[index]) * mean[order.inputOf(output, i)];
      }
    result.ratio.push_back(1);
    result.from.push_back(bias);
    result.to.push_back(0);
  }
  return result;
}

void correctedAffine(const Layer &layer, const Correction &correction, std::vector<double> &gain,
                     std::vector<double> &shift) {
  gain = layer.gain;
  shift = layer.shift;
  for (size_t c = 0; c < correction.ratio.size(); ++c) {
    shift[c] += gain[c] * (correction.to[c] - correction.from[c] * correction.ratio[c]);
    gain[c] *= correction.ratio[c];
  }
}

WidthPlan planOf(const Network &network, const Candidate &candidate, unsigned outerBits) {
  WidthPlan plan{candidate.name, {}, {}};
  std::vector<unsigned> activations;
  bool real = true;
  for (const Layer &layer : network.layers) {
    Widths widths = widthsOf(candidate, layer.name);
    bool outer = layer.outer && outerBits != 0 && !widths.real();
    plan.weights.push_back(outer ? outerBits : widths.weights);
    activations.push_back(outer ? outerBits : widths.activations);
    real &= widths.real();
  }
  for (const Site &site : network.sites) {
    unsigned bits = site.wide && !real ? 8 : 0;
    for (unsigned reader : site.readers)
      bits = std::max(bits, activations[reader]);
    plan.sites.push_back(bits);
  }
  return plan;
}

/// Notes what the float network looks like.
class MeasuringPolicy : public FloatPolicy {
public:
  explicit MeasuringPolicy(Calibrator &calibrator) : FloatPolicy(calibrator.network), calibrator(calibrator) {}

  AffineValues affine(unsigned layer, const Batch &accumulators) override {
    calibrator.floatMoments[layer] = momentsOf(accumulators, outputShape(network.layers[layer], accumulators.dims));
    return FloatPolicy::affine(layer, accumulators);
  }

  Error decide(unsigned site, StringRef source, const Simulator &simulator) override {
    if (network.sites[site].sources.size() > 1)
      calibrator.floatHistograms.try_emplace(source, histogramOf({simulator.live(source)}));
    return Error::success();
  }

private:
  Calibrator &calibrator;
};

/// Quantizes as `plan` says, choosing activation steps when a site is first reached.
class CandidatePolicy : public Policy {
public:
  CandidatePolicy(Calibrator &calibrator, const WidthPlan &plan, CorrectionKind kind, CandidateChoice &choice)
      : calibrator(calibrator), plan(plan), kind(kind), choice(choice), decided(calibrator.network.sites.size()),
        inputs(layerInputs(calibrator.network)) {}

  std::vector<float> weights(unsigned index) override {
    const Layer &layer = calibrator.network.layers[index];
    std::vector<float> coded = fakeQuantize(layer, calibrator.master[index], choice.weights[index]);
    if (kind == CorrectionKind::WeightBias)
      choice.corrections[index] = weightBiasOf(layer, coded, *calibrator.simulator.live(inputs[index]));
    return coded;
  }

  AffineValues affine(unsigned layer, const Batch &accumulators) override {
    const Layer &real = calibrator.network.layers[layer];
    if (kind == CorrectionKind::DeltaBN)
      choice.corrections[layer] =
          correctionOf(calibrator.floatMoments[layer], momentsOf(accumulators, outputShape(real, accumulators.dims)));
    return rounded(real, choice.corrections[layer]);
  }

  Error decide(unsigned site, StringRef source, const Simulator &simulator) override {
    if (plan.sites[site] == 0 || decided[site])
      return Error::success();
    SiteChoice &result = choice.sites[site];
    Histogram histogram = measure(calibrator.network.sites[site], simulator);
    Expected<FunctionValues> made = calibrator.functions.valuesAt(site, histogram.centres());
    if (!made)
      return made.takeError();
    result = searchSite(histogram, plan.sites[site], *made);
    choice.siteSqnr[site] = sqnrOf(histogram, result);
    choice.siteLoss[site] = channelLoss(*simulator.live(source), histogram, result, *made);
    decided[site] = true;
    return Error::success();
  }

  void code(unsigned site, StringRef, Batch &values) override {
    if (plan.sites[site] != 0)
      parallelFor(0, values.rows, [&](size_t row) { fakeQuantize(values.row(row), choice.sites[site]); });
  }

private:
  Calibrator &calibrator;
  const WidthPlan &plan;
  CorrectionKind kind;
  CandidateChoice &choice;
  std::vector<bool> decided;
  std::vector<std::string> inputs; ///< By layer.

  /// What is quantized here: sources that exist by now as this candidate has them, later ones as the float network had.
  Histogram measure(const Site &site, const Simulator &simulator) const {
    std::vector<const Batch *> now;
    std::vector<const Histogram *> later;
    for (const std::string &source : site.sources) {
      if (const Batch *batch = simulator.live(source))
        now.push_back(batch);
      else if (auto found = calibrator.floatHistograms.find(source); found != calibrator.floatHistograms.end())
        later.push_back(&found->second);
    }
    return histogramOf(now, later);
  }
};

Calibrator::Calibrator(Network &network, Executor &executor)
    : network(network), simulator(network, executor), functions(network, executor),
      floatMoments(network.layers.size()) {
  roundMasters();
}

void Calibrator::roundMasters() {
  master.clear();
  for (const Layer &layer : network.layers)
    master.push_back(roundToHalf(layer.weights));
}

Error Calibrator::equalize(ArrayRef<Batch> samples) {
  std::vector<Batch> some;
  for (const Batch &input : samples) {
    size_t count = std::min(input.rows, equalizingSamples);
    Batch part{input.dims, count, {}};
    for (size_t i = 0; i < count; ++i)
      llvm::append_range(part.values, input.row(i * input.rows / count));
    some.push_back(std::move(part));
  }
  std::function<void()> silent;
  std::swap(simulator.progress, silent);
  Error error = equalizeChannels(network, simulator, some);
  std::swap(simulator.progress, silent);
  roundMasters();
  return error;
}

Error Calibrator::measureFloat(ArrayRef<Batch> samples) {
  inputs = samples;
  floatHistograms.clear();
  MeasuringPolicy policy(*this);
  Expected<std::vector<Batch>> outputs = simulator.run(inputs, policy);
  if (!outputs)
    return outputs.takeError();
  floatOutputs = std::move(*outputs);
  bool finite = llvm::all_of(floatOutputs, [](const Batch &batch) {
    return llvm::all_of(batch.values, [](float value) { return std::isfinite(value); });
  });
  if (floatOutputs.empty() || !finite)
    return createStringError("the float model has no float32 output, or its outputs on the calibration samples are not "
                             "finite; check --preprocess");
  kind = taskOf(inputs, floatOutputs);
  return Error::success();
}

const WeightChoice &Calibrator::weightsOf(size_t layer, unsigned bits) {
  auto [entry, isNew] = searched.try_emplace({layer, bits});
  if (isNew && bits == 0)
    entry->second.real = true;
  else if (isNew)
    entry->second = searchWeights(network.layers[layer], master[layer], bits);
  return entry->second;
}

Expected<CandidateChoice> Calibrator::runStage(StringRef suffix, const WidthPlan &plan, CorrectionKind kind) {
  CandidateChoice choice;
  choice.corrections.assign(network.layers.size(), {});
  choice.sites.assign(network.sites.size(), {true, 0, 1, 0});
  choice.siteSqnr.assign(network.sites.size(), 0);
  choice.siteLoss.assign(network.sites.size(), 0);
  for (size_t layer = 0; layer < network.layers.size(); ++layer)
    choice.weights.push_back(weightsOf(layer, plan.weights[layer]));
  CandidatePolicy policy(*this, plan, kind, choice);
  Expected<std::vector<Batch>> outputs = simulator.run(inputs, policy);
  if (!outputs)
    return outputs.takeError();
  choice.distance = compare(this->kind, floatOutputs, *outputs);
  choice.stages.push_back({(nameOf(kind) + suffix).str(), choice.distance, kind == CorrectionKind::None});
  return choice;
}

Expected<CandidateChoice> Calibrator::calibrateAt(const WidthPlan &plan, StringRef suffix,
                                                  ArrayRef<CorrectionKind> corrections) {
  Expected<CandidateChoice> best = runStage(suffix, plan, CorrectionKind::None);
  // Judged by the samples it was made from, a correction always looks good.
  if (!best || !hasHeldOut(inputs[0].rows))
    return best;
  std::vector<StageResult> stages = best->stages;
  size_t kept = 0;
  for (CorrectionKind kind : corrections) {
    Expected<CandidateChoice> corrected = runStage(suffix, plan, kind);
    if (!corrected)
      return corrected;
    stages.push_back(corrected->stages[0]);
    if (corrected->distance.loss >= best->distance.loss)
      continue;
    best = std::move(corrected);
    kept = stages.size() - 1;
  }
  stages[kept].kept = true;
  best->stages = std::move(stages);
  return best;
}

/// `plan` with real values where codes cost too much; nothing if that is nowhere.
Expected<std::optional<WidthPlan>> Calibrator::withRealEdges(const WidthPlan &plan, const CandidateChoice &coded) {
  bool eightBits = llvm::all_of(plan.sites, [](unsigned bits) { return bits == 0 || bits == 8; });
  if (!eightBits)
    return std::nullopt;
  std::vector<SiteChoice> sites = coded.sites;
  for (auto [site, loss] : llvm::zip_equal(sites, coded.siteLoss))
    site.real |= loss > coarseLoss;
  Expected<std::vector<double>> losses = lossOfEachSite(network, simulator, inputs, kind, sites);
  if (!losses)
    return losses.takeError();
  for (size_t site : costliest(*losses))
    sites[site].real = true;
  WidthPlan result = plan;
  for (auto [bits, site] : llvm::zip_equal(result.sites, sites))
    bits = site.real ? 0 : bits;
  return result.sites == plan.sites ? std::nullopt : std::optional<WidthPlan>(std::move(result));
}

Expected<CandidateChoice> Calibrator::calibrate(const WidthPlan &plan) {
  Expected<CandidateChoice> coded = calibrateAt(plan, "", CorrectionKind::DeltaBN);
  if (!coded || coded->distance.loss < acceptableLoss || !hasHeldOut(inputs[0].rows))
    return coded;
  std::function<void()> silent;
  std::swap(simulator.progress, silent); // The bar knows nothing of these passes.
  llvm::scope_exit restore([&] { std::swap(simulator.progress, silent); });
  Expected<std::optional<WidthPlan>> partlyReal = withRealEdges(plan, *coded);
  if (!partlyReal)
    return partlyReal.takeError();
  if (!*partlyReal)
    return coded;
  // Not delta-BN: measured means hold the errors of flat areas, which are elsewhere than what detectors look for.
  Expected<CandidateChoice> real = calibrateAt(**partlyReal, ", costly edges real", CorrectionKind::WeightBias);
  if (!real)
    return real;
  bool better = real->distance.loss < realEdgeGain * coded->distance.loss;
  CandidateChoice &best = better ? *real : *coded, &other = better ? *coded : *real;
  for (StageResult &stage : other.stages)
    stage.kept = false;
  best.stages.insert(better ? best.stages.begin() : best.stages.end(), other.stages.begin(), other.stages.end());
  return std::move(best);
}

} // namespace anybit::quantize
