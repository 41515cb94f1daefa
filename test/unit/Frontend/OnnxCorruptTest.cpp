//===- OnnxCorruptTest.cpp - damaged files return cleanly -----------------===//
#include "OnnxTestModel.h"

#include "anybit/Frontend/ONNX/Convention.h"

#include <random>

using namespace anybit::onnx;
using namespace anybit::onnx::test;

/// A file with something of everything that the reader looks at.
static std::string makeSeed() {
  ModelProto model = withInitializer(makeTensor("w", TensorProto::FLOAT, {2, 2}, std::string(16, 'w')));
  GraphProto &graph = *model.mutable_graph();
  TensorProto typed = makeTensor("q", TensorProto::INT4, {3});
  typed.add_int32_data(1);
  typed.add_int32_data(2);
  *graph.add_initializer() = typed;
  FunctionProto function = makeFunction("f", {"a"}, {"b"}, {makeNode("n", "Relu", {"a"}, {"b"})});
  function.add_attribute("k");
  *model.add_functions() = function;
  *graph.add_node() = makeNode("call", "f", {"x"}, {"z"}, "local");
  NodeProto &quantize = *graph.add_node();
  quantize = makeNode("quantize", "FakeQuantSigned", {"x", "w", "q"}, {"xq"}, "ai.anybit");
  NodeProto &branching = *graph.add_node();
  branching = makeNode("if", "If", {"x"}, {"c"});
  GraphProto &branch = *addAttribute(branching, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_node() = makeNode("inner", "Relu", {"z"}, {"r"});
  setValue(*branch.add_output(), "r", TensorProto::FLOAT, {2});
  auto &entry = *model.add_metadata_props();
  entry.set_key("anybit.candidates");
  entry.set_value("w8a8,w4a4");
  setValue(*graph.add_input(), "candidate", TensorProto::INT64, {});
  *graph.add_node() = makeNode("row", "Gather", {"w", "candidate"}, {"scale"});
  addConventionFunctions(model);
  return model.SerializeAsString();
}

/// Loads, and expects either success or at least one problem, each with words.
static bool loadsCleanly(const std::string &bytes) {
  Loaded loaded;
  loaded.sound = loadModelFromBytes(bytes, "", {}, loaded.model, loaded.problems);
  EXPECT_EQ(loaded.sound, loaded.problems.empty());
  for (const Problem &problem : loaded.problems)
    EXPECT_FALSE(problem.text.empty());
  return loaded.sound;
}

TEST(OnnxCorrupt, TheSeedItselfIsSound) {
  Loaded loaded;
  const std::string seed = makeSeed();
  EXPECT_TRUE(loadModelFromBytes(seed, "", {}, loaded.model, loaded.problems)) << loaded.text();
}

TEST(OnnxCorrupt, EveryTruncation) {
  const std::string seed = makeSeed();
  int sound = 0;
  for (size_t length = 0; length < seed.size(); ++length)
    sound += loadsCleanly(seed.substr(0, length));
  EXPECT_LT(sound, 10); // only cuts between two fields of the model leave a file
}

TEST(OnnxCorrupt, BitFlips) {
  const std::string seed = makeSeed();
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = seed;
    for (int flips = 1 + random() % 3; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= 1 << random() % 8;
    refused += !loadsCleanly(bytes);
  }
  EXPECT_GT(refused, 1000);
}

TEST(OnnxCorrupt, NotOnnx) {
  EXPECT_FALSE(loadsCleanly(""));
  EXPECT_FALSE(loadsCleanly("#!/bin/sh\necho hello\n"));
  EXPECT_FALSE(loadsCleanly(std::string(1000, '\xff')));
  EXPECT_FALSE(loadsCleanly(std::string(1000, '\0')));
}
