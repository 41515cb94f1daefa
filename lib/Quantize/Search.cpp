//===- Search.cpp - stage S1: steps ---------------------------------------===//
#include "Search.h"

#include "Network.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Parallel.h"

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

using namespace llvm;

namespace anybit::quantize {

namespace {

constexpr unsigned ratios = 100;
constexpr float exponent = 2.4f;
constexpr size_t binCount = 1 << 14;

using Values = Eigen::ArrayXf;
using ValuesRef = Eigen::Ref<const Values>;

/// Sum of |error|^2.4, weighted.
double norm(const Values &error, const ValuesRef *counts) {
  // 1e-30 keeps log defined; its 2.4th power is 0 in float32.
  Values powers = ((error.abs() + 1e-30f).log() * exponent).exp();
  return counts ? (powers * *counts).sum() : powers.sum();
}

/// Numerics N2: the division is a division.
Values quantizeSigned(const ValuesRef &x, float scale, unsigned bits) {
  float top = float((1 << (bits - 1)) - 1), bottom = -top - 1;
  return (x / scale).rint().min(top).max(bottom) * scale;
}

Values quantizeOdd(const ValuesRef &x, float scale, unsigned bits) {
  float half = float(1 << (bits - 1)), top = float((1 << bits) - 1);
  Values codes = ((x / scale * 0.5f).floor() + half).min(top).max(0.0f);
  return (2 * codes - top) * scale;
}

Values quantizeUnsigned(const ValuesRef &x, float scale, float zero, unsigned bits) {
  float top = float((1 << bits) - 1);
  return (((x / scale).rint() + zero).min(top).max(0.0f) - zero) * scale;
}

Values quantize(const ValuesRef &x, Format format, float scale, unsigned bits) {
  return format == Format::Odd ? quantizeOdd(x, scale, bits) : quantizeSigned(x, scale, bits);
}

/// The weights of one channel, next to each other.
Values channelOf(const Layer &layer, ArrayRef<float> weights, size_t channel) {
  size_t inner = layer.channelStride(), channels = layer.channels(), outer = weights.size() / (inner * channels);
  Values result(outer * inner);
  for (size_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < inner; ++i)
      result[o * inner + i] = weights[(o * channels + channel) * inner + i];
  return result;
}

/// A scale that is finite and above 0 (N2).
float soundScale(float scale) { return scale >= 1e-30f && std::isfinite(scale) ? scale : 1.0f; }

/// For a channel of zeros: `odd` has no zero, so its values must be negligible. Below the smallest float16.
constexpr float deadScale = 0x1p-25f;

float searchChannel(const Values &weights, Format format, unsigned bits) {
  float largest = weights.abs().maxCoeff();
  if (largest == 0)
    return deadScale;
  float levels = format == Format::Odd ? float((1 << bits) - 1) : float((1 << (bits - 1)) - 1);
  float best = soundScale(largest / levels);
  double bestNorm = std::numeric_limits<double>::infinity();
  for (unsigned ratio = ratios; ratio >= 1; --ratio) {
    float scale = soundScale(largest * (float(ratio) / ratios) / levels);
    double error = norm(quantize(weights, format, scale, bits) - weights, nullptr);
    if (error < bestNorm) {
      bestNorm = error;
      best = scale;
    }
  }
  return best;
}

} // namespace

Format formatOf(unsigned bits) { return bits <= 2 ? Format::Odd : Format::Signed; }

WeightChoice searchWeights(const Layer &layer, ArrayRef<float> master, unsigned bits) {
  WeightChoice choice{false, formatOf(bits), bits, std::vector<float>(layer.channels())};
  parallelFor(0, layer.channels(), [&](size_t channel) {
    choice.scales[channel] = searchChannel(channelOf(layer, master, channel), choice.format, bits);
  });
  return choice;
}

std::vector<float> fakeQuantize(const Layer &layer, ArrayRef<float> master, const WeightChoice &choice) {
  std::vector<float> result(master.begin(), master.end());
  if (choice.real)
    return result;
  size_t inner = layer.channelStride(), channels = layer.channels();
  for (size_t block = 0; block < result.size() / inner; ++block) {
    Eigen::Map<Values> weights(result.data() + block * inner, inner);
    weights = quantize(weights, choice.format, choice.scales[block % channels], choice.bits);
  }
  return result;
}

void fakeQuantize(MutableArrayRef<float> values, const SiteChoice &choice) {
  constexpr size_t block = 4096; // Eigen's temporaries stay in the cache.
  for (size_t begin = 0; !choice.real && begin < values.size(); begin += block) {
    Eigen::Map<Values> part(values.data() + begin, std::min(block, values.size() - begin));
    part = quantizeUnsigned(part, choice.scale, float(choice.zero), choice.bits);
  }
}

Histogram::Histogram(float low, float high)
    : lowest(std::min(low, 0.0f)), highest(std::max(high, 0.0f)), bins(binCount) {
  float width = highest - lowest;
  binsPerUnit = width > 0 ? float(binCount) / width : 0;
}

size_t Histogram::binOf(float value) const {
  float position = (value - lowest) * binsPerUnit;
  return size_t(std::clamp(position, 0.0f, float(binCount - 1)));
}

float Histogram::centre(size_t bin) const { return lowest + (float(bin) + 0.5f) / binsPerUnit; }

void Histogram::add(ArrayRef<float> values) {
  constexpr size_t block = 1024;
  for (size_t begin = 0; begin < values.size(); begin += block) {
    ArrayRef<float> part = values.slice(begin, std::min(block, values.size() - begin));
    // Places in a loop of their own, which vectorizes; those of values that are not finite are not used.
    std::array<int, block> places;
    for (size_t i = 0; i < part.size(); ++i)
      places[i] = int(std::min(float(binCount - 1), std::max(0.0f, (part[i] - lowest) * binsPerUnit)));
    for (size_t i = 0; i < part.size(); ++i) {
      zeros += part[i] == 0;
      bins[places[i]] += part[i] != 0 && std::isfinite(part[i]);
    }
  }
}

void Histogram::add(const Histogram &other) {
  zeros += other.zeros;
  for (size_t bin = 0; bin < binCount; ++bin)
    if (other.bins[bin])
      bins[binOf(other.centre(bin))] += other.bins[bin];
}

void Histogram::collect(std::vector<float> &values, std::vector<float> &counts) const {
  for (size_t bin = 0; bin < binCount; ++bin)
    if (bins[bin]) {
      values.push_back(centre(bin));
      counts.push_back(float(bins[bin]));
    }
}

std::vector<float> Histogram::centres() const {
  std::vector<float> result(binCount);
  for (size_t bin = 0; bin < binCount; ++bin)
    result[bin] = centre(bin);
  return result;
}

float Histogram::interpolate(ArrayRef<float> function, float value) const {
  float position = std::clamp((value - lowest) * binsPerUnit - 0.5f, 0.0f, float(binCount - 1));
  size_t bin = std::min(size_t(position), binCount - 2);
  return function[bin] + (function[bin + 1] - function[bin]) * (position - float(bin));
}

namespace {

/// Looks for the bounds of a site, in hundredths of the histogram's.
class SiteSearch {
public:
  SiteSearch(const Histogram &histogram, unsigned bits, const FunctionValues &functions)
      : histogram(histogram), functions(functions), top(float((1 << bits) - 1)), best{false, bits, 1, 0} {
    std::vector<float> centres, numbers;
    histogram.collect(centres, numbers);
    values = Eigen::Map<const Values>(centres.data(), centres.size());
    counts = Eigen::Map<const Values>(numbers.data(), numbers.size());
    for (const std::vector<float> &function : functions)
      expected.push_back(through(function, values));
  }

  SiteChoice run() {
    float width = histogram.high() - histogram.low();
    if (values.size() == 0 || !(width > 0) || !std::isfinite(width))
      return best;
    for (unsigned ratio = ratios; ratio >= 1; --ratio)
      consider(ratio, ratio);
    // Seldom are both ends worth the same, least of all those of a function's operand.
    for (unsigned round = 0; round < 2 && histogram.low() < 0 && histogram.high() > 0; ++round) {
      scan([&](unsigned ratio) { consider(ratio, highRatio); }, lowRatio);
      scan([&](unsigned ratio) { consider(lowRatio, ratio); }, highRatio);
    }
    return best;
  }

private:
  const Histogram &histogram;
  const FunctionValues &functions;
  float top;
  Values values, counts;
  std::vector<Values> expected; ///< By function.
  SiteChoice best;
  unsigned lowRatio = ratios, highRatio = ratios;
  double bestError = std::numeric_limits<double>::infinity();

  Values through(const std::vector<float> &function, const Values &operands) const {
    return operands.unaryExpr([&](float value) { return histogram.interpolate(function, value); });
  }

  double errorOf(float scale, float zero) const {
    Values coded = quantizeUnsigned(values, scale, zero, best.bits);
    ValuesRef weights(counts);
    if (functions.empty())
      return norm(coded - values, &weights);
    double error = 0;
    for (size_t i = 0; i < functions.size(); ++i)
      error += norm(through(functions[i], coded) - expected[i], &weights);
    return error;
  }

  void consider(unsigned low, unsigned high) {
    float bottom = histogram.low() * (float(low) / ratios), ceiling = histogram.high() * (float(high) / ratios);
    float scale = soundScale((ceiling - bottom) / top);
    float zero = std::clamp(std::nearbyint(-bottom / scale), 0.0f, top);
    // With few levels the rounded zero point decides, so its neighbours compete.
    for (float offset : {0.0f, -1.0f, 1.0f}) {
      float candidate = zero + offset;
      if (offset != 0 && (best.bits > 4 || histogram.low() >= 0 || candidate < 0 || candidate > top))
        continue;
      double error = errorOf(scale, candidate);
      if (!(error < bestError))
        continue;
      bestError = error;
      best.scale = scale;
      best.zero = int64_t(candidate);
      lowRatio = low;
      highRatio = high;
    }
  }

  /// Coarsely over all ratios, then finely around the best one.
  static void scan(function_ref<void(unsigned)> visit, const unsigned &found) {
    constexpr unsigned coarse = 5;
    for (unsigned ratio = coarse; ratio <= ratios; ratio += coarse)
      visit(ratio);
    unsigned centre = found;
    for (unsigned ratio = std::max(centre, coarse) - coarse + 1; ratio < std::min(centre + coarse, ratios + 1); ++ratio)
      visit(ratio);
  }
};

} // namespace

SiteChoice searchSite(const Histogram &histogram, unsigned bits, const FunctionValues &functions) {
  return SiteSearch(histogram, bits, functions).run();
}

} // namespace anybit::quantize
