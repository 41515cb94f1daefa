//===- Simulator.h - the prepared network on all samples --------*- C++ -*-===//
//
// Runs a network step by step, each step on all samples before the next, so that what a step gives can be looked at and
// changed (numerics of a candidate) before the following ones see it. Steps that compute go through the executor;
// quantizers and affines are done here.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_QUANTIZE_SIMULATOR_H
#define ANYBIT_LIB_QUANTIZE_SIMULATOR_H

#include "Network.h"
#include "Search.h"

#include "anybit/Quantize/Executor.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <functional>

namespace anybit::quantize {

/// y = acc * gain + shift, one pair a channel.
struct AffineValues {
  std::vector<float> gain, shift;
};

class Simulator;

/// What a pass over the network does where the candidates differ.
class Policy {
public:
  virtual ~Policy();
  virtual std::vector<float> weights(unsigned layer) = 0;
  virtual AffineValues affine(unsigned layer, const Batch &accumulators) = 0;
  /// Called before code(), while all sources that exist by now are alive in `simulator`.
  virtual llvm::Error decide(unsigned site, llvm::StringRef source, const Simulator &simulator) = 0;
  /// Replaces the values of `source` by those of their codes; may leave them real.
  virtual void code(unsigned site, llvm::StringRef source, Batch &values) = 0;
};

/// The float network: what a policy does that only looks at it.
class FloatPolicy : public Policy {
public:
  explicit FloatPolicy(const Network &network) : network(network) {}

  std::vector<float> weights(unsigned layer) override;
  AffineValues affine(unsigned layer, const Batch &accumulators) override;
  llvm::Error decide(unsigned, llvm::StringRef, const Simulator &) override { return llvm::Error::success(); }
  void code(unsigned, llvm::StringRef, Batch &) override {}

protected:
  const Network &network;
};

class Simulator {
public:
  /// `executor` outlives the simulator. `network` must have passed checkTypes().
  Simulator(const Network &network, Executor &executor);
  ~Simulator();

  /// Runs all steps; returns the float32 outputs of the graph in order. `inputs` are those of the graph.
  llvm::Expected<std::vector<Batch>> run(llvm::ArrayRef<Batch> inputs, Policy &policy);

  /// A value that is alive now, or null.
  const Batch *live(llvm::StringRef name) const;

  /// The largest sum of bytes of live values in a run so far, per sample.
  size_t peakBytesPerSample() const { return peak; }

  /// Called after each step.
  std::function<void()> progress;

private:
  struct Fragment;
  const Network &network;
  Executor &executor;
  llvm::StringMap<std::unique_ptr<Program>> programs; ///< By the bytes of their model.
  std::vector<std::unique_ptr<Fragment>> fragments;   ///< Of each step, made when it first runs.
  std::vector<std::vector<std::string>> dying;        ///< Tensors that no step after this one reads.
  llvm::StringMap<size_t> producer;
  llvm::StringSet<> real; ///< Tensors of float32.
  llvm::StringMap<Batch> values;
  size_t samples = 0;
  size_t peak = 0;

  void findTypes();
  void findLifetimes();
  bool outputIsReal(const Step &step) const;
  bool lastRead(size_t step, const std::string &name) const;
  Batch take(size_t step, const std::string &name);
  llvm::Error step(size_t index, Policy &policy);
  llvm::Error compute(size_t index, const Batch *weights);
  llvm::Expected<Fragment *> fragmentOf(size_t index, const Batch *weights);
  llvm::Expected<std::unique_ptr<Fragment>> buildFragment(size_t index, const Batch *weights);
  void applyAffine(size_t index, const AffineValues &affine);
  void account();
};

/// Channels of a value, which are its last dimension or dimension 1: rows are [outer][channels][inner].
struct ChannelShape {
  size_t outer = 1, channels = 1, inner = 1;
};
ChannelShape channelShape(llvm::ArrayRef<int64_t> dims, bool channelsLast);
/// Of a layer's output, and of what it reads.
ChannelShape outputShape(const Layer &layer, llvm::ArrayRef<int64_t> dims);
ChannelShape inputShape(const Layer &layer, llvm::ArrayRef<int64_t> dims);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_SIMULATOR_H
