//===- Channels.h - the channels that quantizers see ------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_CHANNELS_H
#define ANYBIT_LIB_QUANTIZE_CHANNELS_H

#include "Calibrate.h"

namespace anybit::quantize {

/// Whether several tensors share `site` (they meet in a concat) and layers read its codes.
inline bool sharedByLayers(const Site &site) { return !site.wide && site.sources.size() > 1; }

/// One channel of one source of a site that is shared by layers.
struct Channel {
  static constexpr unsigned none = ~0u;

  unsigned layer =
      none;         ///< Whose affine makes it, if a factor may move from there to the layers that read it; else none.
  size_t index = 0; ///< In that layer's output.
  float low = 0, high = 0;
  double power = 0; ///< Mean square.
  int exponent = 0; ///< It is to be divided by two to this power.

  double size() const { return std::max(-double(low), double(high)); }
};

/// All sites' channels, numbered through, and who reads them.
struct Channels {
  std::vector<Channel> all;
  std::vector<std::vector<unsigned>> bySite;
  /// By layer and input channel: what is read there; Channel::none for padding and what has no number.
  std::vector<std::vector<unsigned>> reads;
  std::vector<Moments> moments; ///< Of the float network's accumulators, by layer.
};

/// Measures the channels on `inputs`, a few samples of each graph input, and finds where the moves between quantizers
/// and layers take them.
llvm::Expected<Channels> findChannels(const Network &network, Simulator &simulator, llvm::ArrayRef<Batch> inputs);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_CHANNELS_H
