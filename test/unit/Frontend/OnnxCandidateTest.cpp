#include "OnnxTestModel.h"

using namespace anybit::onnx;
using namespace anybit::onnx::test;

/// y = x * Gather(table, candidate) with `rows` rows, candidates w8a8,w4a4.
static ModelProto makeSwitchable(int rows = 2, const std::string &names = "w8a8,w4a4") {
  ModelProto model = makeModel();
  GraphProto &graph = *model.mutable_graph();
  auto &entry = *model.add_metadata_props();
  entry.set_key("anybit.candidates");
  entry.set_value(names);
  setValue(*graph.add_input(), "candidate", TensorProto::INT64, {});
  *graph.add_initializer() = makeTensor("table", TensorProto::FLOAT, {rows}, std::string(rows * 4, '\0'));
  *graph.add_node() = makeNode("row", "Gather", {"table", "candidate"}, {"scale"});
  return model;
}

TEST(OnnxCandidate, Names) {
  const Loaded loaded = load(makeSwitchable());
  ASSERT_TRUE(loaded.sound) << loaded.text();
  EXPECT_EQ(loaded.model.candidates, (std::vector<std::string>{"w8a8", "w4a4"}));
}

TEST(OnnxCandidate, WithoutMetadataNothingIsSpecial) {
  ModelProto model = makeSwitchable(7);
  model.clear_metadata_props();
  const Loaded loaded = load(model);
  EXPECT_TRUE(loaded.sound) << loaded.text();
  EXPECT_TRUE(loaded.model.candidates.empty());
}

TEST(OnnxCandidate, BadNames) {
  expectInvalid(makeSwitchable(2, "w8a8,"), {"empty candidate name"});
  expectInvalid(makeSwitchable(2, ""), {"empty candidate name"});
  expectInvalid(makeSwitchable(2, "w8a8,w8a8"), {"'w8a8'", "twice"});
  expectInvalid(makeSwitchable(2, std::string(300, ',')), {"301 candidates"});
}

TEST(OnnxCandidate, BadInput) {
  ModelProto model = makeSwitchable();
  auto &input = *model.mutable_graph()->mutable_input(1);
  setValue(input, "candidate", TensorProto::INT32, {});
  expectInvalid(model, {"'candidate'", "int32", "int64"});
  setValue(input, "candidate", TensorProto::INT64, {1});
  expectInvalid(model, {"'candidate'", "rank 1", "scalar"});
  input.mutable_type()->mutable_tensor_type()->clear_shape();
  expectInvalid(model, {"'candidate'", "no shape"});
  setValue(input, "other", TensorProto::INT64, {});
  model.mutable_graph()->mutable_node(1)->set_input(1, "other");
  expectInvalid(model, {"no input 'candidate'"});
}

TEST(OnnxCandidate, BadTables) {
  expectInvalid(makeSwitchable(3), {"'row'", "'table'", "3 rows", "2 candidates"});
  expectInvalid(makeSwitchable(1), {"'row'", "'table'", "1 rows", "2 candidates"});
  ModelProto model = makeSwitchable();
  *model.mutable_graph()->mutable_initializer(0) = makeTensor("table", TensorProto::FLOAT, {}, "abcd");
  expectInvalid(model, {"'row'", "scalar"});
}

TEST(OnnxCandidate, OtherAxesAreOrdinary) {
  ModelProto model = makeSwitchable();
  *model.mutable_graph()->mutable_initializer(0) =
      makeTensor("table", TensorProto::FLOAT, {3, 2}, std::string(24, '\0'));
  addAttribute(*model.mutable_graph()->mutable_node(1), "axis", AttributeProto::INT).set_i(1);
  expectSound(model);
}

TEST(OnnxCandidate, TablesInSubgraphs) {
  ModelProto model = makeSwitchable(2);
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("if", "If", {"x"}, {"z"});
  GraphProto &branch = *addAttribute(node, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_initializer() = makeTensor("inner", TensorProto::FLOAT, {3}, std::string(12, '\0'));
  *branch.add_node() = makeNode("deep", "Gather", {"inner", "candidate"}, {"r"});
  setValue(*branch.add_output(), "r", TensorProto::FLOAT, {});
  expectInvalid(model, {"'deep'", "3 rows"});
}
