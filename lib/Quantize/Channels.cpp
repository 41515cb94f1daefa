//===- Channels.cpp - the channels that quantizers see --------------------===//
#include "Channels.h"

#include "Statistics.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace llvm;

namespace anybit::quantize {

namespace {

/// Where the channels of a source are in its values, and the number of the first one.
struct Source {
  size_t first = 0;
  ChannelShape shape;
};

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
      return Channel::none;
    std::string name = source.str();
    while (true) {
      auto found = producer.find(name);
      if (found == producer.end())
        return Channel::none;
      const Step &step = network.steps[found->second];
      if (step.kind == Step::Kind::Affine)
        return step.index;
      bool keepsFactors = step.kind == Step::Kind::Plain && step.node.domain.empty() &&
                          is_contained({"Relu", "LeakyRelu"}, step.node.op);
      if (!keepsFactors)
        return Channel::none;
      name = step.node.inputs[0];
      if (outputs.contains(name) || readers.find(name)->second.size() != 1)
        return Channel::none;
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
      for (size_t reader : readers.lookup(name)) {
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

/// Runs the float network and notes the size of each channel.
class SizePolicy : public FloatPolicy {
public:
  SizePolicy(const Network &network, Channels &channels, StringMap<Source> &sources)
      : FloatPolicy(network), structure(network), channels(channels), sources(sources) {}

  AffineValues affine(unsigned layer, const Batch &accumulators) override {
    channels.moments[layer] = momentsOf(accumulators, outputShape(network.layers[layer], accumulators.dims));
    return FloatPolicy::affine(layer, accumulators);
  }

  Error decide(unsigned site, StringRef source, const Simulator &simulator) override {
    const Batch &batch = *simulator.live(source);
    if (!sharedByLayers(network.sites[site]) || batch.dims.size() < 2)
      return Error::success();
    unsigned layer = structure.layerOf(source);
    ChannelShape shape = channelShape(batch.dims, layer != Channel::none && network.layers[layer].channelsLast);
    sources[source] = {channels.all.size(), shape};
    for (size_t c = 0; c < shape.channels; ++c) {
      channels.bySite[site].push_back(channels.all.size());
      channels.all.push_back({layer, c});
    }
    measure(batch, shape, MutableArrayRef<Channel>(channels.all).take_back(shape.channels));
    return Error::success();
  }

private:
  Structure structure;
  Channels &channels;
  StringMap<Source> &sources;

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
  NumberPolicy(const Network &network, const Simulator &simulator, Channels &channels, const StringMap<Source> &sources)
      : network(network), simulator(simulator), channels(channels), sources(sources), inputs(layerInputs(network)) {}

  std::vector<float> weights(unsigned layer) override {
    const Layer &reader = network.layers[layer];
    const Batch &input = *simulator.live(inputs[layer]);
    ChannelShape shape = inputShape(reader, input.dims);
    std::vector<float> numbers(shape.channels);
    for (size_t i = 0; i < input.values.size(); ++i)
      merge(numbers[i / shape.inner % shape.channels], input.values[i]);
    std::vector<unsigned> &read = channels.reads[layer];
    read.assign(shape.channels, Channel::none);
    for (size_t c = 0; c < shape.channels; ++c)
      if (numbers[c] > 0)
        read[c] = unsigned(numbers[c]) - 1;
    return std::vector<float>(reader.weights.size());
  }

  AffineValues affine(unsigned layer, const Batch &) override {
    std::vector<float> zeros(network.layers[layer].channels());
    return {zeros, zeros};
  }

  Error decide(unsigned, StringRef, const Simulator &) override { return Error::success(); }

  void code(unsigned site, StringRef source, Batch &batch) override {
    auto found = sources.find(source);
    if (found == sources.end())
      return llvm::fill(batch.values, 0.0f);
    const auto &[first, shape] = found->second;
    for (size_t i = 0; i < batch.values.size(); ++i)
      batch.values[i] = float(first + i / shape.inner % shape.channels + 1);
  }

private:
  const Network &network;
  const Simulator &simulator;
  Channels &channels;
  const StringMap<Source> &sources;
  std::vector<std::string> inputs; ///< By layer.

  /// A channel of the input that holds two channels of sources (a reshape put them there) fixes the size of both.
  void merge(float &number, float value) {
    if (!(value > 0) || value == number)
      return;
    if (number > 0)
      channels.all[size_t(number) - 1].layer = channels.all[size_t(value) - 1].layer = Channel::none;
    number = value;
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

Expected<Channels> findChannels(const Network &network, Simulator &simulator, ArrayRef<Batch> inputs) {
  Channels channels;
  channels.bySite.resize(network.sites.size());
  channels.reads.resize(network.layers.size());
  channels.moments.resize(network.layers.size());
  StringMap<Source> sources;
  SizePolicy sizes(network, channels, sources);
  if (Error error = simulator.run(inputs, sizes).takeError())
    return std::move(error);
  // Numbers must be exact in float32.
  if (channels.all.size() >= (size_t(1) << 24))
    return Channels{{}, std::vector<std::vector<unsigned>>(network.sites.size()), {}, {}};
  NumberPolicy numbers(network, simulator, channels, sources);
  if (Error error = simulator.run(firstOf(inputs), numbers).takeError())
    return std::move(error);
  return channels;
}

} // namespace anybit::quantize
