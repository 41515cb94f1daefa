//===- Simulator.cpp ------------------------------------------------------===//
#include "Simulator.h"

#include "Fragments.h"

#include "onnx-ml.pb.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"

using namespace llvm;

namespace anybit::quantize {

using onnx::ElementType;
using onnx::Node;

Program::~Program() = default;
Executor::~Executor() = default;
Policy::~Policy() = default;

std::vector<float> FloatPolicy::weights(unsigned layer) { return network.layers[layer].weights; }

AffineValues FloatPolicy::affine(unsigned layer, const Batch &) {
  const Layer &real = network.layers[layer];
  return {{real.gain.begin(), real.gain.end()}, {real.shift.begin(), real.shift.end()}};
}

struct Simulator::Fragment {
  std::vector<std::string> inputs, outputs;
  Program *program = nullptr;
};

Simulator::~Simulator() = default;

Simulator::Simulator(const Network &network, Executor &executor) : network(network), executor(executor) {
  fragments.resize(network.steps.size());
  for (size_t i = 0; i < network.steps.size(); ++i)
    for (const std::string &output : network.steps[i].node.outputs)
      producer[output] = i;
  findTypes();
  findLifetimes();
}

bool Simulator::outputIsReal(const Step &step) const {
  const Node &node = step.node;
  auto type = [&](size_t input) { return input < node.inputs.size() && real.contains(node.inputs[input]); };
  if (step.kind != Step::Kind::Plain)
    return true;
  if (is_contained({"Shape", "Size", "ArgMax", "ArgMin", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual",
                    "Not", "And", "Or"},
                   node.op))
    return false;
  auto attribute = [&](StringRef name) { return node.attributes.find(name); };
  if (node.op == "Cast")
    return attribute("to") != node.attributes.end() && attribute("to")->second.i == int64_t(ElementType::Float);
  if (node.op == "ConstantOfShape")
    return attribute("value") == node.attributes.end() || attribute("value")->second.tensor.type == ElementType::Float;
  return type(node.op == "Where" ? 1 : 0);
}

void Simulator::findTypes() {
  for (const onnx::ValueInfo &input : network.graph.inputs)
    if (input.type == ElementType::Float)
      real.insert(input.name);
  for (const auto &entry : network.graph.initializers)
    if (entry.second.type == ElementType::Float)
      real.insert(entry.getKey());
  for (const Step &step : network.steps) {
    // The second output of these is indices.
    bool firstOnly = is_contained({"TopK", "MaxPool"}, step.node.op);
    for (const std::string &output : ArrayRef(step.node.outputs).take_front(firstOnly ? 1 : step.node.outputs.size()))
      if (!output.empty() && outputIsReal(step))
        real.insert(output);
  }
}

/// A tensor dies after the last step that reads it, or that reads an integer computed from it.
void Simulator::findLifetimes() {
  StringMap<size_t> last;
  for (size_t i = network.steps.size(); i-- > 0;) {
    size_t until = i;
    for (const std::string &output : network.steps[i].node.outputs) {
      if (!real.contains(output))
        until = std::max(until, last.count(output) ? last.lookup(output) : i);
      last.try_emplace(output, i);
    }
    for (const std::string &input : network.steps[i].node.inputs) {
      auto [entry, isNew] = last.try_emplace(input, until);
      if (!isNew)
        entry->second = std::max(entry->second, until);
    }
  }
  dying.resize(network.steps.size());
  for (const onnx::ValueInfo &output : network.graph.outputs)
    last.erase(output.name);
  for (const auto &entry : last)
    dying[entry.second].push_back(entry.getKey().str());
}

const Batch *Simulator::live(StringRef name) const {
  auto found = values.find(name);
  return found == values.end() ? nullptr : &found->second;
}

bool Simulator::lastRead(size_t step, const std::string &name) const { return is_contained(dying[step], name); }

/// The value of `name`, moved out if this step is its last reader.
Batch Simulator::take(size_t step, const std::string &name) {
  Batch &value = values.find(name)->second;
  return lastRead(step, name) ? std::move(value) : value;
}

void Simulator::account() {
  size_t bytes = 0;
  for (const auto &entry : values)
    bytes += entry.second.values.size() * sizeof(float);
  peak = std::max(peak, bytes / std::max<size_t>(samples, 1));
}

Expected<std::vector<Batch>> Simulator::run(ArrayRef<Batch> inputs, Policy &policy) {
  values.clear();
  samples = inputs[0].rows;
  for (size_t i = 0; i < inputs.size(); ++i)
    values[network.graph.inputs[i].name] = inputs[i];
  for (size_t i = 0; i < network.steps.size(); ++i) {
    if (Error error = step(i, policy))
      return std::move(error);
    account();
    for (const std::string &name : dying[i])
      values.erase(name);
    if (progress)
      progress();
  }
  std::vector<Batch> outputs;
  for (const onnx::ValueInfo &output : network.graph.outputs)
    if (auto found = values.find(output.name); found != values.end())
      outputs.push_back(std::move(found->second));
  values.clear();
  return outputs;
}

Error Simulator::step(size_t index, Policy &policy) {
  const Step &step = network.steps[index];
  if (step.kind == Step::Kind::Plain)
    return llvm::any_of(step.node.outputs, [&](const std::string &name) { return real.contains(name); })
               ? compute(index, nullptr)
               : Error::success();
  if (step.kind == Step::Kind::Layer) {
    const Layer &layer = network.layers[step.index];
    Batch weights{{layer.weightDims.begin(), layer.weightDims.end()}, 1, policy.weights(step.index)};
    return compute(index, &weights);
  }
  if (step.kind == Step::Kind::Affine) {
    const Layer &layer = network.layers[step.index];
    // A batch norm's channels are dimension 1, MatMul's the last one.
    if (layer.norm && layer.channelsLast && values.find(step.node.inputs[0])->second.dims.size() != 2)
      return createStringError("node '" + layer.norm->name +
                               "' (BatchNormalization): behind a MatMul of more than two "
                               "dimensions it cannot be quantized; fold it into the weights");
    applyAffine(index, policy.affine(step.index, values.find(step.node.inputs[0])->second));
    return Error::success();
  }
  if (Error error = policy.decide(step.index, step.node.inputs[0], *this))
    return error;
  Batch batch = take(index, step.node.inputs[0]);
  policy.code(step.index, step.node.inputs[0], batch);
  values[step.node.outputs[0]] = std::move(batch);
  return Error::success();
}

void Simulator::applyAffine(size_t index, const AffineValues &affine) {
  const Step &step = network.steps[index];
  Batch batch = take(index, step.node.inputs[0]);
  ChannelShape shape = outputShape(network.layers[step.index], batch.dims);
  parallelFor(0, batch.rows, [&](size_t row) {
    float *value = batch.row(row).data();
    for (size_t block = 0; block < shape.outer * shape.channels; ++block, value += shape.inner) {
      float gain = affine.gain[block % shape.channels], shift = affine.shift[block % shape.channels];
      for (size_t i = 0; i < shape.inner; ++i)
        value[i] = value[i] * gain + shift;
    }
  });
  values[step.node.outputs[0]] = std::move(batch);
}

Error Simulator::compute(size_t index, const Batch *weights) {
  Expected<Fragment *> fragment = fragmentOf(index, weights);
  if (!fragment)
    return fragment.takeError();
  std::vector<const Batch *> inputs;
  for (const std::string &name : (*fragment)->inputs)
    inputs.push_back(&values.find(name)->second);
  if (weights)
    inputs.push_back(weights);
  Expected<std::vector<Batch>> results = (*fragment)->program->run(samples, inputs);
  const Node &node = network.steps[index].node;
  if (!results)
    return createStringError("node '" + node.name + "' (" + node.op + "): " + toString(results.takeError()));
  for (size_t i = 0; i < results->size(); ++i)
    values[(*fragment)->outputs[i]] = std::move((*results)[i]);
  return Error::success();
}

Expected<Simulator::Fragment *> Simulator::fragmentOf(size_t index, const Batch *weights) {
  if (fragments[index])
    return fragments[index].get();
  Expected<std::unique_ptr<Fragment>> built = buildFragment(index, weights);
  if (!built)
    return built.takeError();
  fragments[index] = std::move(*built);
  return fragments[index].get();
}

/// The step, and the integer computations that it depends on, as a model; compiled unless an equal one was before.
Expected<std::unique_ptr<Simulator::Fragment>> Simulator::buildFragment(size_t index, const Batch *weights) {
  auto fragment = std::make_unique<Fragment>();
  FragmentBuilder builder;
  std::vector<size_t> nodes = {index};
  StringSet<> seen;
  for (size_t next = 0; next < nodes.size(); ++next)
    for (const std::string &input : network.steps[nodes[next]].node.inputs) {
      if (input.empty() || !seen.insert(input).second)
        continue;
      if (auto constant = network.graph.initializers.find(input); constant != network.graph.initializers.end()) {
        builder.addConstant(input, constant->second);
      } else if (const Batch *value = live(input)) {
        builder.addInput(input, value->dims);
        fragment->inputs.push_back(input);
      } else {
        nodes.push_back(producer.lookup(input));
      }
    }
  llvm::sort(nodes);
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  for (size_t node : nodes) {
    Node copy = network.steps[node].node;
    if (weights && node == index) {
      std::string name = copy.inputs[0] + copy.outputs[0]; // Differs from both.
      builder.addInput(name, weights->dims);
      copy.inputs.push_back(name);
    }
    builder.addNode(std::move(copy));
  }
  for (const std::string &output : network.steps[index].node.outputs)
    if (real.contains(output)) {
      builder.addOutput(output);
      fragment->outputs.push_back(output);
    }
  std::unique_ptr<Program> &program = programs[serialize(builder.model())];
  if (!program) {
    Expected<std::unique_ptr<Program>> loaded = executor.load(builder.model());
    const Node &node = network.steps[index].node;
    if (!loaded)
      return createStringError("node '" + node.name + "' (" + node.op + "): " + toString(loaded.takeError()));
    program = std::move(*loaded);
  }
  fragment->program = program.get();
  return fragment;
}

ChannelShape channelShape(ArrayRef<int64_t> dims, bool channelsLast) {
  size_t axis = channelsLast ? dims.size() - 1 : 1;
  ChannelShape shape;
  shape.outer = countOf(dims.take_front(axis));
  shape.channels = dims[axis];
  shape.inner = countOf(dims.drop_front(axis + 1));
  return shape;
}

ChannelShape outputShape(const Layer &layer, ArrayRef<int64_t> dims) { return channelShape(dims, layer.channelsLast); }

ChannelShape inputShape(const Layer &layer, ArrayRef<int64_t> dims) {
  return channelShape(dims, layer.weightDims.size() == 2);
}

} // namespace anybit::quantize
