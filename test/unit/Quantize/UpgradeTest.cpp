//===- UpgradeTest.cpp - nodes brought to opset 17, and what is known of them -===//
#include "QuantizeTestGraph.h"

#include "Facts.h"

#include "gtest/gtest.h"

using namespace anybit::quantize;
using anybit::onnx::Attribute;
using anybit::onnx::ElementType;
using anybit::onnx::Graph;
using anybit::onnx::Node;
using anybit::onnx::Problem;
using llvm::ArrayRef;

/// Brings the graph to opset 17; returns the problems, a line each.
static std::string upgraded(TestGraph &test) {
  std::vector<Problem> problems;
  upgradeToOpset17(test.graph, problems);
  std::string text;
  for (const Problem &problem : problems)
    text += problem.text + "\n";
  return text;
}

static std::vector<std::string> opsOf(const Graph &graph) {
  std::vector<std::string> ops;
  for (const Node &node : graph.nodes)
    ops.push_back(node.op);
  return ops;
}

static void setInts(TestGraph &test, const std::string &name, std::vector<int64_t> values) {
  test.graph.initializers[name] = makeTensor({int64_t(values.size())}, ArrayRef<int64_t>(values));
}

static Attribute ints(std::vector<int64_t> values) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::Ints;
  attribute.ints = std::move(values);
  return attribute;
}

static Attribute text(const std::string &value) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::String;
  attribute.s = value;
  return attribute;
}

/// A branch that applies `op` to "x".
static Attribute branch(const std::string &op, const std::string &result) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::Graph;
  attribute.graph = std::make_shared<Graph>();
  attribute.graph->nodes.push_back(makeNode(result, op, {"x"}, result));
  attribute.graph->outputs.push_back({result, ElementType::Float, false, {}});
  return attribute;
}

TEST(Upgrade, ClipBoundsBecomeInputs) {
  TestGraph test({1, 2, 4, 4});
  test.opset = 8;
  Attribute six;
  six.kind = Attribute::Kind::Float;
  six.f = 6;
  test.add("Clip", {"x"}, "y").attributes["max"] = six;
  ASSERT_EQ(upgraded(test), "");
  const Node &clip = test.graph.nodes[0];
  ASSERT_EQ(clip.inputs.size(), 3u);
  EXPECT_EQ(clip.inputs[1], "");
  EXPECT_EQ(floatsOf(test.graph.initializers[clip.inputs[2]]), std::vector<float>{6});
  EXPECT_TRUE(clip.attributes.empty());
  EXPECT_EQ(clip.opset, 17);
}

TEST(Upgrade, OldSoftmaxOverSeveralDimensionsKeepsItsMeaning) {
  TestGraph test({1, 2, 4, 4});
  test.opset = 11;
  test.add("Softmax", {"x"}, "y").attributes["axis"].i = 1;
  ASSERT_EQ(upgraded(test), "");
  EXPECT_EQ(opsOf(test.graph), (std::vector<std::string>{"Shape", "Flatten", "Softmax", "Reshape"}));
  EXPECT_EQ(test.graph.nodes[3].outputs[0], "y");
  EXPECT_EQ(test.graph.nodes[1].attributes["axis"].i, 1);
  EXPECT_EQ(test.graph.nodes[2].attributes["axis"].i, -1);
}

TEST(Upgrade, RefusesEveryNodeItCannotExpress) {
  TestGraph test({1, 2, 4, 4});
  test.opset = 20;
  test.add("Mish", {"x"}, "a");
  test.add("Relu", {"a"}, "b");
  test.add("GridSample", {"b"}, "c");
  std::vector<Problem> problems;
  upgradeToOpset17(test.graph, problems);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].kind, Problem::Kind::Unsupported);
  EXPECT_NE(problems[0].text.find("'a' (Mish, opset 20)"), std::string::npos) << problems[0].text;
  EXPECT_NE(problems[1].text.find("GridSample"), std::string::npos);
}

TEST(Upgrade, AConditionThatIsKnownChoosesTheBranch) {
  TestGraph test({1, 2, 4, 4});
  test.add("Shape", {"x"}, "shape");
  setInts(test, "second", {1});
  test.add("Gather", {"shape", "second"}, "channels");
  setInts(test, "two", {2});
  test.add("Equal", {"channels", "two"}, "condition");
  Node &choice = test.add("If", {"condition"}, "y");
  choice.attributes["then_branch"] = branch("Relu", "then");
  choice.attributes["else_branch"] = branch("Neg", "else");
  ASSERT_EQ(upgraded(test), "");
  EXPECT_EQ(opsOf(test.graph), (std::vector<std::string>{"Shape", "Gather", "Equal", "Relu", "Identity"}));
  EXPECT_EQ(test.graph.nodes.back().outputs[0], "y");
}

TEST(Upgrade, AConditionOfAFreeDimensionIsRefused) {
  TestGraph test({1, 2, 4, 4});
  test.graph.inputs[0].dims[0] = {std::nullopt, "N"};
  test.add("Size", {"x"}, "size");
  test.constant("one", {}, {1});
  test.add("Equal", {"size", "one"}, "condition");
  Node &choice = test.add("If", {"condition"}, "y");
  choice.attributes["then_branch"] = branch("Relu", "then");
  choice.attributes["else_branch"] = branch("Neg", "else");
  EXPECT_NE(upgraded(test).find("its condition is not known before the network runs"), std::string::npos);
}

TEST(Simplify, KeepsWhatABranchReads) {
  TestGraph test({1, 2, 4, 4});
  test.add("Neg", {"x"}, "n");
  test.add("Identity", {"n"}, "same");
  test.graph.initializers["condition"] = makeTensor({}, ArrayRef<int64_t>(1));
  Node &choice = test.add("If", {"condition"}, "y");
  choice.attributes["then_branch"] = branch("Relu", "then");
  choice.attributes["then_branch"].graph->nodes[0].inputs = {"same"};
  choice.attributes["else_branch"] = branch("Abs", "else");
  test.result("y");
  simplify(test.graph);
  ASSERT_EQ(upgraded(test), "");
  simplify(test.graph);
  EXPECT_EQ(opsOf(test.graph), (std::vector<std::string>{"Neg", "Relu", "Identity"}));
  EXPECT_EQ(test.graph.nodes[1].inputs[0], "n");
}

TEST(Upgrade, ResizeAxesBecomeScalesOfAllDimensions) {
  TestGraph test({1, 2, 4, 4});
  test.opset = 18;
  test.constant("scales", {2}, {2, 3});
  test.add("Resize", {"x", "", "scales"}, "y").attributes["axes"] = ints({-1, 2});
  ASSERT_EQ(upgraded(test), "");
  const Node &resize = test.graph.nodes[0];
  EXPECT_EQ(floatsOf(test.graph.initializers[resize.inputs[2]]), (std::vector<float>{1, 1, 3, 2}));
  EXPECT_TRUE(resize.attributes.empty());
}

TEST(Upgrade, ResizeAxesOfAFreeDimensionTakeItFromTheInput) {
  TestGraph test({1, 2, 4, 4});
  test.opset = 18;
  test.graph.inputs[0].dims[0] = {std::nullopt, "N"};
  setInts(test, "sizes", {8, 6});
  test.add("Resize", {"x", "", "", "sizes"}, "y").attributes["axes"] = ints({2, 3});
  ASSERT_EQ(upgraded(test), "");
  EXPECT_EQ(opsOf(test.graph), (std::vector<std::string>{"Shape", "Concat", "Resize"}));
  EXPECT_EQ(test.graph.nodes[1].inputs.size(), 4u);
  EXPECT_EQ(test.graph.nodes[2].inputs[3], test.graph.nodes[1].outputs[0]);
}

TEST(Upgrade, KeptAspectRatioBecomesSizesScalesOrARefusal) {
  auto resized = [](int64_t height, int64_t width, const std::string &policy) {
    TestGraph test({1, 2, 10, 6});
    test.opset = 18;
    setInts(test, "sizes", {height, width});
    Node &resize = test.add("Resize", {"x", "", "", "sizes"}, "y");
    resize.attributes["axes"] = ints({2, 3});
    resize.attributes["keep_aspect_ratio_policy"] = text(policy);
    std::string problems = upgraded(test);
    Node last = test.graph.nodes.back();
    return std::make_tuple(problems, last.inputs, test.graph);
  };
  auto [none, inputs, graph] = resized(20, 18, "not_larger");
  EXPECT_EQ(none, "");
  EXPECT_EQ(intsOf(graph.initializers[inputs[3]]), (std::vector<int64_t>{1, 2, 20, 12}));
  std::tie(none, inputs, graph) = resized(20, 18, "not_smaller");
  EXPECT_EQ(none, "");
  EXPECT_EQ(intsOf(graph.initializers[inputs[3]]), (std::vector<int64_t>{1, 2, 30, 18}));
  std::tie(none, inputs, graph) = resized(12, 9, "not_larger");
  EXPECT_EQ(none, "");
  ASSERT_EQ(inputs.size(), 3u) << "7.2 elements are 7, of scale 1.2";
  EXPECT_EQ(floatsOf(graph.initializers[inputs[2]]), (std::vector<float>{1, 1, 1.2f, 1.2f}));
  std::tie(none, inputs, graph) = resized(13, 9, "not_larger");
  EXPECT_NE(none.find("rounds a size up"), std::string::npos) << none;
}

TEST(Upgrade, PadAxesAndWrap) {
  TestGraph test({1, 2, 4, 4});
  test.opset = 19;
  setInts(test, "pads", {1, 2});
  setInts(test, "axes", {-1});
  test.add("Pad", {"x", "pads", "", "axes"}, "a");
  test.add("Pad", {"x", "pads", "", "axes"}, "b").attributes["mode"] = text("wrap");
  ASSERT_EQ(upgraded(test), "");
  EXPECT_EQ(opsOf(test.graph), (std::vector<std::string>{"Pad", "Gather", "Identity"}));
  const Node &pad = test.graph.nodes[0], &gather = test.graph.nodes[1];
  EXPECT_EQ(pad.inputs.size(), 3u);
  EXPECT_EQ(intsOf(test.graph.initializers[pad.inputs[1]]), (std::vector<int64_t>{0, 0, 0, 1, 0, 0, 0, 2}));
  EXPECT_EQ(intsOf(test.graph.initializers[gather.inputs[1]]), (std::vector<int64_t>{3, 0, 1, 2, 3, 0, 1}));
  EXPECT_EQ(gather.attributes.lookup("axis").i, 3);
}

TEST(Upgrade, UpsampleScalesBecomeAnInput) {
  TestGraph test({1, 2, 4, 4});
  test.opset = 8;
  Attribute scales;
  scales.kind = Attribute::Kind::Floats;
  scales.floats = {1, 1, 2, 2};
  test.add("Upsample", {"x"}, "y").attributes["scales"] = scales;
  ASSERT_EQ(upgraded(test), "");
  const Node &resize = test.graph.nodes[0];
  EXPECT_EQ(resize.op, "Resize");
  EXPECT_EQ(floatsOf(test.graph.initializers[resize.inputs[2]]), scales.floats);
  EXPECT_EQ(resize.attributes.lookup("coordinate_transformation_mode").s, "asymmetric");
  EXPECT_EQ(resize.attributes.lookup("nearest_mode").s, "floor");
}

TEST(Upgrade, CastLikeBecomesACastOfTheTypeThatIsKnown) {
  TestGraph test({1, 2, 4, 4});
  test.add("Shape", {"x"}, "shape");
  test.add("CastLike", {"shape", "x"}, "real");
  test.add("CastLike", {"x", "real"}, "same");
  ASSERT_EQ(upgraded(test), "");
  EXPECT_EQ(opsOf(test.graph), (std::vector<std::string>{"Shape", "Cast", "Identity"}));
  EXPECT_EQ(test.graph.nodes[1].attributes.lookup("to").i, int64_t(ElementType::Float));
}

TEST(Upgrade, QuantizedModelsAreRefused) {
  TestGraph test({1, 2, 4, 4});
  test.constant("scale", {}, {1});
  test.add("QuantizeLinear", {"x", "scale"}, "y");
  EXPECT_NE(upgraded(test).find("quantized already"), std::string::npos);
}

TEST(Facts, FollowDimensionsThroughANetwork) {
  TestGraph test({1, 2, 9, 7});
  test.constant("w", {6, 2, 3, 3}, std::vector<float>(108, 1));
  Node &conv = test.add("Conv", {"x", "w"}, "c");
  conv.attributes["strides"] = ints({2, 2});
  conv.attributes["pads"] = ints({1, 1, 1, 1});
  test.add("MaxPool", {"c"}, "p").attributes["kernel_shape"] = ints({2, 2});
  test.add("Concat", {"p", "p"}, "d").attributes["axis"].i = 1;
  test.add("Transpose", {"d"}, "t").attributes["perm"] = ints({0, 2, 3, 1});
  setInts(test, "shape", {0, -1, 6});
  test.add("Reshape", {"t", "shape"}, "r");
  test.add("ReduceMean", {"r"}, "m").attributes["axes"] = ints({-1});
  test.add("Shape", {"m"}, "s");
  Facts facts(test.graph);
  for (const Node &node : test.graph.nodes)
    facts.learn(node);
  EXPECT_EQ(facts.of("c").dims, (Dims{1, 6, 5, 4}));
  EXPECT_EQ(facts.of("p").dims, (Dims{1, 6, 4, 3}));
  EXPECT_EQ(facts.of("d").dims, (Dims{1, 12, 4, 3}));
  EXPECT_EQ(facts.of("t").dims, (Dims{1, 4, 3, 12}));
  EXPECT_EQ(facts.of("r").dims, (Dims{1, 24, 6}));
  EXPECT_EQ(facts.of("m").dims, (Dims{1, 24, 1}));
  EXPECT_EQ(facts.of("s").type, ElementType::Int64);
  EXPECT_EQ(facts.of("s").numbers, (Numbers{1.0, 24.0, 1.0}));
  EXPECT_FALSE(facts.of("nothing").dims.has_value());
}
