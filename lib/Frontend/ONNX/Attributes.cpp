#include "GraphBuilder.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using ::onnx::AttributeProto;

namespace anybit::onnx {

static std::optional<Attribute::Kind> kindOf(AttributeProto::AttributeType type) {
  switch (type) {
  case AttributeProto::FLOAT:
    return Attribute::Kind::Float;
  case AttributeProto::INT:
    return Attribute::Kind::Int;
  case AttributeProto::STRING:
    return Attribute::Kind::String;
  case AttributeProto::TENSOR:
    return Attribute::Kind::Tensor;
  case AttributeProto::GRAPH:
    return Attribute::Kind::Graph;
  case AttributeProto::FLOATS:
    return Attribute::Kind::Floats;
  case AttributeProto::INTS:
    return Attribute::Kind::Ints;
  case AttributeProto::STRINGS:
    return Attribute::Kind::Strings;
  default:
    return std::nullopt;
  }
}

/// The types whose fields are filled. Scalars that writers of proto3 leave out at zero are thus not listed.
static SmallVector<AttributeProto::AttributeType> filledTypes(const AttributeProto &proto) {
  const std::pair<bool, AttributeProto::AttributeType> fields[] = {
      {proto.has_f() && proto.f() != 0, AttributeProto::FLOAT},
      {proto.has_i() && proto.i() != 0, AttributeProto::INT},
      {proto.has_s() && !proto.s().empty(), AttributeProto::STRING},
      {proto.has_t(), AttributeProto::TENSOR},
      {proto.has_g(), AttributeProto::GRAPH},
      {proto.has_sparse_tensor(), AttributeProto::SPARSE_TENSOR},
      {proto.has_tp(), AttributeProto::TYPE_PROTO},
      {proto.floats_size() != 0, AttributeProto::FLOATS},
      {proto.ints_size() != 0, AttributeProto::INTS},
      {proto.strings_size() != 0, AttributeProto::STRINGS},
      {proto.tensors_size() != 0, AttributeProto::TENSORS},
      {proto.graphs_size() != 0, AttributeProto::GRAPHS},
      {proto.sparse_tensors_size() != 0, AttributeProto::SPARSE_TENSORS},
      {proto.type_protos_size() != 0, AttributeProto::TYPE_PROTOS}};
  SmallVector<AttributeProto::AttributeType> types;
  for (const auto &[filled, type] : fields)
    if (filled)
      types.push_back(type);
  return types;
}

static std::string typeName(AttributeProto::AttributeType type) {
  return ::onnx::AttributeProto_AttributeType_Name(type);
}

GraphBuilder::Found GraphBuilder::readReference(const AttributeProto &proto, const Scope &scope, StringRef owner,
                                                Attribute &attribute) {
  const auto wrong = [&](const Twine &text) {
    diagnostics.invalid(owner + text);
    return Found::Wrong;
  };
  if (!scope.bindings)
    return wrong(" refers to the function attribute " + quoted(proto.ref_attr_name()) + " outside a function");
  if (!filledTypes(proto).empty())
    return wrong(" has both a value and a reference to " + quoted(proto.ref_attr_name()));
  const auto bound = scope.bindings->find(proto.ref_attr_name());
  if (bound == scope.bindings->end())
    return Found::Absent;
  if (kindOf(proto.type()) != bound->second.kind)
    return wrong(" wants " + typeName(proto.type()) + ", but the call gives another type for " +
                 quoted(proto.ref_attr_name()));
  attribute = bound->second;
  return Found::Yes;
}

GraphBuilder::Found GraphBuilder::readAttribute(const AttributeProto &proto, const Scope &scope, StringRef owner,
                                                Attribute &attribute) {
  if (!proto.ref_attr_name().empty())
    return readReference(proto, scope, owner, attribute);
  if (proto.type() == AttributeProto::UNDEFINED) {
    diagnostics.invalid(owner + " has no type, or one that no known version of ONNX defines");
    return Found::Wrong;
  }
  const std::optional<Attribute::Kind> kind = kindOf(proto.type());
  if (!kind) {
    diagnostics.unsupported(owner + " has the type " + typeName(proto.type()) + ", which is not supported");
    return Found::Wrong;
  }
  for (AttributeProto::AttributeType filled : filledTypes(proto)) {
    if (filled == proto.type())
      continue;
    diagnostics.invalid(owner + " has the type " + typeName(proto.type()) + " but a value of type " + typeName(filled));
    return Found::Wrong;
  }
  attribute.kind = *kind;
  return readPayload(proto, scope, owner, attribute) ? Found::Yes : Found::Wrong;
}

bool GraphBuilder::readPayload(const AttributeProto &proto, const Scope &scope, StringRef owner, Attribute &attribute) {
  switch (attribute.kind) {
  case Attribute::Kind::Float:
    attribute.f = proto.f();
    return true;
  case Attribute::Kind::Int:
    attribute.i = proto.i();
    return true;
  case Attribute::Kind::String:
    attribute.s = proto.s();
    return spend(attribute.s.size());
  case Attribute::Kind::Floats:
    attribute.floats.assign(proto.floats().begin(), proto.floats().end());
    return spend(attribute.floats.size() * sizeof(float));
  case Attribute::Kind::Ints:
    attribute.ints.assign(proto.ints().begin(), proto.ints().end());
    return spend(attribute.ints.size() * sizeof(int64_t));
  case Attribute::Kind::Strings: {
    attribute.strings.assign(proto.strings().begin(), proto.strings().end());
    int64_t bytes = 0;
    for (const std::string &text : attribute.strings)
      bytes += text.size() + sizeof(text);
    return spend(bytes);
  }
  case Attribute::Kind::Tensor:
    if (!proto.has_t())
      return diagnostics.invalid(owner + " has the type TENSOR but no value");
    return readAttributeTensor(proto.t(), scope, owner, attribute.tensor);
  case Attribute::Kind::Graph:
    if (!proto.has_g())
      return diagnostics.invalid(owner + " has the type GRAPH but no value");
    return readSubgraph(proto.g(), scope, owner, attribute);
  }
  return false;
}

bool GraphBuilder::readAttributeTensor(const ::onnx::TensorProto &proto, const Scope &scope, StringRef owner,
                                       Tensor &tensor) {
  if (!scope.bindings)
    return tensors.read(proto, owner, tensor);
  const auto [entry, added] = functionTensors.try_emplace(&proto);
  if (added && !tensors.read(proto, owner, entry->second))
    return false;
  tensor = entry->second;
  return true;
}

bool GraphBuilder::readSubgraph(const ::onnx::GraphProto &proto, const Scope &scope, StringRef owner,
                                Attribute &attribute) {
  if (scope.graphDepth == limits.graphDepth)
    return diagnostics.invalid(owner + " nests subgraphs more than " + Twine(limits.graphDepth) + " levels deep");
  Scope inner;
  inner.parent = &scope;
  inner.opsets = scope.opsets;
  inner.bindings = scope.bindings;
  inner.prefix = scope.prefix;
  inner.graphDepth = scope.graphDepth + 1;
  attribute.graph = std::make_shared<Graph>();
  const size_t before = diagnostics.count();
  buildSubgraph(proto, inner, *attribute.graph);
  return diagnostics.count() == before;
}

} // namespace anybit::onnx
