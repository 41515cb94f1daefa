#include "OnnxTestModel.h"

using namespace anybit::onnx;
using namespace anybit::onnx::test;

static std::vector<std::string> nodeNames(const Graph &graph) {
  std::vector<std::string> names;
  for (const Node &node : graph.nodes)
    names.push_back(node.name);
  return names;
}

TEST(OnnxGraph, Small) {
  const Loaded loaded = load(makeModel());
  ASSERT_TRUE(loaded.sound) << loaded.text();
  EXPECT_EQ(nodeNames(loaded.model.graph), std::vector<std::string>{"relu"});
  EXPECT_EQ(loaded.model.graph.nodes[0].opset, 17);
  EXPECT_EQ(loaded.model.graph.inputs[0].dims[0].value, 2);
}

TEST(OnnxGraph, Versions) {
  for (auto [version, sound] : {std::pair(2, false), {3, true}, {14, true}, {15, false}}) {
    ModelProto model = makeModel();
    model.set_ir_version(version);
    if (sound)
      expectSound(model);
    else
      expectUnsupported(model, {"IR version " + std::to_string(version), "3 to 14"});
  }
  for (auto [version, sound] : {std::pair(7, false), {8, true}, {28, true}, {29, false}}) {
    ModelProto model = makeModel();
    model.mutable_opset_import(0)->set_version(version);
    if (sound)
      expectSound(model);
    else
      expectUnsupported(model, {"opset " + std::to_string(version), "8 to 28"});
  }
}

TEST(OnnxGraph, BadVersions) {
  ModelProto model = makeModel();
  model.clear_ir_version();
  expectInvalid(model, {"ir_version"});
  model = makeModel();
  model.set_ir_version(-1);
  expectInvalid(model, {"ir_version"});
  model = makeModel();
  model.clear_opset_import();
  expectInvalid(model, {"no opset"});
  model = makeModel();
  model.mutable_opset_import(0)->set_version(-5);
  expectInvalid(model, {"-5"});
  model = makeModel();
  model.add_opset_import()->set_version(13);
  expectInvalid(model, {"17", "13"});
  model = makeModel();
  model.mutable_opset_import(0)->set_domain("other");
  expectInvalid(model, {"'relu'", "import"});
  model = makeModel();
  model.mutable_opset_import(0)->set_domain("ai.onnx");
  expectSound(model);
}

TEST(OnnxGraph, MissingParts) {
  ModelProto model = makeModel();
  model.clear_graph();
  expectInvalid(model, {"no graph"});
  model = makeModel();
  model.mutable_graph()->clear_output();
  expectInvalid(model, {"no outputs"});
  model = makeModel();
  model.mutable_graph()->mutable_node(0)->clear_op_type();
  expectInvalid(model, {"'relu'", "op_type"});
  model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("lonely", "Relu", {"x"}, {});
  expectInvalid(model, {"'lonely'", "no outputs"});
  model = makeModel();
  model.mutable_graph()->mutable_input(0)->clear_type();
  expectInvalid(model, {"'x'", "no type"});
  expectInvalid(withInitializer(makeTensor("", TensorProto::FLOAT, {1}, "abcd")), {"initializer has no name"});
  model = makeModel();
  setValue(*model.mutable_graph()->add_input(), "", TensorProto::FLOAT, {});
  expectInvalid(model, {"input has no name"});
}

TEST(OnnxGraph, Dangling) {
  ModelProto model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("add", "Add", {"x", "ghost"}, {"z"});
  expectInvalid(model, {"'add'", "'ghost'"});
  model = makeModel();
  setValue(*model.mutable_graph()->add_output(), "ghost", TensorProto::FLOAT, {});
  expectInvalid(model, {"output 'ghost'"});
  model = makeModel();
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("if", "If", {"x"}, {"z"});
  GraphProto &branch = *addAttribute(node, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_node() = makeNode("inner", "Relu", {"ghost"}, {"r"});
  setValue(*branch.add_output(), "r", TensorProto::FLOAT, {});
  expectInvalid(model, {"'inner'", "'ghost'"});
}

TEST(OnnxGraph, InnerNamesAreNotSeenOutside) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("if", "If", {"x"}, {"z"});
  GraphProto &branch = *addAttribute(node, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_node() = makeNode("inner", "Relu", {"x"}, {"r"});
  setValue(*branch.add_output(), "r", TensorProto::FLOAT, {});
  *model.mutable_graph()->add_node() = makeNode("outer", "Relu", {"r"}, {"q"});
  expectInvalid(model, {"'outer'", "'r'"});
}

TEST(OnnxGraph, Duplicates) {
  ModelProto model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("again", "Relu", {"x"}, {"y"});
  expectInvalid(model, {"'again'", "'y'", "twice"});
  model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("again", "Constant", {}, {"x"});
  expectInvalid(model, {"'again'", "'x'", "twice"});
  model = withInitializer(makeTensor("w", TensorProto::FLOAT, {1}, "abcd"));
  *model.mutable_graph()->add_initializer() = makeTensor("w", TensorProto::FLOAT, {1}, "efgh");
  expectInvalid(model, {"initializer 'w'", "twice"});
  model = makeModel();
  setValue(*model.mutable_graph()->add_input(), "x", TensorProto::FLOAT, {});
  expectInvalid(model, {"input 'x'", "twice"});
  model = makeModel();
  setValue(*model.mutable_graph()->add_output(), "y", TensorProto::FLOAT, {});
  expectInvalid(model, {"output 'y'", "twice"});
  model = makeModel();
  for (int i = 0; i < 2; ++i) {
    auto &entry = *model.add_metadata_props();
    entry.set_key("k");
  }
  expectInvalid(model, {"'k'", "twice"});
}

TEST(OnnxGraph, InitializerThatIsAnInputIsNoInput) {
  ModelProto model = withInitializer(makeTensor("w", TensorProto::FLOAT, {1}, "abcd"));
  setValue(*model.mutable_graph()->add_input(), "w", TensorProto::FLOAT, {1});
  const Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound) << loaded.text();
  EXPECT_EQ(loaded.model.graph.inputs.size(), 1u);
}

TEST(OnnxGraph, AnyAcyclicOrder) {
  ModelProto model = makeModel();
  model.mutable_graph()->mutable_node(0)->set_input(0, "b");
  *model.mutable_graph()->add_node() = makeNode("second", "Relu", {"a"}, {"b"});
  *model.mutable_graph()->add_node() = makeNode("first", "Relu", {"x"}, {"a"});
  const Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound) << loaded.text();
  EXPECT_EQ(nodeNames(loaded.model.graph), (std::vector<std::string>{"first", "second", "relu"}));
}

TEST(OnnxGraph, Cycles) {
  ModelProto model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("a", "Relu", {"q"}, {"p"});
  *model.mutable_graph()->add_node() = makeNode("b", "Relu", {"p"}, {"q"});
  expectInvalid(model, {"cycle", "'a' -> 'b' -> 'a'"});
  model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("self", "Add", {"x", "p"}, {"p"});
  expectInvalid(model, {"cycle", "'self' -> 'self'"});
}

TEST(OnnxGraph, CycleThroughACapture) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("if", "If", {"x"}, {"z"});
  GraphProto &branch = *addAttribute(node, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_node() = makeNode("inner", "Relu", {"t"}, {"r"});
  setValue(*branch.add_output(), "r", TensorProto::FLOAT, {});
  *model.mutable_graph()->add_node() = makeNode("tail", "Relu", {"z"}, {"t"});
  expectInvalid(model, {"cycle", "'if'", "'tail'"});
}

TEST(OnnxGraph, Captures) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("if", "If", {"x"}, {"z"});
  for (const char *name : {"then_branch", "else_branch"}) {
    GraphProto &branch = *addAttribute(node, name, AttributeProto::GRAPH).mutable_g();
    *branch.add_node() = makeNode("inner", "Relu", {"late"}, {"r"});
    setValue(*branch.add_output(), "r", TensorProto::FLOAT, {});
  }
  *model.mutable_graph()->add_node() = makeNode("late", "Relu", {"x"}, {"late"});
  const Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound) << loaded.text();
  EXPECT_EQ(nodeNames(loaded.model.graph), (std::vector<std::string>{"relu", "late", "if"}));
  const auto &attributes = loaded.model.graph.nodes[2].attributes;
  const Graph &then = *attributes.find("then_branch")->second.graph;
  const Graph &other = *attributes.find("else_branch")->second.graph;
  EXPECT_EQ(then.nodes[0].inputs[0], "late");
  EXPECT_NE(then.nodes[0].outputs[0], other.nodes[0].outputs[0]);
  EXPECT_EQ(other.outputs[0].name, other.nodes[0].outputs[0]);
  EXPECT_NE(then.nodes[0].name, other.nodes[0].name);
}

static ModelProto nested(int levels) {
  ModelProto model = makeModel();
  GraphProto *graph = model.mutable_graph();
  for (int i = 0; i < levels; ++i) {
    NodeProto &node = *graph->add_node();
    node = makeNode("if" + std::to_string(i), "If", {"x"}, {"o" + std::to_string(i)});
    graph = addAttribute(node, "then_branch", AttributeProto::GRAPH).mutable_g();
    setValue(*graph->add_output(), "x", TensorProto::FLOAT, {});
  }
  return model;
}

TEST(OnnxGraph, NestedSubgraphs) {
  expectSound(nested(16));
  expectInvalid(nested(17), {"'if16'", "16 levels"});
  expectInvalid(nested(40), {"'if16'", "16 levels"});
  expectInvalid(nested(3000), {"protobuf"});
}

TEST(OnnxGraph, Names) {
  ModelProto model = makeModel();
  model.mutable_graph()->mutable_node(0)->set_name("bad\xff");
  expectInvalid(model, {"UTF-8", "\\FF"});
  model = makeModel();
  model.mutable_graph()->mutable_node(0)->set_name(std::string((1 << 20) + 1, 'n'));
  expectInvalid(model, {"1048577 bytes"});
  EXPECT_LT(load(model).text().size(), 1000u);
  expectInvalid(withInitializer(makeTensor("w\xc0\x80", TensorProto::FLOAT, {1}, "abcd")), {"UTF-8"});
  model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("long", "Relu", {"x"}, {std::string((1 << 20) + 1, 'o')});
  expectInvalid(model, {"'long'", "1048577 bytes"});
}

TEST(OnnxGraph, LongOperatorNames) {
  ModelProto model = makeModel();
  model.mutable_graph()->mutable_node(0)->set_op_type(std::string((1 << 20) + 1, 'o'));
  expectInvalid(model, {"'relu'", "1048577 bytes"});
  EXPECT_LT(load(model).text().size(), 1000u);
}

TEST(OnnxGraph, NodeNamesAreMadeUnique) {
  ModelProto model = makeModel();
  *model.mutable_graph()->add_node() = makeNode("relu", "Relu", {"x"}, {"a"});
  *model.mutable_graph()->add_node() = makeNode("", "Relu", {"x"}, {"b"});
  const Loaded loaded = load(model);
  EXPECT_EQ(nodeNames(loaded.model.graph), (std::vector<std::string>{"relu", "relu_2", "Relu_b"}));
}

TEST(OnnxGraph, AttributeKinds) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->mutable_node(0);
  AttributeProto &attribute = addAttribute(node, "alpha", AttributeProto::FLOAT);
  attribute.set_i(3);
  expectInvalid(model, {"'relu'", "'alpha'", "FLOAT", "INT"});
  attribute.Clear();
  attribute.set_name("alpha");
  attribute.set_f(1);
  expectInvalid(model, {"'alpha'", "no type"});
  attribute.set_type(AttributeProto::TENSOR);
  attribute.clear_f();
  expectInvalid(model, {"'alpha'", "TENSOR", "no value"});
  attribute.set_type(AttributeProto::GRAPH);
  expectInvalid(model, {"'alpha'", "GRAPH", "no value"});
  attribute.set_type(AttributeProto::TENSORS);
  expectUnsupported(model, {"'alpha'", "TENSORS"});
  attribute.set_type(AttributeProto::FLOAT); // a zero that proto3 leaves out
  expectSound(model);
  addAttribute(node, "alpha", AttributeProto::FLOAT).set_f(1);
  expectInvalid(model, {"'alpha'", "twice"});
}

TEST(OnnxGraph, AttributeNamesAndReferences) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->mutable_node(0);
  AttributeProto &attribute = addAttribute(node, "", AttributeProto::FLOAT);
  expectInvalid(model, {"'relu'", "without a usable name"});
  attribute.set_name("alpha");
  attribute.set_ref_attr_name("outer");
  expectInvalid(model, {"'alpha'", "'outer'", "outside a function"});
}

TEST(OnnxGraph, ManyAttributes) {
  ModelProto model = makeModel();
  for (int i = 0; i < 100001; ++i)
    addAttribute(*model.mutable_graph()->mutable_node(0), std::to_string(i), AttributeProto::INT);
  expectInvalid(model, {"'relu'", "100001 attributes"});
}

TEST(OnnxGraph, ManyNodes) {
  LoadOptions options;
  options.limits.nodes = 3;
  ModelProto model = makeModel();
  for (int i = 0; i < 3; ++i)
    *model.mutable_graph()->add_node() = makeNode("", "Relu", {"x"}, {"o" + std::to_string(i)});
  expectProblem(load(model, "", options), Problem::Kind::Invalid, {"more than 3 nodes"});
}

TEST(OnnxGraph, ValueTypes) {
  ModelProto model = makeModel();
  auto &type = *model.mutable_graph()->mutable_input(0)->mutable_type();
  auto &dim = *type.mutable_tensor_type()->mutable_shape()->mutable_dim(0);
  dim.set_dim_value(-1);
  expectInvalid(model, {"'x'", "negative"});
  dim.set_dim_value(INT64_MAX);
  expectInvalid(model, {"'x'", "product"});
  dim.set_dim_param("N");
  const Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound);
  EXPECT_EQ(loaded.model.graph.inputs[0].dims[0].name, "N");
  EXPECT_FALSE(loaded.model.graph.inputs[0].dims[0].value);
  for (int i = 0; i < 64; ++i)
    type.mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(1);
  expectInvalid(model, {"'x'", "rank 65"});
  type.mutable_tensor_type()->clear_shape();
  type.mutable_tensor_type()->set_elem_type(77);
  expectInvalid(model, {"'x'", "77"});
  type.mutable_sequence_type();
  expectUnsupported(model, {"'x'", "not a tensor"});
}

TEST(OnnxGraph, QonnxDomains) {
  for (const char *domain : {"onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"}) {
    ModelProto model = makeModel();
    *model.mutable_graph()->add_node() = makeNode("q", "Quant", {"x", "x", "x", "x"}, {"z"}, domain);
    *model.mutable_graph()->add_node() = makeNode("b", "BipolarQuant", {"x", "x"}, {"z2"}, domain);
    const Loaded loaded = load(model);
    ASSERT_TRUE(loaded.sound) << loaded.text();
    EXPECT_EQ(loaded.model.graph.nodes[1].domain, "qonnx");
    EXPECT_EQ(loaded.model.graph.nodes[1].op, "IntQuant");
    EXPECT_EQ(loaded.model.graph.nodes[2].op, "BipolarQuant");
    EXPECT_GE(loaded.model.graph.nodes[1].opset, 1);
  }
}

TEST(OnnxGraph, UnknownOverload) {
  ModelProto model = makeModel();
  model.mutable_graph()->mutable_node(0)->set_overload("fast");
  expectInvalid(model, {"'relu'", "'fast'"});
}

TEST(OnnxGraph, AllProblemsAreReportedUpToALimit) {
  ModelProto model = makeModel();
  for (int i = 0; i < 250; ++i)
    *model.mutable_graph()->add_node() =
        makeNode("n" + std::to_string(i), "Relu", {"ghost" + std::to_string(i)}, {"o" + std::to_string(i)});
  const Loaded loaded = load(model);
  EXPECT_FALSE(loaded.sound);
  ASSERT_EQ(loaded.problems.size(), 101u);
  EXPECT_NE(loaded.problems[1].text.find("'ghost1'"), std::string::npos);
  EXPECT_NE(loaded.problems[100].text.find("150 more"), std::string::npos);
}

TEST(OnnxGraph, FileSize) {
  LoadOptions options;
  options.limits.fileBytes = 10;
  expectProblem(load(makeModel(), "", options), Problem::Kind::Invalid, {"at most 10"});
}
