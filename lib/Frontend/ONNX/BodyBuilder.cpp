#include "BodyBuilder.h"

using namespace llvm;
using ::onnx::AttributeProto;
using ::onnx::NodeProto;

namespace anybit::onnx {

NodeProto &BodyBuilder::append(StringRef op, const Values &inputs, int outputs) {
  NodeProto &node = *function.add_node();
  node.set_op_type(op.str());
  for (const Value &input : inputs)
    node.add_input(input);
  for (int i = 0; i < outputs; ++i)
    node.add_output("v" + std::to_string(made++));
  return node;
}

AttributeProto &BodyBuilder::attribute(NodeProto &node, StringRef name, AttributeProto::AttributeType type) {
  AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name.str());
  attribute.set_type(type);
  return attribute;
}

BodyBuilder::Value BodyBuilder::add(StringRef op, const Values &inputs, StringRef name, int64_t value) {
  NodeProto &node = append(op, inputs);
  attribute(node, name, AttributeProto::INT).set_i(value);
  return node.output(0);
}

BodyBuilder::Value BodyBuilder::add(StringRef op, const Values &inputs, StringRef name, ArrayRef<int64_t> values) {
  NodeProto &node = append(op, inputs);
  attribute(node, name, AttributeProto::INTS).mutable_ints()->Add(values.begin(), values.end());
  return node.output(0);
}

BodyBuilder::Values BodyBuilder::split(const Value &input, int parts, int64_t axis) {
  const Value sizes = ints(std::vector<int64_t>(parts, 1));
  NodeProto &node = append("Split", {input, sizes}, parts);
  attribute(node, "axis", AttributeProto::INT).set_i(axis);
  return Values(node.output().begin(), node.output().end());
}

BodyBuilder::Value BodyBuilder::ints(ArrayRef<int64_t> values) {
  Value &constant = intConstants[values.vec()];
  if (constant.empty())
    constant = add("Constant", {}, "value_ints", values);
  return constant;
}

BodyBuilder::Value BodyBuilder::floats(ArrayRef<float> values) {
  NodeProto &node = append("Constant", {});
  attribute(node, "value_floats", AttributeProto::FLOATS).mutable_floats()->Add(values.begin(), values.end());
  return node.output(0);
}

BodyBuilder::Value BodyBuilder::scalar(float value) {
  Value &constant = scalarConstants[value];
  if (!constant.empty())
    return constant;
  NodeProto &node = append("Constant", {});
  attribute(node, "value_float", AttributeProto::FLOAT).set_f(value);
  return constant = node.output(0);
}

BodyBuilder::Value BodyBuilder::reference(StringRef name) {
  NodeProto &node = append("Constant", {});
  attribute(node, "value_int", AttributeProto::INT).set_ref_attr_name(name.str());
  return node.output(0);
}

void BodyBuilder::finish(const Value &value, StringRef output) {
  NodeProto &last = *function.mutable_node(function.node_size() - 1);
  assert(last.output(0) == value && "the result comes last");
  last.set_output(0, output.str());
  function.add_output(output.str());
}

} // namespace anybit::onnx
