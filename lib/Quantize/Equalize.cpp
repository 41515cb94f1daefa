//===- Equalize.cpp - channels of like size in front of a layer -----------===//
#include "Equalize.h"

#include "Statistics.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace llvm;

namespace anybit::quantize {

namespace {

/// Largest factor, as a power of two, and the part of the noise that must go for a change to be made: the estimate
/// knows nothing of clipped bounds and of delta-BN, so that smaller gains are as often losses.
constexpr int largestExponent = 6;
constexpr double leastGain = 0.5;
constexpr double largestHalf = 65504, deadVariance = 1e-6;
/// Steps of 8 bits; at other widths both noises grow alike.
constexpr double activationLevels = 255, weightLevels = 127;

constexpr unsigned none = ~0u;

/// One channel of one source of a site.
struct Channel {
  unsigned layer = none; ///< Whose affine makes it; none: its size is fixed.
  size_t index = 0;      ///< In that layer's output.
  float low = 0, high = 0;
  double power = 0; ///< Mean square.
  int exponent = 0; ///< It is to be divided by two to this power.

  double size() const { return std::max(-double(low), double(high)); }
};

/// The channels that a layer reads, by input channel of its weights.
using Reads = std::vector<unsigned>;

/// Which axis of a layer's weights counts the channels of its input (of one group).
unsigned inputDim(const Layer &layer) { return layer.channelDim == 0 ? 1 : 0; }

/// What the network's graph says about its sources.
class Structure {
public:
  explicit Structure(const Network &network) : network(network) {
    for (size_t i = 0; i < network.steps.size(); ++i) {
      for (const std::string &input : network.steps[i].node.inputs)
        readers[input].push_back(i);
      for (const std::string &output : network.steps[i].node.outputs)
        producer[output] = i;
    }
    for (const onnx::ValueInfo &output : network.graph.outputs)
      outputs.insert(output.name);
  }

  /// The layer whose affine makes `source`, if a factor may move from there to the layers behind; else none.
  unsigned layerOf(StringRef source) const {
    if (!readByLayersAlone(source))
      return none;
    std::string name = source.str();
    while (true) {
      auto found = producer.find(name);
      if (found == producer.end())
        return none;
      const Step &step = network.steps[found->second];
      if (step.kind == Step::Kind::Affine)
        return step.index;
      bool keepsFactors = step.kind == Step::Kind::Plain && step.node.domain.empty() &&
                          is_contained({"Relu", "LeakyRelu"}, step.node.op);
      if (!keepsFactors)
        return none;
      name = step.node.inputs[0];
      if (outputs.contains(name) || readers.find(name)->second.size() != 1)
        return none;
    }
  }

private:
  const Network &network;
  StringMap<std::vector<size_t>> readers;
  StringMap<size_t> producer;
  StringSet<> outputs;

  bool readByLayersAlone(StringRef source) const {
    std::vector<StringRef> open = {source};
    StringSet<> seen;
    while (!open.empty()) {
      StringRef name = open.back();
      open.pop_back();
      if (!seen.insert(name).second)
        continue;
      if (outputs.contains(name))
        return false;
      auto found = readers.find(name);
      for (size_t reader : found == readers.end() ? std::vector<size_t>() : found->second) {
        const Step &step = network.steps[reader];
        bool codes = name == source ? step.kind == Step::Kind::Quantizer && !network.sites[step.index].wide
                                    : step.kind == Step::Kind::Layer;
        bool moves = name != source && step.kind == Step::Kind::Plain && movesValues(step.node, network.graph);
        if (!codes && !moves)
          return false;
        if (step.kind != Step::Kind::Layer)
          open.insert(open.end(), step.node.outputs.begin(), step.node.outputs.end());
      }
    }
    return true;
  }
};

/// All sites' channels, numbered through.
struct Channels {
  std::vector<Channel> all;
  StringMap<size_t> first;        ///< Source → number of its first channel.
  StringMap<ChannelShape> shapes; ///< Of sources.
  std::vector<std::vector<unsigned>> bySite;
};

/// Runs the float network and notes the size of each channel.
class SizePolicy : public Policy {
public:
  SizePolicy(const Network &network, Channels &channels, std::vector<Moments> &moments)
      : network(network), structure(network), channels(channels), moments(moments) {}

  std::vector<float> weights(unsigned layer) override { return network.layers[layer].weights; }

  AffineValues affine(unsigned layer, const Batch &accumulators) override {
    const Layer &real = network.layers[layer];
    moments[layer] = momentsOf(accumulators, channelShape(real, accumulators.dims));
    return {{real.gain.begin(), real.gain.end()}, {real.shift.begin(), real.shift.end()}};
  }

  Error decide(unsigned site, StringRef source, const Simulator &simulator) override {
    const Batch &batch = *simulator.live(source);
    if (network.sites[site].wide || batch.dims.size() < 2)
      return Error::success();
    unsigned layer = structure.layerOf(source);
    bool last = layer != none && network.layers[layer].channelsLast;
    size_t axis = last ? batch.dims.size() - 1 : 1;
    ArrayRef<int64_t> dims = batch.dims;
    ChannelShape shape{size_t(countOf(dims.take_front(axis))), size_t(dims[axis]),
                       size_t(countOf(dims.drop_front(axis + 1)))};
    channels.first[source] = channels.all.size();
    channels.shapes[source] = shape;
    for (size_t c = 0; c < shape.channels; ++c) {
      channels.bySite[site].push_back(channels.all.size());
      channels.all.push_back({layer, c});
    }
    measure(batch, shape, MutableArrayRef<Channel>(channels.all).take_back(shape.channels));
    return Error::success();
  }

  void code(unsigned, StringRef, Batch &) override {}

private:
  const Network &network;
  Structure structure;
  Channels &channels;
  std::vector<Moments> &moments;

  static void measure(const Batch &batch, const ChannelShape &shape, MutableArrayRef<Channel> result) {
    const float *value = batch.values.data();
    for (size_t block = 0; block < batch.rows * shape.outer * shape.channels; ++block, value += shape.inner) {
      Channel &channel = result[block % shape.channels];
      for (size_t i = 0; i < shape.inner; ++i) {
        channel.low = std::min(channel.low, value[i]);
        channel.high = std::max(channel.high, value[i]);
        channel.power += double(value[i]) * value[i];
      }
    }
    for (Channel &channel : result)
      channel.power /= double(batch.rows * shape.outer * shape.inner);
  }
};

/// Runs the network with the channels' numbers for codes, so that each layer sees whose values it reads, whatever moves
/// them. 0 is padding.
class NumberPolicy : public Policy {
public:
  NumberPolicy(const Network &network, const Simulator &simulator, Channels &channels, std::vector<Reads> &reads)
      : network(network), simulator(simulator), channels(channels), reads(reads), inputs(network.layers.size()) {
    for (const Step &step : network.steps)
      if (step.kind == Step::Kind::Layer)
        inputs[step.index] = step.node.inputs[0];
  }

  std::vector<float> weights(unsigned layer) override {
    const Layer &reader = network.layers[layer];
    const Batch &input = *simulator.live(inputs[layer]);
    size_t axis = reader.weightDims.size() == 2 ? input.dims.size() - 1 : 1;
    size_t channelCount = input.dims[axis], inner = countOf(ArrayRef<int64_t>(input.dims).drop_front(axis + 1));
    std::vector<float> numbers(channelCount);
    for (size_t i = 0; i < input.values.size(); ++i)
      merge(numbers[i / inner % channelCount], input.values[i]);
    reads[layer].assign(channelCount, none);
    for (size_t c = 0; c < channelCount; ++c)
      if (numbers[c] > 0)
        reads[layer][c] = unsigned(numbers[c]) - 1;
    return std::vector<float>(reader.weights.size());
  }

  AffineValues affine(unsigned layer, const Batch &) override {
    std::vector<float> zeros(network.layers[layer].channels());
    return {zeros, zeros};
  }

  Error decide(unsigned, StringRef, const Simulator &) override { return Error::success(); }

  void code(unsigned site, StringRef source, Batch &batch) override {
    auto found = channels.first.find(source);
    if (found == channels.first.end())
      return llvm::fill(batch.values, 0.0f);
    const ChannelShape &shape = channels.shapes.find(source)->second;
    for (size_t i = 0; i < batch.values.size(); ++i)
      batch.values[i] = float(found->second + i / shape.inner % shape.channels + 1);
  }

private:
  const Network &network;
  const Simulator &simulator;
  Channels &channels;
  std::vector<Reads> &reads;
  std::vector<std::string> inputs; ///< By layer.

  /// A channel of the input that holds two channels of sources (a reshape put them there) fixes the size of both.
  void merge(float &number, float value) {
    if (!(value > 0) || value == number)
      return;
    if (number > 0)
      channels.all[size_t(number) - 1].layer = channels.all[size_t(value) - 1].layer = none;
    number = value;
  }
};

/// The rounding noise of one layer's accumulators, relative to their variance.
class ReaderNoise {
public:
  ReaderNoise(const Layer &layer, const Reads &reads, const Moments &moments, ArrayRef<Channel> channels)
      : layer(layer), reads(reads), moments(moments), channels(channels) {
    std::vector<double> variances = moments.variance;
    std::nth_element(variances.begin(), variances.begin() + variances.size() / 2, variances.end());
    floor = deadVariance * variances[variances.size() / 2];
    size_t dim = inputDim(layer);
    perGroup = layer.weightDims[dim];
    outputsPerGroup = layer.channels() / std::max<size_t>(1, reads.size() / perGroup);
    taps = layer.weightDims.size() > 2 ? layer.channelStride() / perGroup : 1;
  }

  /// `step`: of the activations. Dead outputs do not count; infinite if a weight would leave float16.
  double operator()(double step) const {
    double total = 0;
    for (size_t output = 0; output < layer.channels(); ++output)
      if (moments.variance[output] > floor)
        total += outputNoise(output, step) / moments.variance[output];
    return total / double(layer.channels());
  }

  /// The input channel of a weight.
  size_t inputOf(size_t output, size_t withinGroup) const { return output / outputsPerGroup * perGroup + withinGroup; }

  size_t weightIndex(size_t output, size_t withinGroup, size_t tap) const {
    return layer.channelDim == 0 ? (output * perGroup + withinGroup) * taps + tap
                                 : withinGroup * layer.channels() + output;
  }

  size_t perGroup = 1, outputsPerGroup = 1, taps = 1;

private:
  const Layer &layer;
  const Reads &reads;
  const Moments &moments;
  ArrayRef<Channel> channels;
  double floor = 0;

  double outputNoise(size_t output, double step) const {
    double largest = 0, gain = 0, power = 0;
    for (size_t i = 0; i < perGroup; ++i) {
      unsigned number = reads[inputOf(output, i)];
      if (number == none)
        continue;
      double factor = std::ldexp(1.0, channels[number].exponent);
      for (size_t tap = 0; tap < taps; ++tap) {
        double weight = layer.weights[weightIndex(output, i, tap)] * factor;
        largest = std::max(largest, std::fabs(weight));
        gain += weight * weight;
      }
      power += double(taps) * channels[number].power / (factor * factor);
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
  SiteEqualizer(Network &network, const Site &site, ArrayRef<unsigned> members, Channels &channels,
                const std::vector<Reads> &reads, const std::vector<Moments> &moments)
      : network(network), site(site), members(members), channels(channels.all), reads(reads) {
    for (unsigned reader : site.readers)
      noises.emplace_back(network.layers[reader], reads[reader], moments[reader], channels.all);
  }

  void run() {
    double largest = 0;
    for (unsigned member : members)
      largest = std::max(largest, channels[member].size());
    bool movable = llvm::any_of(members, [&](unsigned member) { return channels[member].layer != none; });
    if (!movable || !(largest > 0))
      return;
    double before = noise(), least = (1 - leastGain) * before;
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
  const std::vector<Reads> &reads;
  std::vector<ReaderNoise> noises;

  /// Gives the channels above `limit` the least factors that bring them below it.
  void shrink(double limit) {
    for (unsigned member : members) {
      Channel &channel = channels[member];
      bool moves = channel.layer != none && channel.size() > limit;
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
      multiply(network.layers[reader], reads[reader], noise);
  }

  static void divide(Layer &layer, size_t channel, float factor) {
    layer.gain[channel] /= factor;
    layer.shift[channel] /= factor;
    if (!layer.norm)
      return;
    layer.norm->scale[channel] /= factor;
    layer.norm->bias[channel] /= factor;
  }

  void multiply(Layer &layer, const Reads &read, const ReaderNoise &shape) {
    for (size_t output = 0; output < layer.channels(); ++output)
      for (size_t i = 0; i < shape.perGroup; ++i) {
        unsigned number = read[shape.inputOf(output, i)];
        float factor = number == none ? 1.0f : std::ldexp(1.0f, channels[number].exponent);
        for (size_t tap = 0; tap < shape.taps; ++tap)
          layer.weights[shape.weightIndex(output, i, tap)] *= factor;
      }
  }
};

/// The first sample alone.
std::vector<Batch> firstOf(ArrayRef<Batch> inputs) {
  std::vector<Batch> result;
  for (const Batch &input : inputs)
    result.push_back({input.dims, 1, input.row(0).vec()});
  return result;
}

} // namespace

Error equalizeChannels(Network &network, Simulator &simulator, ArrayRef<Batch> inputs) {
  Channels channels;
  channels.bySite.resize(network.sites.size());
  std::vector<Moments> moments(network.layers.size());
  SizePolicy sizes(network, channels, moments);
  if (Error error = simulator.run(inputs, sizes).takeError())
    return error;
  // Numbers must be exact in float32.
  if (channels.all.size() >= (size_t(1) << 24))
    return Error::success();
  std::vector<Reads> reads(network.layers.size());
  NumberPolicy numbers(network, simulator, channels, reads);
  if (Error error = simulator.run(firstOf(inputs), numbers).takeError())
    return error;
  for (auto [site, members] : llvm::zip_equal(network.sites, channels.bySite))
    SiteEqualizer(network, site, members, channels, reads, moments).run();
  return Error::success();
}

} // namespace anybit::quantize
