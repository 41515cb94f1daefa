//===- ConventionMatch.cpp - is a body canonical? -------------------------===//
//
// Two functions are equal if a bijection of value names turns the nodes of one, in order, into those of the other.
// Documentation, node names and metadata do not count.
//
//===----------------------------------------------------------------------===//
#include "anybit/Frontend/ONNX/Convention.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

#include "onnx-ml.pb.h"

using namespace llvm;
using ::onnx::AttributeProto;
using ::onnx::FunctionProto;
using ::onnx::NodeProto;

namespace anybit::onnx {

namespace {

/// A growing bijection between the names of two functions.
class Renaming {
public:
  /// Whether `a` and `b` correspond; they do from now on if neither was seen before.
  bool match(StringRef a, StringRef b) {
    if (a.empty() || b.empty())
      return a.empty() && b.empty();
    const auto forward = forwards.try_emplace(a, b.str()).first;
    const auto backward = backwards.try_emplace(b, a.str()).first;
    return forward->second == b && backward->second == a;
  }

private:
  StringMap<std::string> forwards, backwards;
};

} // namespace

static bool sameAttribute(AttributeProto a, AttributeProto b) {
  a.clear_doc_string();
  b.clear_doc_string();
  return a.SerializeAsString() == b.SerializeAsString();
}

template <typename Attributes> static bool sameAttributes(const Attributes &a, const Attributes &b) {
  if (a.size() != b.size())
    return false;
  return all_of(a, [&](const AttributeProto &one) {
    return any_of(b, [&](const AttributeProto &other) { return sameAttribute(one, other); });
  });
}

template <typename Names> static bool sameNames(const Names &a, const Names &b, Renaming &renaming) {
  return a.size() == b.size() &&
         all_of(zip(a, b), [&](const auto &pair) { return renaming.match(std::get<0>(pair), std::get<1>(pair)); });
}

static bool sameNode(const NodeProto &a, const NodeProto &b, Renaming &renaming) {
  const auto domain = [](const NodeProto &node) { return node.domain() == "ai.onnx" ? "" : node.domain(); };
  return a.op_type() == b.op_type() && domain(a) == domain(b) && a.overload() == b.overload() &&
         sameNames(a.input(), b.input(), renaming) && sameNames(a.output(), b.output(), renaming) &&
         sameAttributes(a.attribute(), b.attribute());
}

static bool sameFunction(const FunctionProto &a, const FunctionProto &b) {
  if (a.node_size() != b.node_size() || a.opset_import_size() != b.opset_import_size())
    return false;
  for (const auto &[one, other] : zip(a.opset_import(), b.opset_import()))
    if (one.domain() != other.domain() || one.version() != other.version())
      return false;
  Renaming renaming;
  if (!std::equal(a.attribute().begin(), a.attribute().end(), b.attribute().begin(), b.attribute().end()) ||
      !sameAttributes(a.attribute_proto(), b.attribute_proto()) || !sameNames(a.input(), b.input(), renaming))
    return false;
  for (const auto &[one, other] : zip(a.node(), b.node()))
    if (!sameNode(one, other, renaming))
      return false;
  return sameNames(a.output(), b.output(), renaming);
}

const ConventionFunction *recognizeConventionFunction(const FunctionProto &candidate) {
  static const std::vector<FunctionProto> bodies = [] {
    std::vector<FunctionProto> list;
    for (const ConventionFunction &function : conventionFunctions())
      list.push_back(buildConventionFunction(function));
    return list;
  }();
  for (const auto &[function, body] : zip(conventionFunctions(), bodies))
    if (sameFunction(candidate, body))
      return &function;
  return nullptr;
}

} // namespace anybit::onnx
