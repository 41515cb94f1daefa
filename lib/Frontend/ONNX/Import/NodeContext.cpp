#include "NodeContext.h"

#include "GraphImporter.h"
#include "Tensors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

Type anybit::onnx::elementTypeOf(MLIRContext *context, ElementType type) {
  switch (type) {
  case ElementType::Float:
    return Float32Type::get(context);
  case ElementType::Int64:
    return IntegerType::get(context, 64);
  case ElementType::Int32:
    return IntegerType::get(context, 32);
  case ElementType::Bool:
    return IntegerType::get(context, 1);
  case ElementType::Int8:
  case ElementType::UInt8:
  case ElementType::Int4:
  case ElementType::UInt4:
  case ElementType::Int2:
  case ElementType::UInt2:
    return IntegerType::get(context, 8);
  default:
    return {};
  }
}

std::string anybit::onnx::formatDims(ArrayRef<int64_t> dims) {
  std::string text = "[";
  llvm::raw_string_ostream out(text);
  llvm::interleaveComma(dims, out);
  return text + "]";
}

NodeContext::NodeContext(GraphImporter &importer, const Node &node, ImplicitLocOpBuilder &builder)
    : node(node), b(builder), importer(importer) {}

static std::string describe(const Node &node, const Twine &reason) {
  StringRef domain = node.domain.empty() ? "ai.onnx" : node.shownDomain();
  return ("node \"" + node.name + "\" (" + node.shownOp() + ", domain " + domain + ", opset " + Twine(node.opset) +
          "): " + reason)
      .str();
}

LogicalResult NodeContext::invalid(const Twine &reason) {
  hasFailed = true;
  importer.problems.push_back({Problem::Kind::Invalid, describe(node, reason)});
  return failure();
}

LogicalResult NodeContext::unsupported(const Twine &reason) {
  hasFailed = true;
  unsupportedButKnown(reason);
  return failure();
}

void NodeContext::unsupportedButKnown(const Twine &reason) {
  for (unsigned i = 0; i < inputs(); ++i)
    importer.needsCandidate |= has(i) && entry(i).fromCandidate;
  importer.problems.push_back({Problem::Kind::Unsupported, describe(node, reason)});
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

const Entry &NodeContext::entry(unsigned i) const { return importer.entries[node.inputs[i]]; }

const Tensor *NodeContext::constant(unsigned i) const {
  if (!has(i) || entry(i).state != Entry::State::Constant)
    return nullptr;
  return &entry(i).constant;
}

std::optional<double> NodeContext::scalar(unsigned i) const {
  const Tensor *tensor = constant(i);
  if (!tensor || tensor->type == ElementType::String || tensor->count() != 1)
    return std::nullopt;
  return elementsOf<double>(*tensor)[0];
}

Value NodeContext::value(unsigned i) { return importer.valueOf(node.inputs[i]); }

Value NodeContext::storedValue(unsigned i) { return importer.storedValueOf(node.inputs[i]); }

Dims NodeContext::ints(unsigned i) {
  const Tensor *tensor = constant(i);
  if (!tensor || (tensor->type != ElementType::Int64 && tensor->type != ElementType::Int32) ||
      tensor->dims.size() > 1) {
    (void)invalid("input " + Twine(i) + " (" + node.inputs[i] + ") must be a constant vector of int64");
    return {};
  }
  std::vector<int64_t> values = elementsOf<int64_t>(*tensor);
  return {values.begin(), values.end()};
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

const onnx::Attribute *NodeContext::attribute(StringRef name, onnx::Attribute::Kind kind) {
  auto found = node.attributes.find(name);
  if (found == node.attributes.end())
    return nullptr;
  if (found->getValue().kind == kind)
    return &found->getValue();
  (void)invalid("attribute " + name + " has the wrong type");
  return nullptr;
}

int64_t NodeContext::intAttr(StringRef name, int64_t otherwise) {
  const onnx::Attribute *found = attribute(name, onnx::Attribute::Kind::Int);
  return found ? found->i : otherwise;
}

float NodeContext::floatAttr(StringRef name, float otherwise) {
  const onnx::Attribute *found = attribute(name, onnx::Attribute::Kind::Float);
  return found ? found->f : otherwise;
}

std::string NodeContext::stringAttr(StringRef name, StringRef otherwise) {
  const onnx::Attribute *found = attribute(name, onnx::Attribute::Kind::String);
  return found ? found->s : otherwise.str();
}

std::optional<Dims> NodeContext::intsAttr(StringRef name) {
  const onnx::Attribute *found = attribute(name, onnx::Attribute::Kind::Ints);
  return found ? std::optional<Dims>(Dims(found->ints.begin(), found->ints.end())) : std::nullopt;
}

std::optional<std::vector<float>> NodeContext::floatsAttr(StringRef name) {
  const onnx::Attribute *found = attribute(name, onnx::Attribute::Kind::Floats);
  return found ? std::optional(found->floats) : std::nullopt;
}

const Tensor *NodeContext::tensorAttr(StringRef name) {
  const onnx::Attribute *found = attribute(name, onnx::Attribute::Kind::Tensor);
  return found ? &found->tensor : nullptr;
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

int64_t NodeContext::axis(int64_t axis, int64_t rank) {
  if (axis >= -rank && axis < rank)
    return axis < 0 ? axis + rank : axis;
  (void)invalid("axis " + Twine(axis) + " is outside a tensor of rank " + Twine(rank));
  return 0;
}

Dims NodeContext::axes(ArrayRef<int64_t> given, int64_t rank) {
  Dims result;
  llvm::SmallSet<int64_t, 8> seen;
  for (int64_t each : given) {
    int64_t resolved = axis(each, rank);
    if (failed())
      return {};
    if (!seen.insert(resolved).second) {
      (void)invalid("axis " + Twine(each) + " is given twice");
      return {};
    }
    result.push_back(resolved);
  }
  return result;
}

Dims NodeContext::broadcastDims(ArrayRef<unsigned> which) {
  Dims result;
  for (unsigned i : which) {
    ArrayRef<int64_t> shape = dims(i);
    if (shape.size() > result.size())
      result.insert(result.begin(), shape.size() - result.size(), 1);
    size_t lead = result.size() - shape.size();
    for (size_t d = 0; d < shape.size(); ++d) {
      int64_t &merged = result[lead + d];
      if (merged != shape[d] && merged != 1 && shape[d] != 1) {
        (void)invalid("the shapes " + formatDims(dims(which[0])) + " and " + formatDims(shape) + " do not broadcast");
        return {};
      }
      merged = merged == 1 ? shape[d] : merged;
    }
  }
  checkedCount(result);
  return result;
}

int64_t NodeContext::checkedCount(ArrayRef<int64_t> dims) {
  if (std::optional<int64_t> count = countOf(dims))
    return *count;
  (void)invalid("the shape " + formatDims(dims) + " is not one of at most 2^40 elements");
  return 0;
}

bool NodeContext::mayFold(ArrayRef<int64_t> dims, ElementType type) {
  std::optional<int64_t> count = countOf(dims);
  if (!count || *count > maxConstantBytes / std::max<int64_t>(elementBytes(type), 1))
    return succeeded(
        invalid("a constant of shape " + formatDims(dims) + " is larger than " + Twine(maxConstantBytes) + " bytes"));
  int64_t total = importer.foldedBytes + *count * int64_t(elementBytes(type));
  if (total <= importer.foldedLimit)
    return true;
  return succeeded(invalid("a constant of shape " + formatDims(dims) + " brings the constants that folding makes to " +
                           Twine(total) + " bytes; at most " + Twine(importer.foldedLimit) + " are allowed"));
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

Entry &NodeContext::resultEntry(unsigned i) { return importer.entries[node.outputs[i]]; }

void NodeContext::result(unsigned i, Value value, ElementType type) {
  if (!wants(i))
    return;
  bool fromInput = false, fromCandidate = false;
  for (unsigned k = 0; k < inputs(); ++k) {
    fromInput |= has(k) && entry(k).fromInput;
    fromCandidate |= has(k) && entry(k).fromCandidate;
  }
  Entry &made = resultEntry(i);
  made.state = Entry::State::Value;
  made.value = value;
  made.type = type;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  made.dims.assign(shape.begin(), shape.end());
  made.fromInput = fromInput;
  made.fromCandidate = fromCandidate;
}

void NodeContext::resultLike(unsigned i, Value value, unsigned like) {
  if (!wants(i))
    return;
  Entry source = entry(like);
  result(i, value, source.type);
  Entry &made = resultEntry(i);
  made.bias = source.bias;
  made.bits = source.bits;
  made.narrow = source.narrow;
}

void NodeContext::resultConstant(unsigned i, Tensor tensor) {
  if (!wants(i))
    return;
  bool isInput = llvm::any_of(node.inputs, [&](const std::string &input) {
    return !input.empty() && importer.entries[input].constant.storage == tensor.storage;
  });
  bool isAttribute = llvm::any_of(
      node.attributes, [&](const auto &attribute) { return attribute.getValue().tensor.storage == tensor.storage; });
  bool isNew = !isInput && !isAttribute;
  importer.foldedBytes += isNew ? int64_t(tensor.bytes().size()) : 0;
  importer.defineConstant(node.outputs[i], std::move(tensor));
}

void NodeContext::resultAlias(unsigned i, StringRef name) {
  if (!wants(i))
    return;
  Entry source = importer.entries.lookup(name);
  resultEntry(i) = std::move(source);
}

LogicalResult NodeContext::importGraph(const Graph &graph) {
  LogicalResult done = importer.importGraph(graph);
  hasFailed |= mlir::failed(done);
  return done;
}

LogicalResult NodeContext::importNode(const Node &made) {
  importer.importNode(made);
  bool isPoisoned = llvm::any_of(made.outputs, [&](const std::string &output) {
    return importer.entries.lookup(output).state == Entry::State::Poisoned;
  });
  hasFailed |= isPoisoned;
  return failure(isPoisoned);
}

std::string NodeContext::freshName() { return importer.freshName(node.name); }

std::string NodeContext::defineConstant(Tensor tensor) {
  std::string name = freshName();
  importer.defineConstant(name, std::move(tensor));
  return name;
}

void NodeContext::reportUnknownOperators(const Graph &graph) { importer.reportUnknownOperators(graph); }

Value NodeContext::materialise(const Tensor &tensor, StringRef name) { return importer.materialise(tensor, name); }

int64_t NodeContext::candidates() const { return importer.model.candidates.size(); }
