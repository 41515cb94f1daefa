//===- WriteModel.cpp - the switchable file -------------------------------===//
#include "WriteModel.h"

#include "Protos.h"

#include "anybit/Frontend/ONNX/Convention.h"

#include "onnx-ml.pb.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <Eigen/Core>

#include <cmath>

using namespace llvm;

namespace anybit::quantize {

using onnx::ElementType;
using onnx::Node;
using onnx::Tensor;

namespace {

Tensor bytesTensor(ElementType type, ArrayRef<int64_t> dims, const void *data, size_t size) {
  Tensor tensor;
  tensor.type = type;
  tensor.dims.assign(dims.begin(), dims.end());
  const char *begin = static_cast<const char *>(data);
  tensor.storage = std::make_shared<const std::vector<char>>(begin, begin + size);
  return tensor;
}

Tensor halfTensor(ArrayRef<int64_t> dims, ArrayRef<float> values) {
  std::vector<Eigen::half> halves;
  for (float value : values)
    halves.push_back(Eigen::half(value));
  return bytesTensor(ElementType::Float16, dims, halves.data(), 2 * halves.size());
}

Tensor boolTensor(ArrayRef<char> values) {
  return bytesTensor(ElementType::Bool, {int64_t(values.size())}, values.data(), values.size());
}

class Writer {
public:
  Writer(const Network &network, ArrayRef<std::vector<float>> masters, ArrayRef<WidthPlan> plans,
         ArrayRef<CandidateChoice> choices)
      : network(network), masters(masters), plans(plans), choices(choices), graph(*proto.mutable_graph()) {}

  std::string run() {
    setVersions(proto);
    proto.set_producer_name("anybit");
    reserveNames();
    writeInterface();
    for (const Step &step : network.steps)
      write(step);
    onnx::addConventionFunctions(proto);
    return serialize(proto);
  }

private:
  const Network &network;
  ArrayRef<std::vector<float>> masters;
  ArrayRef<WidthPlan> plans;
  ArrayRef<CandidateChoice> choices;
  ::onnx::ModelProto proto;
  ::onnx::GraphProto &graph;
  StringSet<> names, nodeNames, written;
  std::string candidate;
  StringMap<std::string> constants;  ///< Type, dimensions and bytes → initializer.
  StringMap<std::string> rows;       ///< Table → this candidate's row of it.
  StringMap<std::string> quantizers; ///< Source and parameters → output.
  StringMap<std::string> alias;      ///< Output of a quantizer that another one equals.

  int64_t count() const { return int64_t(choices.size()); }

  std::string fresh(const std::string &hint) {
    std::string name = hint;
    while (!names.insert(name).second)
      name += "_";
    return name;
  }

  void reserveNames() {
    for (const onnx::ValueInfo &input : network.graph.inputs)
      names.insert(input.name);
    for (const Step &step : network.steps) {
      names.insert(step.node.outputs.begin(), step.node.outputs.end());
      for (const std::string &input : step.node.inputs)
        if (network.graph.initializers.count(input))
          names.insert(input);
    }
  }

  void writeInterface() {
    graph.set_name(network.graph.name.empty() ? "network" : network.graph.name);
    for (const onnx::ValueInfo &input : network.graph.inputs)
      addInput(graph, input);
    candidate = onnx::candidateInput.str();
    names.insert(candidate);
    addInput(graph, {candidate, ElementType::Int64, true, {}});
    for (const onnx::ValueInfo &output : network.graph.outputs)
      addOutput(graph, output);
    ::onnx::StringStringEntryProto &entry = *proto.add_metadata_props();
    entry.set_key(onnx::candidatesKey.str());
    std::vector<std::string> list;
    for (const WidthPlan &plan : plans)
      list.push_back(plan.name);
    entry.set_value(llvm::join(list, ","));
  }

  /// An initializer with this content; equal ones are written once.
  std::string constant(const std::string &hint, const Tensor &tensor) {
    std::string key = std::to_string(int(tensor.type));
    for (int64_t dim : tensor.dims)
      key += "," + std::to_string(dim);
    key += ":";
    key.append(tensor.bytes().data(), tensor.bytes().size());
    auto [entry, isNew] = constants.try_emplace(key);
    if (isNew) {
      entry->second = fresh(hint);
      addInitializer(graph, entry->second, tensor);
    }
    return entry->second;
  }

  /// The candidate's row of `table` (convention C2).
  std::string row(const std::string &hint, const Tensor &table) {
    std::string name = constant(hint + "/table", table);
    auto [entry, isNew] = rows.try_emplace(name);
    if (isNew) {
      entry->second = fresh(hint);
      emit("Gather", {name, candidate}, entry->second, hint).attributes["axis"];
      flush();
    }
    return entry->second;
  }

  Node pending;

  Node &emit(StringRef op, std::vector<std::string> inputs, const std::string &output, const std::string &name,
             StringRef domain = "") {
    pending = makeNode(name, op, std::move(inputs), output);
    pending.domain = domain.str();
    return pending;
  }

  void flush() {
    std::string name = pending.name;
    while (!nodeNames.insert(name).second)
      name += "_";
    pending.name = name;
    for (std::string &input : pending.inputs)
      if (auto found = alias.find(input); found != alias.end())
        input = found->second;
    addNode(graph, pending);
  }

  void add(StringRef op, std::vector<std::string> inputs, const std::string &output, const std::string &name,
           StringRef domain = "") {
    emit(op, std::move(inputs), output, name, domain);
    flush();
  }

  void write(const Step &step);
  void writePlain(const Step &step);
  void writeLayer(const Step &step);
  std::string writeWeights(const Layer &layer, unsigned index, const std::string &master);
  std::string chosen(const std::string &hint, ArrayRef<char> flags, const std::string &yes, const std::string &no);
  void writeAffine(const Step &step);
  void writeNorm(const Step &step);
  void writeQuantizer(const Step &step);
};

void Writer::write(const Step &step) {
  switch (step.kind) {
  case Step::Kind::Plain:
    return writePlain(step);
  case Step::Kind::Layer:
    return writeLayer(step);
  case Step::Kind::Affine:
    return network.layers[step.index].norm ? writeNorm(step) : writeAffine(step);
  case Step::Kind::Quantizer:
    return writeQuantizer(step);
  }
}

void Writer::writePlain(const Step &step) {
  for (const std::string &input : step.node.inputs) {
    auto found = network.graph.initializers.find(input);
    if (found != network.graph.initializers.end() && written.insert(input).second)
      addInitializer(graph, input, found->second);
  }
  pending = step.node;
  flush();
}

/// `yes` at the candidates with a flag, else `no`; no node where all flags agree.
std::string Writer::chosen(const std::string &hint, ArrayRef<char> flags, const std::string &yes,
                           const std::string &no) {
  if (llvm::all_of(flags, [&](char flag) { return flag == flags[0]; }))
    return flags[0] ? yes : no;
  std::string flag = row("candidate/" + std::to_string(constants.size()) + "/flag", boolTensor(flags));
  std::string name = fresh(hint);
  add("Where", {flag, yes, no}, name, hint);
  return name;
}

std::string Writer::writeWeights(const Layer &layer, unsigned index, const std::string &master) {
  SmallVector<int64_t, 5> dims(layer.weightDims.size() + 1, 1);
  dims[0] = count();
  dims[layer.channelDim + 1] = int64_t(layer.channels());
  std::vector<float> scales;
  std::vector<int64_t> bits;
  std::vector<char> odd, real;
  for (const CandidateChoice &choice : choices) {
    const WeightChoice &weights = choice.weights[index];
    real.push_back(weights.real);
    odd.push_back(!weights.real && weights.format == Format::Odd);
    bits.push_back(weights.real ? 8 : weights.bits);
    if (weights.real)
      scales.insert(scales.end(), layer.channels(), 1.0f);
    else
      scales.insert(scales.end(), weights.scales.begin(), weights.scales.end());
  }
  if (!is_contained(real, 0))
    return master;
  std::string scale = row(layer.weightName + "/scale", makeTensor(dims, ArrayRef<float>(scales)));
  std::string width = row("bits/" + std::to_string(constants.size()), makeTensor({count()}, ArrayRef<int64_t>(bits)));
  auto quantizer = [&](StringRef op, StringRef suffix, bool needed) {
    std::string name = needed ? fresh(layer.weightName + suffix.str()) : "";
    if (needed)
      add(op, {master, scale, width}, name, name, onnx::conventionDomain);
    return name;
  };
  bool anySigned = false;
  for (size_t i = 0; i < odd.size(); ++i)
    anySigned |= !odd[i] && !real[i];
  std::string oddName = quantizer("FakeQuantOdd", "/odd", is_contained(odd, 1));
  std::string signedName = quantizer("FakeQuantSigned", "/signed", anySigned);
  std::string coded = !anySigned              ? oddName
                      : !is_contained(odd, 1) ? signedName
                                              : chosen(layer.weightName + "/coded", odd, oddName, signedName);
  return chosen(layer.weightName + "/chosen", real, master, coded);
}

void Writer::writeLayer(const Step &step) {
  const Layer &layer = network.layers[step.index];
  std::string half = constant(layer.weightName, halfTensor(layer.weightDims, masters[step.index]));
  auto [entry, isNew] = rows.try_emplace(half);
  if (isNew) {
    entry->second = fresh(half + "/f32");
    emit("Cast", {half}, entry->second, half + "/f32").attributes["to"].i = int64_t(ElementType::Float);
    flush();
  }
  std::string weights = writeWeights(layer, step.index, entry->second);
  pending = step.node;
  pending.inputs.push_back(weights);
  flush();
}

void Writer::writeAffine(const Step &step) {
  const Layer &layer = network.layers[step.index];
  std::vector<float> gains, shifts;
  for (const CandidateChoice &choice : choices) {
    std::vector<double> gain, shift;
    correctedAffine(layer, choice.corrections[step.index], gain, shift);
    gains.insert(gains.end(), gain.begin(), gain.end());
    shifts.insert(shifts.end(), shift.begin(), shift.end());
  }
  SmallVector<int64_t, 5> dims = {count(), int64_t(layer.channels())};
  if (!layer.channelsLast)
    dims.append(layer.outputRank - 2, 1);
  const std::string &name = step.node.name;
  std::string gain = row(name + "/gain", makeTensor(dims, ArrayRef<float>(gains)));
  std::string shift = row(name + "/shift", makeTensor(dims, ArrayRef<float>(shifts)));
  std::string scaled = fresh(step.node.outputs[0] + "/scaled");
  add("Mul", {step.node.inputs[0], gain}, scaled, name + "/scale");
  add("Add", {scaled, shift}, step.node.outputs[0], name);
}

/// The correction becomes part of the batch norm's scale and mean.
void Writer::writeNorm(const Step &step) {
  const Layer &layer = network.layers[step.index];
  const BatchNorm &norm = *layer.norm;
  int64_t channels = int64_t(layer.channels());
  std::vector<float> scales, means;
  for (const CandidateChoice &choice : choices) {
    const Correction &correction = choice.corrections[step.index];
    bool corrected = !correction.ratio.empty();
    for (int64_t c = 0; c < channels; ++c) {
      double ratio = corrected ? correction.ratio[c] : 1, from = corrected ? correction.from[c] : 0;
      double to = corrected ? correction.to[c] : 0;
      scales.push_back(float(norm.scale[c] * ratio));
      means.push_back(float(from - (to - norm.mean[c]) / ratio));
    }
  }
  const std::string &name = norm.name;
  std::string scale = row(name + "/scale", makeTensor({count(), channels}, ArrayRef<float>(scales)));
  std::string bias = constant(name + "/bias", makeTensor({channels}, ArrayRef<float>(norm.bias)));
  std::string mean = row(name + "/mean", makeTensor({count(), channels}, ArrayRef<float>(means)));
  std::string variance = constant(name + "/variance", makeTensor({channels}, ArrayRef<float>(norm.variance)));
  onnx::Attribute epsilon;
  epsilon.kind = onnx::Attribute::Kind::Float;
  epsilon.f = norm.epsilon;
  emit("BatchNormalization", {step.node.inputs[0], scale, bias, mean, variance}, step.node.outputs[0], name)
      .attributes["epsilon"] = epsilon;
  flush();
}

void Writer::writeQuantizer(const Step &step) {
  std::vector<float> scales;
  std::vector<int64_t> zeros, bits;
  std::vector<char> real;
  for (const CandidateChoice &choice : choices) {
    const SiteChoice &site = choice.sites[step.index];
    real.push_back(site.real);
    scales.push_back(site.real ? 1 : site.scale);
    zeros.push_back(site.real ? 0 : site.zero);
    bits.push_back(site.real ? 8 : site.bits);
  }
  const std::string &source = step.node.inputs[0], &output = step.node.outputs[0];
  const std::string &hint = network.sites[step.index].name;
  std::string scale = row(hint + "/scale", makeTensor({count()}, ArrayRef<float>(scales)));
  std::string zero = row(hint + "/zero", makeTensor({count()}, ArrayRef<int64_t>(zeros)));
  std::string width = row("bits/" + std::to_string(constants.size()), makeTensor({count()}, ArrayRef<int64_t>(bits)));
  auto [entry, isNew] = quantizers.try_emplace(source + "\n" + scale + "\n" + zero + "\n" + width, output);
  if (!isNew) {
    alias[output] = entry->second;
    return;
  }
  bool anyReal = is_contained(real, 1), allReal = !is_contained(real, 0);
  if (allReal)
    return add("Identity", {source}, output, step.node.name);
  std::string coded = anyReal ? fresh(output + "/coded") : output;
  add("FakeQuantUnsigned", {source, scale, zero, width}, coded, step.node.name, onnx::conventionDomain);
  if (anyReal) {
    std::string flag = row("candidate/" + std::to_string(constants.size()) + "/flag", boolTensor(real));
    add("Where", {flag, source, coded}, output, output);
  }
}

} // namespace

std::string writeModel(const Network &network, ArrayRef<std::vector<float>> masters, ArrayRef<WidthPlan> plans,
                       ArrayRef<CandidateChoice> choices) {
  return Writer(network, masters, plans, choices).run();
}

} // namespace anybit::quantize
