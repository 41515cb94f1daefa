//===- Search.cpp - stage S1: steps ---------------------------------------===//
#include "Search.h"

#include "Network.h"

#include "llvm/Support/Parallel.h"

#include <Eigen/Core>

#include <algorithm>
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

void Histogram::add(float value) {
  if (value == 0)
    ++zeros;
  else if (std::isfinite(value))
    ++bins[binOf(value)];
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

SiteChoice searchSite(const Histogram &histogram, unsigned bits) {
  SiteChoice best{false, bits, 1, 0};
  std::vector<float> values, counts;
  histogram.collect(values, counts);
  float width = histogram.high() - histogram.low(), top = float((1 << bits) - 1);
  if (values.empty() || !(width > 0) || !std::isfinite(width))
    return best;
  Eigen::Map<const Values> x(values.data(), values.size()), n(counts.data(), counts.size());
  ValuesRef weights(n);
  double bestNorm = std::numeric_limits<double>::infinity();
  for (unsigned ratio = ratios; ratio >= 1; --ratio) {
    float scale = soundScale(width * (float(ratio) / ratios) / top);
    float zero = std::clamp(std::nearbyint(-histogram.low() * (float(ratio) / ratios) / scale), 0.0f, top);
    // With few levels the rounded zero point decides, so its neighbours compete.
    for (float offset : {0.0f, -1.0f, 1.0f}) {
      float candidate = zero + offset;
      bool allowed = offset == 0 || (histogram.low() < 0 && candidate >= 0 && candidate <= top);
      double error = allowed ? norm(quantizeUnsigned(x, scale, candidate, bits) - x, &weights) : bestNorm;
      if (error < bestNorm) {
        bestNorm = error;
        best.scale = scale;
        best.zero = int64_t(candidate);
      }
    }
  }
  return best;
}

} // namespace anybit::quantize
