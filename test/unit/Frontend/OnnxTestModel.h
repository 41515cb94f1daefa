//===- OnnxTestModel.h - small models for loader tests ----------*- C++ -*-===//
#ifndef ANYBIT_TEST_UNIT_FRONTEND_ONNXTESTMODEL_H
#define ANYBIT_TEST_UNIT_FRONTEND_ONNXTESTMODEL_H

#include "anybit/Frontend/ONNX/Loader.h"

#include "onnx-ml.pb.h"

#include <gtest/gtest.h>

namespace anybit::onnx::test {

using ::onnx::AttributeProto;
using ::onnx::FunctionProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

inline NodeProto makeNode(const std::string &name, const std::string &op, const std::vector<std::string> &inputs,
                          const std::vector<std::string> &outputs, const std::string &domain = "") {
  NodeProto node;
  node.set_name(name);
  node.set_op_type(op);
  if (!domain.empty())
    node.set_domain(domain);
  for (const std::string &input : inputs)
    node.add_input(input);
  for (const std::string &output : outputs)
    node.add_output(output);
  return node;
}

inline AttributeProto &addAttribute(NodeProto &node, const std::string &name, AttributeProto::AttributeType type) {
  AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

inline TensorProto makeTensor(const std::string &name, int type, const std::vector<int64_t> &dims,
                              const std::string &raw = "") {
  TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (int64_t dim : dims)
    tensor.add_dims(dim);
  if (!raw.empty())
    tensor.set_raw_data(raw);
  return tensor;
}

inline void setValue(::onnx::ValueInfoProto &info, const std::string &name, int type,
                     const std::vector<int64_t> &dims) {
  info.set_name(name);
  info.mutable_type()->mutable_tensor_type()->set_elem_type(type);
  auto &shape = *info.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (int64_t dim : dims)
    shape.add_dim()->set_dim_value(dim);
}

/// x [2] -> Relu 'relu' -> y.
inline ModelProto makeModel() {
  ModelProto model;
  model.set_ir_version(10);
  model.add_opset_import()->set_version(17);
  GraphProto &graph = *model.mutable_graph();
  graph.set_name("g");
  setValue(*graph.add_input(), "x", TensorProto::FLOAT, {2});
  setValue(*graph.add_output(), "y", TensorProto::FLOAT, {2});
  *graph.add_node() = makeNode("relu", "Relu", {"x"}, {"y"});
  return model;
}

inline FunctionProto makeFunction(const std::string &name, const std::vector<std::string> &inputs,
                                  const std::vector<std::string> &outputs, const std::vector<NodeProto> &nodes) {
  FunctionProto function;
  function.set_domain("local");
  function.set_name(name);
  function.add_opset_import()->set_version(17);
  for (const std::string &input : inputs)
    function.add_input(input);
  for (const std::string &output : outputs)
    function.add_output(output);
  for (const NodeProto &node : nodes)
    *function.add_node() = node;
  return function;
}

struct Loaded {
  bool sound = false;
  Model model;
  std::vector<Problem> problems;

  std::string text() const {
    std::string all;
    for (const Problem &problem : problems)
      all += problem.text + "\n";
    return all;
  }
};

inline Loaded load(const ModelProto &proto, const std::string &directory = "", const LoadOptions &options = {}) {
  Loaded loaded;
  const std::string bytes = proto.SerializeAsString();
  loaded.sound = loadModelFromBytes(bytes, directory, options, loaded.model, loaded.problems);
  return loaded;
}

/// Expects exactly one problem, of `kind`, whose text contains all `words`.
inline void expectProblem(const Loaded &loaded, Problem::Kind kind, const std::vector<std::string> &words) {
  EXPECT_FALSE(loaded.sound);
  ASSERT_EQ(loaded.problems.size(), 1u) << loaded.text();
  EXPECT_EQ(loaded.problems[0].kind, kind) << loaded.text();
  for (const std::string &word : words)
    EXPECT_NE(loaded.problems[0].text.find(word), std::string::npos) << word << " in: " << loaded.text();
}

inline void expectInvalid(const ModelProto &proto, const std::vector<std::string> &words) {
  expectProblem(load(proto), Problem::Kind::Invalid, words);
}

inline void expectUnsupported(const ModelProto &proto, const std::vector<std::string> &words) {
  expectProblem(load(proto), Problem::Kind::Unsupported, words);
}

inline void expectSound(const ModelProto &proto) {
  const Loaded loaded = load(proto);
  EXPECT_TRUE(loaded.sound) << loaded.text();
}

/// makeModel() with one more initializer.
inline ModelProto withInitializer(const TensorProto &tensor) {
  ModelProto model = makeModel();
  *model.mutable_graph()->add_initializer() = tensor;
  return model;
}

} // namespace anybit::onnx::test

#endif // ANYBIT_TEST_UNIT_FRONTEND_ONNXTESTMODEL_H
