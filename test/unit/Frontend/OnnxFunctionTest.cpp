#include "OnnxTestModel.h"

using namespace anybit::onnx;
using namespace anybit::onnx::test;

/// x -> call of local.f -> y.
static ModelProto makeCall(const std::vector<FunctionProto> &functions, const std::string &name = "f") {
  ModelProto model = makeModel();
  *model.mutable_graph()->mutable_node(0) = makeNode("call", name, {"x"}, {"y"}, "local");
  for (const FunctionProto &function : functions)
    *model.add_functions() = function;
  return model;
}

static Graph inlined(const ModelProto &model) {
  const Loaded loaded = load(model);
  EXPECT_TRUE(loaded.sound) << loaded.text();
  return loaded.model.graph;
}

TEST(OnnxFunction, InlinesWithUniqueNames) {
  ModelProto model = makeCall(
      {makeFunction("f", {"a"}, {"b"}, {makeNode("n", "Relu", {"a"}, {"t"}), makeNode("m", "Neg", {"t"}, {"b"})})});
  *model.mutable_graph()->add_node() = makeNode("call2", "f", {"y"}, {"t"}, "local");
  const Graph graph = inlined(model);
  ASSERT_EQ(graph.nodes.size(), 4u);
  EXPECT_EQ(graph.nodes[0].name, "call/n");
  EXPECT_EQ(graph.nodes[0].inputs[0], "x");
  EXPECT_EQ(graph.nodes[1].outputs[0], "y");
  EXPECT_EQ(graph.nodes[2].name, "call2/n");
  EXPECT_NE(graph.nodes[0].outputs[0], graph.nodes[2].outputs[0]);
  EXPECT_EQ(graph.nodes[3].outputs[0], "t");
}

TEST(OnnxFunction, OpsetOfTheFunction) {
  FunctionProto function = makeFunction("f", {"a"}, {"b"}, {makeNode("n", "Relu", {"a"}, {"b"})});
  function.mutable_opset_import(0)->set_version(13);
  EXPECT_EQ(inlined(makeCall({function})).nodes[0].opset, 13);
  function.mutable_opset_import(0)->set_version(99);
  expectUnsupported(makeCall({function}), {"'local.f'", "99"});
  function.clear_opset_import();
  expectInvalid(makeCall({function}), {"'call/n'", "import"});
}

static FunctionProto leaky() {
  NodeProto node = makeNode("n", "LeakyRelu", {"a"}, {"b"});
  addAttribute(node, "alpha", AttributeProto::FLOAT).set_ref_attr_name("slope");
  return makeFunction("f", {"a"}, {"b"}, {node});
}

TEST(OnnxFunction, AttributesAndDefaults) {
  FunctionProto function = leaky();
  function.add_attribute("slope");
  ModelProto model = makeCall({function});
  EXPECT_EQ(inlined(model).nodes[0].attributes.count("alpha"), 0u);
  addAttribute(*model.mutable_graph()->mutable_node(0), "slope", AttributeProto::FLOAT).set_f(0.5f);
  EXPECT_EQ(inlined(model).nodes[0].attributes["alpha"].f, 0.5f);

  function.clear_attribute();
  AttributeProto &value = *function.add_attribute_proto();
  value.set_name("slope");
  value.set_type(AttributeProto::FLOAT);
  value.set_f(0.25f);
  model = makeCall({function});
  EXPECT_EQ(inlined(model).nodes[0].attributes["alpha"].f, 0.25f);
  addAttribute(*model.mutable_graph()->mutable_node(0), "slope", AttributeProto::FLOAT).set_f(0.5f);
  EXPECT_EQ(inlined(model).nodes[0].attributes["alpha"].f, 0.5f);
}

TEST(OnnxFunction, AttributesPassThroughCalls) {
  NodeProto call = makeNode("c", "f", {"a"}, {"b"}, "local");
  addAttribute(call, "slope", AttributeProto::FLOAT).set_ref_attr_name("outer");
  FunctionProto outer = makeFunction("g", {"a"}, {"b"}, {call});
  outer.add_attribute("outer");
  FunctionProto inner = leaky();
  inner.add_attribute("slope");
  ModelProto model = makeCall({inner, outer}, "g");
  addAttribute(*model.mutable_graph()->mutable_node(0), "outer", AttributeProto::FLOAT).set_f(0.125f);
  const Graph graph = inlined(model);
  EXPECT_EQ(graph.nodes[0].name, "call/c/n");
  EXPECT_EQ(graph.nodes[0].attributes.find("alpha")->second.f, 0.125f);
}

TEST(OnnxFunction, AttributeErrors) {
  ModelProto model = makeCall({leaky()});
  addAttribute(*model.mutable_graph()->mutable_node(0), "other", AttributeProto::FLOAT).set_f(1);
  expectInvalid(model, {"'call'", "'other'", "does not declare"});
  FunctionProto function = leaky();
  function.add_attribute("slope");
  model = makeCall({function});
  addAttribute(*model.mutable_graph()->mutable_node(0), "slope", AttributeProto::INT).set_i(1);
  expectInvalid(model, {"'call/n'", "'alpha'", "'slope'"});
  function.add_attribute("slope");
  expectInvalid(makeCall({function}), {"'local.f'", "'slope'", "twice"});
}

TEST(OnnxFunction, Overloads) {
  FunctionProto plain = makeFunction("f", {"a"}, {"b"}, {makeNode("n", "Relu", {"a"}, {"b"})});
  FunctionProto other = makeFunction("f", {"a"}, {"b"}, {makeNode("n", "Neg", {"a"}, {"b"})});
  other.set_overload("neg");
  ModelProto model = makeCall({plain, other});
  EXPECT_EQ(inlined(model).nodes[0].op, "Relu");
  model.mutable_graph()->mutable_node(0)->set_overload("neg");
  EXPECT_EQ(inlined(model).nodes[0].op, "Neg");
  model.mutable_graph()->mutable_node(0)->set_overload("none");
  expectInvalid(model, {"'call'", "'none'"});
  expectInvalid(makeCall({plain, plain}), {"'local.f'", "defined twice"});
}

TEST(OnnxFunction, PassThroughAndAbsentOutputs) {
  FunctionProto function = makeFunction("f", {"a"}, {"a", "b"}, {makeNode("n", "Relu", {"a"}, {"b"})});
  const Graph graph = inlined(makeCall({function}));
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].op, "Identity");
  EXPECT_EQ(graph.nodes[0].outputs[0], "y");
}

TEST(OnnxFunction, AbsentInputs) {
  FunctionProto function = makeFunction("f", {"a", "c"}, {"b"}, {makeNode("n", "Clip", {"a", "c"}, {"b"})});
  EXPECT_EQ(inlined(makeCall({function})).nodes[0].inputs, (std::vector<std::string>{"x", ""}));
  function = makeFunction("f", {"a", "c"}, {"c"}, {});
  expectInvalid(makeCall({function}), {"'call'", "omits the input 'c'"});
}

TEST(OnnxFunction, WrongCounts) {
  FunctionProto function = makeFunction("f", {}, {"b"}, {makeNode("n", "Constant", {}, {"b"})});
  expectInvalid(makeCall({function}), {"'call'", "1 inputs"});
  function = makeFunction("f", {"a"}, {}, {});
  expectInvalid(makeCall({function}), {"'call'", "1 outputs"});
}

TEST(OnnxFunction, BodyErrors) {
  expectInvalid(makeCall({makeFunction("f", {"a"}, {"b"}, {})}), {"'local.f'", "'b'", "none of its nodes"});
  expectInvalid(makeCall({makeFunction("f", {"a", "a"}, {"a"}, {})}), {"'local.f'", "'a'", "twice"});
  const NodeProto node = makeNode("n", "Relu", {"a"}, {"b"});
  expectInvalid(makeCall({makeFunction("f", {"a"}, {"b"}, {node, node})}), {"'local.f'", "'b'", "twice"});
  expectInvalid(makeCall({makeFunction("f", {"a"}, {"b", "b"}, {node})}), {"'local.f'", "'b'", "twice"});
  // A body sees nothing of the graph that calls it.
  expectInvalid(makeCall({makeFunction("f", {"a"}, {"b"}, {makeNode("n", "Relu", {"x"}, {"b"})})}),
                {"'call/n'", "'x'"});
}

TEST(OnnxFunction, NamesInBodies) {
  expectInvalid(makeCall({makeFunction("f", {"a"}, {"b"},
                                       {makeNode("n", "Relu", {"a"}, {"b"}), makeNode("m", "Relu", {"a"}, {"\xff"})})}),
                {"'local.f'", "UTF-8"});
  expectInvalid(makeCall({makeFunction("f", {"a", std::string((1 << 20) + 1, 'n')}, {"a"}, {})}),
                {"'local.f'", "1048577 bytes"});
}

TEST(OnnxFunction, Recursion) {
  const FunctionProto self = makeFunction("f", {"a"}, {"b"}, {makeNode("n", "f", {"a"}, {"b"}, "local")});
  expectInvalid(makeCall({self}), {"cycle", "'f' -> 'f'"});
  const FunctionProto one = makeFunction("f", {"a"}, {"b"}, {makeNode("n", "g", {"a"}, {"b"}, "local")});
  const FunctionProto two = makeFunction("g", {"a"}, {"b"}, {makeNode("n", "f", {"a"}, {"b"}, "local")});
  expectInvalid(makeCall({one, two}), {"cycle", "'f'", "'g'"});
  NodeProto branching = makeNode("i", "If", {"a"}, {"b"});
  GraphProto &branch = *addAttribute(branching, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_node() = makeNode("n", "f", {"a"}, {"c"}, "local");
  setValue(*branch.add_output(), "c", TensorProto::FLOAT, {});
  expectInvalid(makeCall({makeFunction("f", {"a"}, {"b"}, {branching})}), {"cycle", "'f'"});
}

/// f0 is a Relu, and each further function calls the one before `times` times in a chain.
static std::vector<FunctionProto> tower(int levels, int times) {
  std::vector<FunctionProto> functions = {makeFunction("f0", {"a"}, {"b"}, {makeNode("n", "Relu", {"a"}, {"b"})})};
  for (int level = 1; level < levels; ++level) {
    std::vector<NodeProto> nodes;
    for (int i = 0; i < times; ++i)
      nodes.push_back(makeNode("n", "f" + std::to_string(level - 1), {i == 0 ? "a" : "t" + std::to_string(i)},
                               {i == times - 1 ? "b" : "t" + std::to_string(i + 1)}, "local"));
    functions.push_back(makeFunction("f" + std::to_string(level), {"a"}, {"b"}, nodes));
  }
  return functions;
}

TEST(OnnxFunction, CallDepth) {
  EXPECT_EQ(inlined(makeCall(tower(64, 1), "f63")).nodes.size(), 1u);
  expectInvalid(makeCall(tower(65, 1), "f64"), {"'local.f64'", "64 levels"});
  expectInvalid(makeCall(tower(5000, 1), "f64"), {"'local.f64'", "64 levels"});
}

TEST(OnnxFunction, Explosion) {
  EXPECT_EQ(inlined(makeCall(tower(11, 2), "f10")).nodes.size(), 1024u);
  expectInvalid(makeCall(tower(64, 2), "f63"), {"1000000 nodes"});
  expectInvalid(makeCall(tower(60, 100), "f59"), {"1000000 nodes"});
}

TEST(OnnxFunction, AttributeExplosion) {
  std::vector<FunctionProto> functions = tower(17, 2);
  addAttribute(*functions[0].mutable_node(0), "text", AttributeProto::STRING).set_s(std::string(1 << 20, 's'));
  expectInvalid(makeCall(functions, "f16"), {"names and attributes exceed"});
}

TEST(OnnxFunction, TooMany) {
  std::vector<FunctionProto> functions(10001);
  expectInvalid(makeCall(functions), {"10001 local functions"});
}

TEST(OnnxFunction, GraphAttributesOfCalls) {
  FunctionProto function = makeFunction("f", {"a"}, {"b"}, {makeNode("n", "Relu", {"a"}, {"b"})});
  function.add_attribute("body");
  ModelProto model = makeCall({function});
  GraphProto &graph = *addAttribute(*model.mutable_graph()->mutable_node(0), "body", AttributeProto::GRAPH).mutable_g();
  setValue(*graph.add_output(), "x", TensorProto::FLOAT, {});
  expectUnsupported(model, {"'call'", "'body'"});
}

TEST(OnnxFunction, CaptureInsideABody) {
  NodeProto branching = makeNode("i", "If", {"a"}, {"b"});
  GraphProto &branch = *addAttribute(branching, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_node() = makeNode("n", "Relu", {"a"}, {"c"});
  setValue(*branch.add_output(), "c", TensorProto::FLOAT, {});
  const Graph graph = inlined(makeCall({makeFunction("f", {"a"}, {"b"}, {branching})}));
  const Graph &inner = *graph.nodes[0].attributes.find("then_branch")->second.graph;
  EXPECT_EQ(inner.nodes[0].inputs[0], "x");
  EXPECT_EQ(inner.outputs[0].name, inner.nodes[0].outputs[0]);
}
