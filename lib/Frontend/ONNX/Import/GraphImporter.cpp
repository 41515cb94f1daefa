#include "GraphImporter.h"

#include "Emit.h"
#include "Tensors.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace anybit::onnx;

/// Constants above this many bytes are blobs: the context keeps attributes for ever.
static constexpr int64_t largestInlineBytes = 1024;

Location GraphImporter::locationOf(StringRef name) { return NameLoc::get(builder.getStringAttr(name)); }

/// A name that every printer takes as a resource key.
static std::string resourceKey(StringRef name) {
  std::string key = "w_";
  for (char c : name)
    key += llvm::isAlnum(c) ? c : '_';
  return key;
}

static ElementsAttr constantAttr(RankedTensorType type, const Tensor &tensor, StringRef name) {
  ArrayRef<char> bytes = tensor.bytes();
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> bits(bytes.begin(), bytes.end());
    return DenseElementsAttr::get(type, bits);
  }
  if (int64_t(bytes.size()) <= largestInlineBytes)
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  auto release = [kept = tensor.storage](void *, size_t, size_t) mutable { kept.reset(); };
  AsmResourceBlob blob(bytes, elementBytes(tensor.type), std::move(release), /*dataIsMutable=*/false);
  return DenseResourceElementsAttr::get(type, resourceKey(name), std::move(blob));
}

Value GraphImporter::materialise(const Tensor &tensor, StringRef name) {
  Type element = elementTypeOf(builder.getContext(), tensor.type);
  if (!element)
    return {};
  auto type = RankedTensorType::get(tensor.dims, element);
  return arith::ConstantOp::create(builder, locationOf(name), type, constantAttr(type, tensor, name));
}

Value GraphImporter::storedValueOf(StringRef name) {
  Entry &entry = entries[name];
  if (!entry.value && entry.state == Entry::State::Constant)
    entry.value = materialise(entry.constant, name);
  return entry.value;
}

Value GraphImporter::valueOf(StringRef name) {
  Value stored = storedValueOf(name);
  int64_t bias = entries[name].bias;
  if (!stored || bias == 0)
    return stored;
  ImplicitLocOpBuilder b(locationOf(name), builder);
  return emitMap(b, {stored}, cast<RankedTensorType>(stored.getType()), [&](ImplicitLocOpBuilder &body, ValueRange x) {
    return arith::SubIOp::create(body, x[0], emitScalar(body, x[0].getType(), double(bias)));
  });
}

void GraphImporter::poison(const Node &node) {
  for (const std::string &output : node.outputs)
    if (!output.empty())
      entries[output].state = Entry::State::Poisoned;
}

/// Reports that input `i` is no constant.
static LogicalResult refuseComputed(NodeContext &context, unsigned i) {
  return context.unsupported("input " + Twine(i) + " (" + context.node.inputs[i] +
                             ") must be known at compile time; make it a constant or fold it");
}

/// Reports that an operator which is only folded has inputs that are no constants.
static LogicalResult refuseComputed(NodeContext &context) {
  for (unsigned i = 0; i < context.inputs(); ++i)
    if (context.has(i) && !context.constant(i))
      return refuseComputed(context, i);
  return context.unsupported("it is computed at compile time only, and makes no constant here");
}

bool GraphImporter::checkInput(NodeContext &context, const OpEntry &op, unsigned i) {
  auto in = [i](uint32_t mask) { return (mask >> std::min(i, 31u)) & 1; };
  const Entry &entry = context.entry(i);
  std::string input = ("input " + Twine(i) + " (" + context.node.inputs[i] + ") ").str();
  std::string is = input + "is " + elementName(entry.type).str();
  if (entry.state == Entry::State::Missing)
    return succeeded(context.unsupported(input + "is an optional output that is not computed"));
  if (in(op.constantInputs) && entry.state != Entry::State::Constant)
    return succeeded(refuseComputed(context, i));
  if (in(op.constantInputs))
    return true;
  if (in(op.realInputs) && entry.type != ElementType::Float)
    return succeeded(context.unsupported(is + ", expected float; convert the model to float32"));
  if (!in(op.rawInputs) && !elementTypeOf(builder.getContext(), entry.type))
    return succeeded(context.unsupported(is + ", expected float, int64, int32, int8, uint8 or bool"));
  return true;
}

bool GraphImporter::checkInputs(NodeContext &context, const OpEntry &op) {
  const Node &node = context.node;
  bool good = true;
  for (unsigned i = 0; i < node.inputs.size(); ++i)
    if (context.has(i))
      good &= checkInput(context, op, i);
  return good;
}

LogicalResult GraphImporter::runHandlers(NodeContext &context, const OpEntry &op) {
  auto isConstant = [&](const std::string &name) {
    return name.empty() || entries[name].state == Entry::State::Constant;
  };
  if (op.folder && (op.foldsAlways || llvm::all_of(context.node.inputs, isConstant))) {
    if (mlir::failed(op.folder(context)) || context.failed())
      return failure();
    const Node &node = context.node;
    if (!node.outputs.empty() && entries.lookup(node.outputs[0]).state != Entry::State::Missing)
      return success();
  }
  if (!op.emitter)
    return refuseComputed(context);
  if (!checkInputs(context, op))
    return failure();
  return op.emitter(context);
}

/// The operator of a node, or null after a report.
static const OpEntry *findOperator(NodeContext &context) {
  const Node &node = context.node;
  const OpEntry *op = OpTable::get().find(node.domain, node.op);
  if (op && node.opset >= op->versions.front())
    return op;
  if (op)
    (void)context.unsupported("only version " + Twine(op->versions.front()) +
                              " and later are implemented; convert the model to a newer opset");
  else
    (void)context.unsupported("the operator is not implemented; `anybit supported-ops` lists those that are");
  return nullptr;
}

static bool checkInputCount(NodeContext &context, const OpEntry &op) {
  const Node &node = context.node;
  size_t required = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i)
    required = node.inputs[i].empty() ? required : i + 1;
  if (required >= op.minInputs && node.inputs.size() <= op.maxInputs)
    return true;
  (void)context.invalid("it has " + Twine(node.inputs.size()) + " inputs, expected " + Twine(op.minInputs) +
                        (op.maxInputs >= anyNumber      ? Twine(" or more")
                         : op.maxInputs != op.minInputs ? " to " + Twine(op.maxInputs)
                                                        : Twine()));
  return false;
}

/// The attributes of a node that are graphs, by name.
static SmallVector<const Graph *> branchesOf(const Node &node) {
  std::map<StringRef, const Graph *> branches;
  for (const auto &attribute : node.attributes)
    if (const Graph *graph = attribute.getValue().graph.get())
      branches[attribute.getKey()] = graph;
  return llvm::to_vector(llvm::make_second_range(branches));
}

void GraphImporter::reportUnknownOperators(const Graph &graph) {
  for (const Node &node : graph.nodes) {
    ImplicitLocOpBuilder b(locationOf(node.name), builder);
    NodeContext context(*this, node, b);
    (void)findOperator(context);
    for (const Graph *branch : branchesOf(node))
      reportUnknownOperators(*branch);
  }
}

void GraphImporter::reserveNames(const Graph &graph) {
  for (const ValueInfo &input : graph.inputs)
    names.insert(input.name);
  for (StringRef name : graph.initializers.keys())
    names.insert(name);
  for (const Node &node : graph.nodes) {
    for (const std::string &output : node.outputs)
      names.insert(output);
    for (const Graph *branch : branchesOf(node))
      reserveNames(*branch);
  }
}

std::string GraphImporter::freshName(StringRef stem) {
  if (names.empty())
    reserveNames(model.graph);
  std::string name;
  do
    name = (stem + "/" + Twine(++madeNames)).str();
  while (!names.insert(name).second);
  return name;
}

void GraphImporter::defineConstant(StringRef name, Tensor tensor) {
  Entry &entry = entries[name];
  entry.state = Entry::State::Constant;
  entry.type = tensor.type;
  entry.dims = tensor.dims;
  entry.constant = std::move(tensor);
}

void GraphImporter::importNode(const Node &node) {
  ImplicitLocOpBuilder b(locationOf(node.name), builder);
  NodeContext context(*this, node, b);
  auto isPoisoned = [&](const std::string &name) {
    return !name.empty() && entries.lookup(name).state == Entry::State::Poisoned;
  };
  // Before the inputs are looked at: an operator that is not known is so whatever feeds it.
  const OpEntry *op = findOperator(context);
  if (!op || llvm::any_of(node.inputs, isPoisoned) || !checkInputCount(context, *op)) {
    for (const Graph *branch : branchesOf(node))
      reportUnknownOperators(*branch);
    return poison(node);
  }
  if (failed(runHandlers(context, *op)) || context.failed())
    poison(node);
}

LogicalResult GraphImporter::importGraph(const Graph &graph) {
  for (const auto &initializer : graph.initializers)
    defineConstant(initializer.getKey(), initializer.getValue());
  size_t before = problems.size();
  for (const Node &node : graph.nodes)
    importNode(node);
  return success(problems.size() == before);
}
