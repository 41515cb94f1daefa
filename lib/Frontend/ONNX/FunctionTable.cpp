#include "FunctionTable.h"

#include "Topology.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using ::onnx::FunctionProto;
using ::onnx::GraphProto;
using ::onnx::NodeProto;
using NodeProtos = google::protobuf::RepeatedPtrField<NodeProto>;

namespace anybit::onnx {

StringRef normalizeDomain(StringRef domain) {
  return StringSwitch<StringRef>(domain)
      .Case("ai.onnx", "")
      .Cases({"onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"}, "qonnx")
      .Default(domain);
}

OpsetMap readOpsets(const OpsetImports &imports, const Twine &owner, Diagnostics &diagnostics) {
  OpsetMap opsets;
  for (const auto &import : imports) {
    const StringRef domain = normalizeDomain(import.domain());
    const auto [entry, added] = opsets.try_emplace(domain, import.version());
    if (!added && entry->second != import.version() && domain != "qonnx")
      diagnostics.invalid(owner + " imports domain " + quoted(domain) + " at versions " + Twine(entry->second) +
                          " and " + Twine(import.version()));
    if (import.version() < 1)
      diagnostics.invalid(owner + " imports domain " + quoted(domain) + " at the invalid version " +
                          Twine(import.version()));
    else if (domain.empty() && (import.version() < minOpset || import.version() > maxOpset))
      diagnostics.unsupported(owner + " uses ONNX opset " + Twine(import.version()) + "; this reader knows " +
                              Twine(minOpset) + " to " + Twine(maxOpset));
  }
  return opsets;
}

static std::string makeKey(StringRef domain, StringRef name, StringRef overload) {
  return (normalizeDomain(domain) + Twine('\0') + name + Twine('\0') + overload).str();
}

static std::string describe(const FunctionProto &function) {
  std::string name = function.domain() + "." + function.name();
  if (!function.overload().empty())
    name += ":" + function.overload();
  return "function " + quoted(name);
}

/// Reports names that occur twice in `names`, and the empty ones.
template <typename Names>
static void checkDistinct(const Names &names, const Twine &what, StringSet<> &seen, Diagnostics &diagnostics) {
  for (const std::string &name : names) {
    if (name.empty())
      diagnostics.invalid(what + " without a name");
    else if (!seen.insert(name).second)
      diagnostics.invalid(what + " " + quoted(name) + ", which is defined twice");
  }
}

static void checkFunction(const FunctionProto &proto, const Limits &limits, Diagnostics &diagnostics) {
  const std::string owner = describe(proto);
  if (proto.name().empty())
    diagnostics.invalid("a local function of domain " + quoted(proto.domain()) + " has no name");
  diagnostics.checkName(proto.name(), "a local function", limits.nameBytes);
  for (const auto *names : {&proto.input(), &proto.output(), &proto.attribute()})
    for (const std::string &name : *names)
      diagnostics.checkName(name, "an input, output or attribute of " + owner, limits.nameBytes);
  for (const NodeProto &node : proto.node())
    for (const std::string &output : node.output())
      diagnostics.checkName(output, "a value in " + owner, limits.nameBytes);
  StringSet<> values, attributes, outputs;
  checkDistinct(proto.input(), owner + " has an input", values, diagnostics);
  checkDistinct(proto.output(), owner + " has an output", outputs, diagnostics);
  checkDistinct(proto.attribute(), owner + " has an attribute", attributes, diagnostics);
  for (const auto &attribute : proto.attribute_proto())
    if (!attributes.insert(attribute.name()).second)
      diagnostics.invalid(owner + " has an attribute " + quoted(attribute.name()) + ", which is defined twice");
  for (const NodeProto &node : proto.node())
    for (const std::string &output : node.output())
      if (!output.empty() && !values.insert(output).second)
        diagnostics.invalid(owner + " has a value " + quoted(output) + ", which is defined twice");
  for (const std::string &output : proto.output())
    if (!values.contains(output))
      diagnostics.invalid(owner + " has an output " + quoted(output) + ", which none of its nodes computes");
}

bool FunctionTable::build(const ::onnx::ModelProto &model, const Limits &limits, Diagnostics &diagnostics) {
  if (model.functions_size() > limits.functions)
    return diagnostics.invalid("the model has " + Twine(model.functions_size()) + " local functions; at most " +
                               Twine(limits.functions) + " are allowed");
  const size_t before = diagnostics.count();
  for (const FunctionProto &proto : model.functions()) {
    checkFunction(proto, limits, diagnostics);
    if (!index.try_emplace(makeKey(proto.domain(), proto.name(), proto.overload()), functions.size()).second)
      diagnostics.invalid(describe(proto) + " is defined twice");
    Function function;
    function.proto = &proto;
    function.opsets = readOpsets(proto.opset_import(), describe(proto), diagnostics);
    if (proto.domain() == conventionDomain)
      function.convention = recognizeConventionFunction(proto);
    functions.push_back(std::move(function));
  }
  return diagnostics.count() == before && resolveCalls(limits, diagnostics);
}

/// Calls `use` with every node of `nodes` and of their subgraphs. Protobuf has bounded the nesting while parsing.
static void forEachNode(const NodeProtos &nodes, function_ref<void(const NodeProto &)> use) {
  for (const NodeProto &node : nodes) {
    use(node);
    for (const auto &attribute : node.attribute())
      if (attribute.has_g())
        forEachNode(attribute.g().node(), use);
  }
}

bool FunctionTable::resolveCalls(const Limits &limits, Diagnostics &diagnostics) {
  std::vector<std::vector<unsigned>> calls(functions.size());
  for (auto [caller, function] : enumerate(functions)) {
    if (function.convention)
      continue;
    std::vector<unsigned> &list = calls[caller];
    forEachNode(function.proto->node(), [&, this](const NodeProto &node) {
      if (const Function *callee = lookup(node))
        list.push_back(callee - functions.data());
    });
    llvm::sort(list);
    list.erase(llvm::unique(list), list.end());
  }
  const TopologicalOrder sorted = sortTopologically(calls);
  if (!sorted.cycle.empty())
    return diagnostics.invalid("local functions call each other in a cycle: " +
                               describeCycle(sorted.cycle, [&](unsigned i) { return functions[i].proto->name(); }));
  for (unsigned current : sorted.order) {
    Function &function = functions[current];
    function.depth = 1;
    for (unsigned callee : calls[current])
      function.depth = std::max(function.depth, functions[callee].depth + 1);
    if (function.depth == limits.callDepth + 1)
      diagnostics.invalid(describe(*function.proto) + " calls functions more than " + Twine(limits.callDepth) +
                          " levels deep");
    forEachNode(function.proto->node(), [&, this](const NodeProto &node) {
      const Function *callee = lookup(node);
      function.expandedNodes += callee ? callee->expandedNodes + 1 : 1;
    });
    if (function.convention)
      function.expandedNodes = 0;
    // A file has less than 2^31 nodes, so sums of clamped counts stay far below 2^63.
    function.expandedNodes = std::min(function.expandedNodes, limits.nodes + 1);
  }
  return !is_contained(map_range(functions, [&](const Function &f) { return f.depth > limits.callDepth; }), true);
}

const Function *FunctionTable::lookup(const NodeProto &node) const {
  const auto found = index.find(makeKey(node.domain(), node.op_type(), node.overload()));
  return found == index.end() ? nullptr : &functions[found->second];
}

int64_t FunctionTable::countNodes(const GraphProto &graph) const {
  int64_t count = 0;
  forEachNode(graph.node(), [&, this](const NodeProto &node) {
    const Function *callee = lookup(node);
    count += callee ? callee->expandedNodes + 1 : 1;
  });
  return count;
}

} // namespace anybit::onnx
