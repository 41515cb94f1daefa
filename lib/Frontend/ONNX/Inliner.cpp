#include "GraphBuilder.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using ::onnx::FunctionProto;
using ::onnx::NodeProto;

namespace anybit::onnx {

bool GraphBuilder::bindAttributes(const Function &function, const Node &call, Bindings &bindings) {
  const FunctionProto &proto = *function.proto;
  bool sound = true;
  for (const auto &attribute : call.attributes) {
    const auto isDefault = [&](const auto &other) { return attribute.first() == other.name(); };
    if (!is_contained(proto.attribute(), attribute.first()) && none_of(proto.attribute_proto(), isDefault))
      sound = diagnostics.invalid(describe(call) + " has the attribute " + quoted(attribute.first()) +
                                  ", which the local function does not declare");
    if (attribute.second.kind == Attribute::Kind::Graph)
      sound = diagnostics.unsupported(describe(call) + " passes the graph " + quoted(attribute.first()) +
                                      " to a local function");
    bindings[attribute.first()] = attribute.second;
  }
  Scope none;
  none.bindings = &bindings; // so that a tensor is read once for all calls
  none.opsets = &function.opsets;
  for (const auto &attribute : proto.attribute_proto()) {
    if (bindings.contains(attribute.name()))
      continue;
    const std::string owner =
        "default of attribute " + quoted(attribute.name()) + " of function " + quoted(proto.name());
    Attribute value;
    if (attribute.has_ref_attr_name() || attribute.has_g())
      sound = diagnostics.invalid(owner + " is not a plain value");
    else if (readAttribute(attribute, none, owner, value) == Found::Yes)
      bindings[attribute.name()] = std::move(value);
    else
      sound = false;
  }
  return sound;
}

void GraphBuilder::bindOutputs(const Function &function, const Node &call, Scope &inner, Graph &graph) {
  const auto &formals = function.proto->output();
  for (const auto &[formal, actual] : zip(formals, call.outputs)) {
    if (actual.empty())
      continue;
    const auto [entry, added] = inner.names.try_emplace(formal, actual);
    if (added)
      continue;
    if (entry->second.empty()) {
      diagnostics.invalid(describe(call) + " omits the input " + quoted(formal) +
                          ", which the local function hands on as its output");
      continue;
    }
    // The output is an input: two names for one value.
    Node identity;
    identity.op = "Identity";
    identity.name = nodes.make(inner.prefix + "Identity_" + formal);
    identity.opset = 13;
    identity.inputs = {entry->second};
    identity.outputs = {actual};
    graph.nodes.push_back(std::move(identity));
  }
}

void GraphBuilder::inlineCall(const Function &function, const Node &call, const Scope &scope, Graph &graph) {
  constexpr size_t maxPrefix = 200; // names of nested calls must not grow without bound
  const FunctionProto &proto = *function.proto;
  if (call.inputs.size() > size_t(proto.input_size()) || call.outputs.size() > size_t(proto.output_size())) {
    diagnostics.invalid(describe(call) + " has " + Twine(call.inputs.size()) + " inputs and " +
                        Twine(call.outputs.size()) + " outputs, but the local function takes " +
                        Twine(proto.input_size()) + " and gives " + Twine(proto.output_size()));
    return;
  }
  Bindings bindings;
  if (!bindAttributes(function, call, bindings))
    return;
  Scope inner;
  inner.opsets = &function.opsets;
  inner.bindings = &bindings;
  inner.graphDepth = scope.graphDepth;
  inner.prefix = (call.name.size() > maxPrefix ? nodes.make("call") : call.name) + "/";
  for (const auto &[position, formal] : enumerate(proto.input()))
    inner.names[formal] = position < call.inputs.size() ? call.inputs[position] : "";
  bindOutputs(function, call, inner, graph);
  for (const NodeProto &node : proto.node())
    for (const std::string &output : node.output())
      if (!output.empty() && !inner.names.contains(output))
        inner.names[output] = values.make(inner.prefix + output);
  for (const NodeProto &node : proto.node())
    addNode(node, inner, graph);
}

void GraphBuilder::finishConventionCall(const Function &function, Node &node) {
  const ConventionFunction &convention = *function.convention;
  node.op = convention.op;
  const size_t inputs = function.proto->input_size();
  if (node.inputs.size() != inputs || is_contained(node.inputs, "") || node.outputs.size() != 1)
    diagnostics.invalid(describe(node) + " must have " + Twine(inputs) + " inputs and 1 output");
  if (convention.layout.empty())
    return;
  for (auto [key, value] : {std::pair("layout", &convention.layout), std::pair("wavelet", &convention.wavelet)}) {
    Attribute &attribute = node.attributes[key];
    if (!attribute.s.empty() && attribute.s != *value)
      diagnostics.invalid(describe(node) + " has " + key + " " + quoted(attribute.s) +
                          ", but the body it calls is for " + quoted(*value));
    attribute.kind = Attribute::Kind::String;
    attribute.s = *value;
  }
  const auto [group, added] = node.attributes.try_emplace("group");
  if (added)
    group->second.i = 1;
  if (group->second.kind != Attribute::Kind::Int || group->second.i < 1)
    diagnostics.invalid(describe(node) + " has a group that is not a positive integer");
}

} // namespace anybit::onnx
