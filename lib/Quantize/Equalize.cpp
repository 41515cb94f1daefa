//===- Equalize.cpp - channels of like size in front of a layer -----------===//
#include "Equalize.h"

#include "Channels.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace llvm;

namespace anybit::quantize {

namespace {

/// Largest factor, as a power of two, and the share of the noise that may be left for a change to be made. The estimate
/// goes by the largest values, which the search of bounds may clip and delta-BN may make good, so that small gains are
/// as often losses.
constexpr int largestExponent = 6;
constexpr double largestShare = 0.1;
constexpr double largestHalf = 65504, deadVariance = 1e-6;
/// Steps of 8 bits; at other widths both noises grow alike.
constexpr double activationLevels = 255, weightLevels = 127;

/// The rounding noise of one layer's accumulators, relative to their variance.
class ReaderNoise {
public:
  ReaderNoise(const Layer &layer, unsigned index, const Channels &channels)
      : order(layer, channels.reads[index].size()), layer(layer), reads(channels.reads[index]),
        moments(channels.moments[index]), channels(channels.all) {
    std::vector<double> variances = moments.variance;
    std::nth_element(variances.begin(), variances.begin() + variances.size() / 2, variances.end());
    floor = deadVariance * variances[variances.size() / 2];
  }

  /// `step`: of the activations. Dead outputs do not count; infinite if a weight would leave float16.
  double operator()(double step) const {
    double total = 0;
    for (size_t output = 0; output < layer.channels(); ++output)
      if (moments.variance[output] > floor)
        total += outputNoise(output, step) / moments.variance[output];
    return total / double(layer.channels());
  }

  const WeightOrder order;

private:
  const Layer &layer;
  const std::vector<unsigned> &reads;
  const Moments &moments;
  ArrayRef<Channel> channels;
  double floor = 0;

  double outputNoise(size_t output, double step) const {
    double largest = 0, gain = 0, power = 0;
    for (size_t i = 0; i < order.perGroup; ++i) {
      unsigned number = reads[order.inputOf(output, i)];
      if (number == Channel::none)
        continue;
      double factor = std::ldexp(1.0, channels[number].exponent);
      for (size_t tap = 0; tap < order.taps; ++tap) {
        double weight = layer.weights[order.indexOf(output, i, tap)] * factor;
        largest = std::max(largest, std::fabs(weight));
        gain += weight * weight;
      }
      power += double(order.taps) * channels[number].power / (factor * factor);
    }
    if (largest > largestHalf)
      return std::numeric_limits<double>::infinity();
    double weightStep = largest / weightLevels;
    return (step * step * gain + weightStep * weightStep * power) / 12;
  }
};

/// Looks for the factors of one site.
class SiteEqualizer {
public:
  SiteEqualizer(Network &network, const Site &site, ArrayRef<unsigned> members, Channels &channels)
      : network(network), site(site), members(members), channels(channels.all), reads(channels.reads) {
    if (!llvm::any_of(members, [&](unsigned member) { return channels.all[member].layer != Channel::none; }))
      return;
    for (unsigned reader : site.readers)
      noises.emplace_back(network.layers[reader], reader, channels);
  }

  void run() {
    double largest = 0;
    for (unsigned member : members)
      largest = std::max(largest, channels[member].size());
    if (noises.empty() || !(largest > 0))
      return;
    double least = largestShare * noise();
    int best = 0;
    for (int limit = 1; limit <= largestExponent; ++limit) {
      shrink(std::ldexp(largest, -limit));
      double after = noise();
      if (after < least) {
        least = after;
        best = limit;
      }
    }
    shrink(std::ldexp(largest, -best));
    if (best)
      apply();
  }

private:
  Network &network;
  const Site &site;
  ArrayRef<unsigned> members;
  MutableArrayRef<Channel> channels;
  const std::vector<std::vector<unsigned>> &reads;
  std::vector<ReaderNoise> noises;

  /// Gives the channels above `limit` the least factors that bring them below it.
  void shrink(double limit) {
    for (unsigned member : members) {
      Channel &channel = channels[member];
      bool moves = channel.layer != Channel::none && channel.size() > limit;
      channel.exponent = moves ? int(std::ceil(std::log2(channel.size() / limit))) : 0;
    }
  }

  double noise() const {
    double low = 0, high = 0, total = 0;
    for (unsigned member : members) {
      const Channel &channel = channels[member];
      low = std::min(low, std::ldexp(double(channel.low), -channel.exponent));
      high = std::max(high, std::ldexp(double(channel.high), -channel.exponent));
    }
    for (const ReaderNoise &reader : noises)
      total += reader((high - low) / activationLevels);
    return total;
  }

  void apply() {
    for (unsigned member : members)
      if (const Channel &channel = channels[member]; channel.exponent)
        divide(network.layers[channel.layer], channel.index, std::ldexp(1.0f, channel.exponent));
    for (auto [reader, noise] : llvm::zip_equal(site.readers, noises))
      multiply(network.layers[reader], reads[reader], noise.order);
  }

  static void divide(Layer &layer, size_t channel, float factor) {
    layer.gain[channel] /= factor;
    layer.shift[channel] /= factor;
    if (!layer.norm)
      return;
    layer.norm->scale[channel] /= factor;
    layer.norm->bias[channel] /= factor;
  }

  void multiply(Layer &layer, ArrayRef<unsigned> read, const WeightOrder &order) {
    for (size_t output = 0; output < layer.channels(); ++output)
      for (size_t i = 0; i < order.perGroup; ++i) {
        unsigned number = read[order.inputOf(output, i)];
        float factor = number == Channel::none ? 1.0f : std::ldexp(1.0f, channels[number].exponent);
        for (size_t tap = 0; tap < order.taps; ++tap)
          layer.weights[order.indexOf(output, i, tap)] *= factor;
      }
  }
};

} // namespace

Error equalizeChannels(Network &network, Simulator &simulator, ArrayRef<Batch> inputs) {
  if (llvm::none_of(network.sites, sharedByLayers))
    return Error::success();
  Expected<Channels> channels = findChannels(network, simulator, inputs);
  if (!channels)
    return channels.takeError();
  for (auto [site, members] : llvm::zip_equal(network.sites, channels->bySite))
    SiteEqualizer(network, site, members, *channels).run();
  return Error::success();
}

} // namespace anybit::quantize
