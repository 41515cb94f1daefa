#include "GraphBuilder.h"

#include "Topology.h"

#include "llvm/ADT/StringSet.h"

using namespace llvm;
using ::onnx::GraphProto;
using ::onnx::NodeProto;
using ::onnx::ValueInfoProto;

namespace anybit::onnx {

std::string NamePool::make(StringRef wanted) {
  const auto [entry, added] = used.try_emplace(wanted, 1);
  if (added)
    return wanted.str();
  while (true) {
    std::string name = (wanted + "_" + Twine(++entry->second)).str();
    if (used.try_emplace(name, 1).second)
      return name;
  }
}

std::string describe(const Node &node) {
  const std::string op = quoted(node.shownOp());
  return ("node " + quoted(node.name) + " (" + StringRef(op).drop_front().drop_back() + ")").str();
}

bool GraphBuilder::checkName(StringRef name, const Twine &owner) {
  return diagnostics.checkName(name, owner, limits.nameBytes);
}

bool GraphBuilder::spend(int64_t bytes) {
  spentBytes += bytes;
  if (spentBytes <= limits.expandedBytes)
    return true;
  stopped = true;
  return diagnostics.invalid("the model's names and attributes exceed " + Twine(limits.expandedBytes) +
                             " bytes after its local functions are inlined");
}

const std::string *GraphBuilder::resolve(StringRef name, const Scope &scope) const {
  for (const Scope *current = &scope; current; current = current->parent)
    if (auto found = current->names.find(name); found != current->names.end())
      return &found->second;
  return nullptr;
}

void GraphBuilder::declare(StringRef name, const Twine &what, Scope &scope) {
  if (!checkName(name, what))
    return;
  const auto [entry, added] = scope.names.try_emplace(name);
  if (added)
    entry->second = values.make((scope.prefix + name).str());
  else
    diagnostics.invalid(what + " " + quoted(name) + " is defined twice in one graph");
}

void GraphBuilder::declareOutputs(const NodeProto &node, Scope &scope) {
  for (const std::string &output : node.output())
    if (!output.empty())
      declare(output, "output of node " + quoted(node.name()) + " (" + quoted(node.op_type()) + "),", scope);
}

void GraphBuilder::declareValues(const GraphProto &proto, Scope &scope) {
  StringSet<> initializers;
  for (const auto &initializer : proto.initializer()) {
    if (initializer.name().empty())
      diagnostics.invalid("an initializer has no name");
    else
      declare(initializer.name(), "initializer", scope);
    initializers.insert(initializer.name());
  }
  StringSet<> inputs;
  for (const ValueInfoProto &input : proto.input()) {
    if (input.name().empty())
      diagnostics.invalid("a graph input has no name");
    else if (!inputs.insert(input.name()).second)
      diagnostics.invalid("graph input " + quoted(input.name()) + " is listed twice");
    else if (!initializers.contains(input.name()))
      declare(input.name(), "graph input", scope);
  }
  for (const NodeProto &node : proto.node())
    declareOutputs(node, scope);
}

void GraphBuilder::readInitializer(const ::onnx::TensorProto &proto, const Scope &scope, Graph &graph) {
  const auto name = scope.names.find(proto.name());
  if (name == scope.names.end())
    return; // reported by declareValues
  Tensor tensor;
  if (tensors.read(proto, "initializer " + quoted(proto.name()), tensor))
    graph.initializers[name->second] = std::move(tensor);
}

bool GraphBuilder::readType(const ValueInfoProto &proto, const Twine &owner, ValueInfo &info) {
  if (proto.type().value_case() == ::onnx::TypeProto::VALUE_NOT_SET)
    return true;
  if (!proto.type().has_tensor_type())
    return diagnostics.unsupported(owner + " is not a tensor; sequences, maps and optional values are not supported");
  const auto &type = proto.type().tensor_type();
  const std::optional<ElementType> element = readElementType(type.elem_type(), owner, diagnostics);
  if (!element)
    return false;
  info.type = *element;
  info.hasShape = type.has_shape();
  if (type.shape().dim_size() > limits.rank)
    return diagnostics.invalid(owner + " has rank " + Twine(type.shape().dim_size()) + "; at most " +
                               Twine(limits.rank) + " is allowed");
  int64_t elements = 1;
  for (const auto &dim : type.shape().dim()) {
    Dimension dimension;
    dimension.name = dim.dim_param();
    if (dim.has_dim_value())
      dimension.value = dim.dim_value();
    if (dim.dim_value() < 0)
      return diagnostics.invalid(owner + " has the negative dimension " + Twine(dim.dim_value()) +
                                 "; a free dimension has a name instead");
    if (dimension.value.value_or(0) > 0 && MulOverflow(elements, *dimension.value, elements))
      elements = INT64_MAX;
    info.dims.push_back(std::move(dimension));
  }
  if (elements > limits.tensorElements)
    return diagnostics.invalid(owner + " has dimensions whose product is beyond " + Twine(limits.tensorElements) +
                               " elements");
  return true;
}

void GraphBuilder::readInputs(const GraphProto &proto, const Scope &scope, Graph &graph) {
  for (const ValueInfoProto &input : proto.input()) {
    const auto name = scope.names.find(input.name());
    if (name == scope.names.end() || graph.initializers.contains(name->second))
      continue;
    ValueInfo info;
    info.name = name->second;
    const std::string owner = "graph input " + quoted(input.name());
    if (readType(input, owner, info) && info.type == ElementType::Undefined && !scope.parent)
      diagnostics.invalid(owner + " has no type");
    graph.inputs.push_back(std::move(info));
  }
}

void GraphBuilder::readOutputs(const GraphProto &proto, const Scope &scope, Graph &graph) {
  StringSet<> seen;
  for (const ValueInfoProto &output : proto.output()) {
    const std::string owner = "graph output " + quoted(output.name());
    const std::string *name = output.name().empty() ? nullptr : resolve(output.name(), scope);
    if (!name) {
      diagnostics.invalid(owner + " is defined by no node, input or initializer");
      continue;
    }
    if (!seen.insert(output.name()).second)
      diagnostics.invalid(owner + " is listed twice");
    ValueInfo info;
    info.name = *name;
    readType(output, owner, info);
    graph.outputs.push_back(std::move(info));
  }
}

void GraphBuilder::finishGraph(const GraphProto &proto, const Scope &scope, Graph &graph) {
  graph.name = proto.name();
  for (const auto &sparse : proto.sparse_initializer())
    diagnostics.unsupported("initializer " + quoted(sparse.values().name()) + " is sparse; store it as a dense tensor");
  readInputs(proto, scope, graph);
  for (const NodeProto &node : proto.node())
    addNode(node, scope, graph);
  readOutputs(proto, scope, graph);
  if (!stopped)
    sortNodes(graph, diagnostics);
}

void GraphBuilder::buildSubgraph(const GraphProto &proto, Scope &scope, Graph &graph) {
  declareValues(proto, scope);
  for (const auto &initializer : proto.initializer())
    readInitializer(initializer, scope, graph);
  finishGraph(proto, scope, graph);
}

void GraphBuilder::build(GraphProto &proto, const OpsetMap &opsets, Graph &graph) {
  const int64_t count = functions.countNodes(proto);
  if (count > limits.nodes) {
    diagnostics.invalid("the model has more than " + Twine(limits.nodes) +
                        " nodes after its local functions are inlined");
    return;
  }
  if (proto.output_size() == 0)
    diagnostics.invalid("the graph has no outputs");
  Scope scope;
  scope.opsets = &opsets;
  declareValues(proto, scope);
  for (auto &initializer : *proto.mutable_initializer()) {
    readInitializer(initializer, scope, graph);
    initializer.Clear(); // else the weights would be in memory twice
  }
  finishGraph(proto, scope, graph);
}

bool GraphBuilder::readNames(const NodeProto &proto, const Scope &scope, Node &node) {
  for (const std::string &output : proto.output()) {
    const auto name = scope.names.find(output);
    node.outputs.push_back(output.empty() || name == scope.names.end() ? "" : name->second);
  }
  if (proto.op_type().empty())
    return diagnostics.invalid("node " + quoted(proto.name()) + " has no op_type");
  std::string wanted = scope.prefix + proto.name();
  if (proto.name().empty())
    wanted = scope.prefix + node.op + "_" + (proto.output_size() ? proto.output(0) : "");
  node.name = nodes.make(wanted);
  const std::string owner = describe(node);
  bool sound = checkName(proto.name(), owner) && checkName(proto.op_type(), owner) && checkName(proto.domain(), owner);
  if (proto.output_size() == 0)
    sound = diagnostics.invalid(owner + " has no outputs");
  for (const std::string &input : proto.input()) {
    const std::string *name = input.empty() ? nullptr : resolve(input, scope);
    node.inputs.push_back(name ? *name : "");
    if (!name && !input.empty())
      sound = diagnostics.invalid(owner + " reads " + quoted(input) + ", which no node, input or initializer defines");
  }
  int64_t bytes = node.name.size() + sizeof(Node);
  for (const auto *list : {&node.inputs, &node.outputs})
    for (const std::string &name : *list)
      bytes += name.size() + sizeof(std::string);
  return spend(bytes) && sound;
}

bool GraphBuilder::readOperator(const NodeProto &proto, const Scope &scope, const Function *function, Node &node) {
  node.domain = normalizeDomain(proto.domain()).str();
  if (node.domain == "qonnx") {
    node.fileOp = proto.op_type();
    node.fileDomain = proto.domain();
    node.op = node.op == "Quant" ? "IntQuant" : node.op;
  }
  if (const auto opset = scope.opsets->find(node.domain); opset != scope.opsets->end())
    node.opset = opset->second;
  if (function)
    return true;
  if (!proto.overload().empty())
    return diagnostics.invalid(describe(node) + " calls the overload " + quoted(proto.overload()) + " of " +
                               quoted((node.shownDomain() + "." + node.shownOp()).str()) +
                               ", which the file does not define");
  if (node.domain == conventionDomain)
    return diagnostics.invalid(describe(node) + " calls " + quoted(node.domain + "." + node.op) +
                               ", which the file does not define as a local function");
  if (node.opset != 0)
    return true;
  if (node.domain != "qonnx") // which writers forget to import
    return diagnostics.invalid(describe(node) + " is of domain " + quoted(node.domain) +
                               ", which the model or function does not import");
  node.opset = 1;
  return true;
}

bool GraphBuilder::readAttributes(const NodeProto &proto, const Scope &scope, Node &node) {
  if (proto.attribute_size() > limits.attributesPerNode)
    return diagnostics.invalid(describe(node) + " has " + Twine(proto.attribute_size()) + " attributes; at most " +
                               Twine(limits.attributesPerNode) + " are allowed");
  bool sound = true;
  StringSet<> seen;
  for (const auto &attributeProto : proto.attribute()) {
    const std::string owner = describe(node) + ": attribute " + quoted(attributeProto.name());
    if (attributeProto.name().empty() || !checkName(attributeProto.name(), owner)) {
      sound = diagnostics.invalid(describe(node) + " has an attribute without a usable name");
      continue;
    }
    if (!seen.insert(attributeProto.name()).second) {
      sound = diagnostics.invalid(owner + " is given twice");
      continue;
    }
    Attribute attribute;
    const Found found = readAttribute(attributeProto, scope, owner, attribute);
    sound &= found != Found::Wrong;
    if (found == Found::Yes)
      node.attributes[attributeProto.name()] = std::move(attribute);
  }
  return sound;
}

void GraphBuilder::addNode(const NodeProto &proto, const Scope &scope, Graph &graph) {
  if (stopped)
    return;
  Node node;
  node.op = proto.op_type();
  const Function *function = functions.lookup(proto);
  const bool named = readNames(proto, scope, node);
  if (node.name.empty() || stopped)
    return;
  const bool known = readOperator(proto, scope, function, node);
  if (!readAttributes(proto, scope, node) || !known || !named)
    return;
  if (function && !function->convention)
    return inlineCall(*function, node, scope, graph);
  if (function)
    finishConventionCall(*function, node);
  graph.nodes.push_back(std::move(node));
}

} // namespace anybit::onnx
