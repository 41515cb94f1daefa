#include "anybit/Frontend/ONNX/Convention.h"

#include "BodyBuilder.h"
#include "MixBands.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using ::onnx::FunctionProto;
using ::onnx::ModelProto;
using Value = anybit::onnx::BodyBuilder::Value;

namespace anybit::onnx {

static constexpr int64_t bodyOpset = 17;
static constexpr int64_t conventionVersion = 1;

std::string overloadOf(const ConventionFunction &function) {
  return function.layout.empty() ? "" : function.layout + "_" + function.wavelet;
}

const std::vector<ConventionFunction> &conventionFunctions() {
  static const std::vector<ConventionFunction> functions = [] {
    std::vector<ConventionFunction> list;
    for (const char *layout : {"tile", "matrix", "plane", "spatial"})
      for (const char *wavelet : {"haar", "db2"})
        list.push_back({"MixBands", layout, wavelet});
    for (const char *op : {"FakeQuantSigned", "FakeQuantUnsigned", "FakeQuantOdd"})
      list.push_back({op, "", ""});
    return list;
  }();
  return functions;
}

/// 2^(bits-1) as a float: a table, because that is exact whatever a runtime's Pow does.
static Value halfRange(BodyBuilder &b) {
  const Value table = b.floats({0.5f, 1, 2, 4, 8, 16, 32, 64, 128});
  return b.add("Gather", {table, "bits"}, "axis", 0);
}

/// Codes -2^(b-1) to 2^(b-1)-1.
static Value buildSigned(BodyBuilder &b) {
  const Value half = halfRange(b);
  const Value rounded = b.add("Round", {b.add("Div", {"x", "scale"})});
  const Value code = b.add("Clip", {rounded, b.add("Neg", {half}), b.add("Sub", {half, b.scalar(1)})});
  return b.add("Mul", {code, "scale"});
}

/// The largest code, 2^b-1.
static Value largestCode(BodyBuilder &b, const Value &half) {
  return b.add("Sub", {b.add("Add", {half, half}), b.scalar(1)});
}

static Value buildUnsigned(BodyBuilder &b) {
  const Value largest = largestCode(b, halfRange(b));
  const Value zero = b.add("Cast", {"zero_point"}, "to", ::onnx::TensorProto::FLOAT);
  const Value rounded = b.add("Round", {b.add("Div", {"x", "scale"})});
  const Value code = b.add("Clip", {b.add("Add", {rounded, zero}), b.scalar(0), largest});
  return b.add("Mul", {b.add("Sub", {code, zero}), "scale"});
}

static Value buildOdd(BodyBuilder &b) {
  const Value half = halfRange(b), largest = largestCode(b, half);
  const Value floored = b.add("Floor", {b.add("Mul", {b.add("Div", {"x", "scale"}), b.scalar(0.5f)})});
  const Value code = b.add("Clip", {b.add("Add", {floored, half}), b.scalar(0), largest});
  const Value odd = b.add("Sub", {b.add("Add", {code, code}), largest});
  return b.add("Mul", {odd, "scale"});
}

static void buildFakeQuant(const ConventionFunction &function, FunctionProto &proto) {
  const bool isUnsigned = function.op == "FakeQuantUnsigned";
  proto.add_input("x");
  proto.add_input("scale");
  if (isUnsigned)
    proto.add_input("zero_point");
  proto.add_input("bits");
  BodyBuilder b(proto);
  b.finish(isUnsigned ? buildUnsigned(b) : function.op == "FakeQuantOdd" ? buildOdd(b) : buildSigned(b), "quantized");
}

FunctionProto buildConventionFunction(const ConventionFunction &function) {
  FunctionProto proto;
  proto.set_name(function.op);
  proto.set_domain(conventionDomain.str());
  if (std::string overload = overloadOf(function); !overload.empty())
    proto.set_overload(overload);
  ::onnx::OperatorSetIdProto &import = *proto.add_opset_import();
  import.set_domain("");
  import.set_version(bodyOpset);
  if (function.op == "MixBands")
    buildMixBands(function, proto);
  else
    buildFakeQuant(function, proto);
  return proto;
}

template <typename Messages>
static bool hasFunction(const Messages &messages, const ConventionFunction &function,
                        StringRef (*name)(const typename Messages::value_type &)) {
  return any_of(messages, [&](const auto &message) {
    return message.domain() == conventionDomain && name(message) == function.op &&
           message.overload() == overloadOf(function);
  });
}

void addConventionFunctions(ModelProto &model) {
  const auto opType = [](const ::onnx::NodeProto &node) { return StringRef(node.op_type()); };
  const auto functionName = [](const FunctionProto &proto) { return StringRef(proto.name()); };
  for (const ConventionFunction &function : conventionFunctions())
    if (hasFunction(model.graph().node(), function, +opType) &&
        !hasFunction(model.functions(), function, +functionName))
      *model.add_functions() = buildConventionFunction(function);
  const auto isOurs = [](const auto &message) { return message.domain() == conventionDomain; };
  if (none_of(model.functions(), isOurs) || any_of(model.opset_import(), isOurs))
    return;
  ::onnx::OperatorSetIdProto &import = *model.add_opset_import();
  import.set_domain(conventionDomain.str());
  import.set_version(conventionVersion);
}

} // namespace anybit::onnx
