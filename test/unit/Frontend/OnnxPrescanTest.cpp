//===- OnnxPrescanTest.cpp - files that cost more than they weigh ---------===//
#include "OnnxTestModel.h"

#include <sys/resource.h>

using namespace anybit::onnx;
using namespace anybit::onnx::test;

/// The serialized model with `count` empty messages in field `field` of its graph: two bytes each.
static std::string withEmptyMessages(int field, int count) {
  ModelProto model = makeModel();
  std::string bytes = model.SerializeAsString();
  std::string graph;
  for (int i = 0; i < count; ++i) {
    graph.push_back(char(field << 3 | 2));
    graph.push_back(0);
  }
  ModelProto tail;
  std::string head = "\x3a"; // field 7, with a length: merged into the graph
  for (size_t rest = graph.size(); true; rest >>= 7) {
    head.push_back(char((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
    if (rest <= 0x7f)
      break;
  }
  return bytes + head + graph;
}

// Nodes, initializers, inputs.
TEST(OnnxGraph, EmptyMessagesAreCountedBeforeTheyAreMade) {
  for (int field : {1, 5, 11}) {
    const std::string bytes = withEmptyMessages(field, 1000);
    LoadOptions options;
    options.limits.parsedBytes = 40000;
    Loaded loaded;
    loaded.sound = loadModelFromBytes(bytes, "", options, loaded.model, loaded.problems);
    expectProblem(loaded, Problem::Kind::Invalid, {"more than 40000 bytes of memory"});
    options.limits.parsedBytes = 1000000;
    Loaded larger;
    larger.sound = loadModelFromBytes(bytes, "", options, larger.model, larger.problems);
    EXPECT_FALSE(larger.sound);
    EXPECT_EQ(larger.text().find("bytes of memory"), std::string::npos) << larger.text();
  }
}

TEST(OnnxGraph, TenMillionEmptyNodesTakeNoMemory) {
  rusage before = {}, after = {};
  const std::string bytes = withEmptyMessages(1, 10000000);
  getrusage(RUSAGE_SELF, &before);
  Loaded loaded;
  loaded.sound = loadModelFromBytes(bytes, "", {}, loaded.model, loaded.problems);
  getrusage(RUSAGE_SELF, &after);
  expectProblem(loaded, Problem::Kind::Invalid, {"bytes of memory"});
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 100000); // kilobytes; parsed, they take 2 GB
}

TEST(OnnxGraph, NestedMessagesAreCounted) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("if", "If", {"x"}, {"z"});
  GraphProto &branch = *addAttribute(node, "then_branch", AttributeProto::GRAPH).mutable_g();
  for (int i = 0; i < 500; ++i)
    branch.add_node()->add_input("x");
  auto &shape = *model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  LoadOptions options;
  options.limits.parsedBytes = 60000;
  expectProblem(load(model, "", options), Problem::Kind::Invalid, {"bytes of memory"});
  branch.clear_node();
  setValue(*branch.add_output(), "x", TensorProto::FLOAT, {2});
  for (int i = 0; i < 2000; ++i)
    shape.add_dim();
  expectProblem(load(model, "", options), Problem::Kind::Invalid, {"bytes of memory"});
}
