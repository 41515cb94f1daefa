//===- Search.h - stage S1: steps ------------------------------*- C++ -*-===//
//
// A step is the one of 100 (ratios of the largest value) with the smallest sum of |x - quantized x|^2.4.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_QUANTIZE_SEARCH_H
#define ANYBIT_LIB_QUANTIZE_SEARCH_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <vector>

namespace anybit::quantize {

struct Layer;

/// Numerics N2.
enum class Format { Signed, Odd };

/// How one candidate stores the weights of one layer.
struct WeightChoice {
  bool real = false; ///< float32 (the float16 master).
  Format format = Format::Signed;
  unsigned bits = 8;
  std::vector<float> scales; ///< One a channel.
};

/// How one candidate stores the activations of one site: `unsigned` of numerics N2.
struct SiteChoice {
  bool real = false;
  unsigned bits = 8;
  float scale = 1;
  int64_t zero = 0;
};

/// `odd` at one and two bits, `signed` above.
Format formatOf(unsigned bits);

/// Chooses the scales of `layer`, whose weights are `master`, at `bits`.
WeightChoice searchWeights(const Layer &layer, llvm::ArrayRef<float> master, unsigned bits);

/// The real values of the codes of `master` under `choice` (numerics N2, in float32).
std::vector<float> fakeQuantize(const Layer &layer, llvm::ArrayRef<float> master, const WeightChoice &choice);

/// Replaces `values` by the real values of their codes.
void fakeQuantize(llvm::MutableArrayRef<float> values, const SiteChoice &choice);

/// How often values occur. Exact zeros are counted apart, because quantizers keep them exactly.
class Histogram {
public:
  /// An empty histogram over [low, high], which is widened to hold zero.
  Histogram(float low, float high);

  /// Values that are not finite do not count.
  void add(llvm::ArrayRef<float> values);
  void add(const Histogram &other);

  float low() const { return lowest; }
  float high() const { return highest; }
  /// The middle of each bin.
  std::vector<float> centres() const;
  /// Values that are not zero, one a bin that is not empty, and how many there are.
  void collect(std::vector<float> &values, std::vector<float> &counts) const;
  /// `function`, given at the centres, between them; constant outside of the range.
  float interpolate(llvm::ArrayRef<float> function, float value) const;

private:
  float lowest, highest, binsPerUnit;
  std::vector<uint64_t> bins;
  uint64_t zeros = 0;

  size_t binOf(float value) const;
  float centre(size_t bin) const;
};

/// What is made of the codes of a site: values of functions at the centres of its histogram's bins. Empty: the values
/// themselves.
using FunctionValues = std::vector<std::vector<float>>;

/// Chooses scale and zero point at `bits` so that `functions` of the codes come closest. The zero point is 0 where no
/// value is negative.
SiteChoice searchSite(const Histogram &histogram, unsigned bits, const FunctionValues &functions = {});

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_SEARCH_H
