//===- Facts.cpp ----------------------------------------------------------===//
#include "Facts.h"

#include "Network.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace llvm;

namespace anybit::quantize {

using onnx::ElementType;
using onnx::Node;

int64_t attributeInt(const Node &node, StringRef name, int64_t otherwise) {
  auto found = node.attributes.find(name);
  return found == node.attributes.end() ? otherwise : found->second.i;
}

std::optional<Dims> attributeInts(const Node &node, StringRef name) {
  auto found = node.attributes.find(name);
  if (found == node.attributes.end())
    return std::nullopt;
  return Dims(found->second.ints.begin(), found->second.ints.end());
}

StringRef attributeText(const Node &node, StringRef name, StringRef otherwise) {
  auto found = node.attributes.find(name);
  return found == node.attributes.end() ? otherwise : StringRef(found->second.s);
}

bool hasInput(const Node &node, size_t index) { return index < node.inputs.size() && !node.inputs[index].empty(); }

std::optional<Dims> normalizedAxes(ArrayRef<int64_t> axes, size_t rank) {
  Dims result;
  for (int64_t axis : axes) {
    if (axis < -int64_t(rank) || axis >= int64_t(rank))
      return std::nullopt;
    result.push_back(axis < 0 ? axis + int64_t(rank) : axis);
  }
  return result;
}

std::pair<int64_t, int64_t> shapeRange(const Node &node, int64_t rank) {
  auto place = [&](StringRef name, int64_t otherwise) {
    int64_t given = attributeInt(node, name, otherwise);
    return std::clamp<int64_t>(given < 0 && given >= -rank ? given + rank : given, 0, rank);
  };
  int64_t begin = place("start", 0);
  return {begin, std::max(begin, place("end", rank))};
}

namespace {

/// Tensors with more elements are data, not shapes and conditions.
constexpr int64_t maxNumbers = 64;

std::optional<Numbers> numbersOf(const onnx::Tensor &tensor) {
  if (tensor.count() > maxNumbers)
    return std::nullopt;
  if (tensor.type == ElementType::Bool)
    return Numbers(tensor.bytes().begin(), tensor.bytes().end());
  if (tensor.type == ElementType::Float) {
    std::vector<float> values = floatsOf(tensor);
    return Numbers(values.begin(), values.end());
  }
  if (tensor.type != ElementType::Int64 && tensor.type != ElementType::Int32)
    return std::nullopt;
  std::vector<int64_t> values = intsOf(tensor);
  return Numbers(values.begin(), values.end());
}

/// What an op computes from two numbers; nothing if the op is none of these.
std::optional<double> combined(StringRef op, double a, double b) {
  return StringSwitch<std::optional<double>>(op)
      .Case("Add", a + b)
      .Case("Sub", a - b)
      .Case("Mul", a * b)
      .Case("Equal", a == b)
      .Case("Less", a < b)
      .Case("LessOrEqual", a <= b)
      .Case("Greater", a > b)
      .Case("GreaterOrEqual", a >= b)
      .Case("And", a != 0 && b != 0)
      .Case("Or", a != 0 || b != 0)
      .Case("Xor", (a != 0) != (b != 0))
      .Default(std::nullopt);
}

ElementType typeOfResult(const Facts &facts, const Node &node) {
  static constexpr StringLiteral indices[] = {"Shape", "Size", "ArgMax", "ArgMin", "NonZero"};
  static constexpr StringLiteral tests[] = {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual",
                                            "Not",   "And",  "Or",      "Xor"};
  if (is_contained(indices, node.op))
    return ElementType::Int64;
  if (is_contained(tests, node.op))
    return ElementType::Bool;
  if (node.op == "Cast")
    return ElementType(attributeInt(node, "to", 0));
  if (node.op == "ConstantOfShape") {
    auto value = node.attributes.find("value");
    return value == node.attributes.end() ? ElementType::Float : value->second.tensor.type;
  }
  size_t source = node.op == "Where" ? 1 : 0;
  return hasInput(node, source) ? facts.of(node.inputs[source]).type : ElementType::Undefined;
}

std::optional<Numbers> numbersOfShape(const Facts &facts, const Node &node) {
  std::optional<Dims> dims = facts.of(node.inputs[0]).dims;
  if (!dims)
    return std::nullopt;
  auto [begin, end] = shapeRange(node, int64_t(dims->size()));
  Numbers numbers;
  for (int64_t d = begin; d < end; ++d)
    numbers.push_back((*dims)[d] == openDim ? std::nullopt : std::optional<double>((*dims)[d]));
  return numbers;
}

std::optional<Numbers> numbersOfGather(const Numbers &data, const Numbers &indices) {
  Numbers result;
  for (std::optional<double> index : indices) {
    double place = index ? (*index < 0 ? *index + double(data.size()) : *index) : -1;
    if (!(place >= 0 && place < double(data.size())))
      return std::nullopt;
    result.push_back(data[size_t(place)]);
  }
  return result;
}

std::optional<Numbers> numbersOfPair(StringRef op, const Numbers &a, const Numbers &b) {
  if (a.empty() || b.empty() || (a.size() != b.size() && a.size() != 1 && b.size() != 1))
    return std::nullopt;
  Numbers result;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    std::optional<double> left = a[a.size() == 1 ? 0 : i], right = b[b.size() == 1 ? 0 : i];
    result.push_back(left && right ? combined(op, *left, *right) : std::nullopt);
  }
  return result;
}

/// The elements as the type of a Cast holds them.
std::optional<Numbers> numbersOfCast(Numbers numbers, ElementType type) {
  bool isInteger = type == ElementType::Int64 || type == ElementType::Int32;
  if (!isInteger && type != ElementType::Bool && type != ElementType::Float)
    return std::nullopt;
  for (std::optional<double> &number : numbers) {
    if (number && type == ElementType::Bool)
      number = *number != 0;
    else if (number && isInteger)
      number = std::trunc(*number);
  }
  return numbers;
}

std::optional<Numbers> joined(const Facts &facts, const Node &node) {
  Numbers result;
  for (const std::string &input : node.inputs) {
    std::optional<Numbers> part = facts.of(input).numbers;
    if (!part || result.size() + part->size() > size_t(maxNumbers))
      return std::nullopt;
    result.insert(result.end(), part->begin(), part->end());
  }
  return result;
}

std::optional<Numbers> numbersOfResult(const Facts &facts, const Node &node) {
  if (node.op == "Shape")
    return numbersOfShape(facts, node);
  if (node.op == "Concat")
    return joined(facts, node);
  std::optional<Numbers> first = facts.of(node.inputs[0]).numbers;
  if (!first)
    return std::nullopt;
  if (is_contained({"Identity", "Squeeze", "Unsqueeze", "Reshape"}, node.op))
    return first;
  if (node.op == "Cast")
    return numbersOfCast(*first, ElementType(attributeInt(node, "to", 0)));
  if (node.op == "Not")
    return numbersOfPair("Equal", *first, {0.0});
  std::optional<Numbers> second = hasInput(node, 1) ? facts.of(node.inputs[1]).numbers : std::nullopt;
  if (!second)
    return std::nullopt;
  if (node.op == "Gather")
    return numbersOfGather(*first, *second);
  return combined(node.op, 0, 0) ? numbersOfPair(node.op, *first, *second) : std::nullopt;
}

} // namespace

Facts::Facts(const onnx::Graph &graph) : graph(graph) {
  for (const onnx::ValueInfo &input : graph.inputs) {
    Fact &fact = facts[input.name];
    fact.type = input.type;
    if (!input.hasShape)
      continue;
    fact.dims.emplace();
    for (const onnx::Dimension &dim : input.dims)
      fact.dims->push_back(dim.value.value_or(openDim));
  }
}

Fact Facts::of(StringRef name) const {
  auto constant = graph.initializers.find(name);
  if (constant == graph.initializers.end())
    return facts.lookup(name);
  const onnx::Tensor &tensor = constant->second;
  Fact fact{tensor.type, tensor.dims, std::nullopt};
  if (tensor.dims.size() <= 1)
    fact.numbers = numbersOf(tensor);
  return fact;
}

std::optional<double> Facts::numberOf(StringRef name) const {
  std::optional<Numbers> numbers = of(name).numbers;
  return numbers && numbers->size() == 1 ? numbers->front() : std::nullopt;
}

void Facts::learn(const Node &node) {
  if (!node.domain.empty() || !hasInput(node, 0))
    return;
  // Only Split has further results of the same kind.
  size_t results = node.op == "Split" ? node.outputs.size() : std::min<size_t>(1, node.outputs.size());
  for (size_t i = 0; i < results; ++i) {
    Fact fact{typeOfResult(*this, node), resultDims(*this, node, i), std::nullopt};
    // The elements are held without dimensions, which is enough up to rank 1.
    if (fact.dims && fact.dims->size() <= 1)
      fact.numbers = numbersOfResult(*this, node);
    facts[node.outputs[i]] = std::move(fact);
  }
}

} // namespace anybit::quantize
