//===- PrepareTest.cpp - layers and places of quantizers ------------------===//
#include "QuantizeTestGraph.h"

#include "Calibrate.h"

#include "gtest/gtest.h"

using namespace anybit::quantize;
using anybit::onnx::Problem;
using Kind = Step::Kind;

TEST(Layers, BatchNormBecomesTheAffine) {
  TestGraph test({1, 2, 4, 4});
  test.conv("x", "c");
  test.constant("scale", {2}, {2, 4});
  test.constant("bias", {2}, {1, 0});
  test.constant("mean", {2}, {3, 0});
  test.constant("var", {2}, {4, 1});
  test.add("BatchNormalization", {"c", "scale", "bias", "mean", "var"}, "y");
  test.result("y");
  Network network = test.prepared();
  ASSERT_EQ(network.layers.size(), 1u);
  EXPECT_NEAR(network.layers[0].gain[0], 1, 1e-5);
  EXPECT_NEAR(network.layers[0].gain[1], 4, 1e-4);
  EXPECT_NEAR(network.layers[0].shift[0], 1 - 3, 1e-4);
  EXPECT_TRUE(network.layers[0].outer);
  EXPECT_EQ(stepOf(network, "y")->kind, Kind::Affine);
  EXPECT_EQ(stepOf(network, "c")->kind, Kind::Layer);
}

TEST(Layers, ConstantAdditionBehindAConvIsItsBias) {
  TestGraph test({1, 2, 4, 4});
  test.conv("x", "c");
  test.constant("b", {2, 1, 1}, {5, 6});
  test.add("Add", {"c", "b"}, "y");
  test.result("y");
  Network network = test.prepared();
  EXPECT_EQ(network.layers[0].shift, (std::vector<double>{5, 6}));
  EXPECT_FALSE(network.layers[0].norm);
}

TEST(Layers, AConvReadTwiceKeepsItsAddition) {
  TestGraph test({1, 2, 4, 4});
  test.conv("x", "c");
  test.constant("b", {2, 1, 1}, {5, 6});
  test.add("Add", {"c", "b"}, "y");
  test.result("y");
  test.result("c");
  Network network = test.prepared();
  EXPECT_EQ(network.layers[0].shift, (std::vector<double>{0, 0}));
  EXPECT_EQ(stepOf(network, "y")->node.op, "Add");
}

TEST(Place, QuantizerGoesInFrontOfThePool) {
  TestGraph test({1, 2, 4, 4});
  test.conv("x", "c");
  test.add("Relu", {"c"}, "r");
  test.add("MaxPool", {"r"}, "p");
  test.conv("p", "y");
  test.result("y");
  Network network = test.prepared();
  std::vector<const Step *> quantizers = stepsOf(network, Kind::Quantizer);
  ASSERT_EQ(quantizers.size(), 2u);
  EXPECT_EQ(quantizers[0]->node.inputs[0], "x");
  EXPECT_EQ(quantizers[1]->node.inputs[0], "r");
  ASSERT_TRUE(stepOf(network, "p")) << "a pool on codes keeps its name where nothing reads the real one";
  EXPECT_EQ(stepOf(network, "p")->node.inputs[0], quantizers[1]->node.outputs[0]);
}

TEST(Place, ConcatSharesOneSite) {
  TestGraph test({1, 2, 4, 4});
  test.conv("x", "a");
  test.conv("x", "b");
  test.add("Concat", {"a", "b"}, "c").attributes["axis"].i = 1;
  test.conv("c", "y", 4);
  test.result("y");
  Network network = test.prepared();
  ASSERT_EQ(network.sites.size(), 2u);
  EXPECT_EQ(network.sites[1].sources, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(network.sites[1].readers, std::vector<unsigned>{2});
}

TEST(Place, OneAddendOfAResidualIsEightBitCodes) {
  TestGraph test({1, 2, 4, 4});
  test.conv("x", "a");
  test.add("Relu", {"a"}, "r");
  test.conv("r", "b");
  test.add("Add", {"b", "r"}, "s");
  test.conv("s", "y");
  test.result("y");
  Network network = test.prepared();
  const Step *sum = stepOf(network, "s");
  EXPECT_EQ(sum->node.inputs[0], "b") << "fresh from a layer: stays in the accumulator";
  const Step *addend = stepOf(network, sum->node.inputs[1]);
  ASSERT_EQ(addend->kind, Kind::Quantizer);
  EXPECT_TRUE(network.sites[addend->index].wide);
  llvm::Expected<std::vector<Candidate>> candidates = parseCandidates({"w2a3"}, "", "");
  ASSERT_TRUE(bool(candidates));
  WidthPlan plan = planOf(network, (*candidates)[0], 8);
  EXPECT_EQ(plan.sites[addend->index], 8u);
  EXPECT_EQ(plan.weights, (std::vector<unsigned>{8, 2, 8}));
  const Step *codes = stepOf(network, stepOf(network, "b/acc")->node.inputs[0]);
  EXPECT_EQ(plan.sites[codes->index], 3u);
}

TEST(Place, SiluGetsCodesInFrontAndBehind) {
  TestGraph test({1, 2, 4, 4});
  test.conv("x", "a");
  test.add("Sigmoid", {"a"}, "g");
  test.add("Mul", {"a", "g"}, "s");
  test.conv("s", "y");
  test.add("Sigmoid", {"y"}, "z");
  test.result("z");
  Network network = test.prepared();
  const Step *gate = stepOf(network, "g"), *product = stepOf(network, "s");
  EXPECT_EQ(gate->node.inputs[0], product->node.inputs[0]);
  EXPECT_EQ(stepOf(network, gate->node.inputs[0])->kind, Kind::Quantizer);
  EXPECT_EQ(stepOf(network, "z")->node.inputs[0], "y") << "no quantizer behind it: the edge stays real";
}

TEST(Place, PaddingWithAnotherValueThanZeroIsNoMove) {
  TestGraph test({1, 2, 4, 4});
  test.constant("one", {}, {1});
  test.add("Pad", {"x", "pads", "one"}, "p");
  test.graph.initializers["pads"] = makeTensor({8}, llvm::ArrayRef<int64_t>({0, 0, 1, 1, 0, 0, 1, 1}));
  test.conv("p", "y");
  test.result("y");
  Network network = test.prepared();
  EXPECT_EQ(stepsOf(network, Kind::Quantizer)[0]->node.inputs[0], "p");
}
