#include "OnnxTestModel.h"

#include "anybit/Frontend/ONNX/Convention.h"

using namespace anybit::onnx;
using namespace anybit::onnx::test;

static const ConventionFunction tile = {"MixBands", "tile", "haar"};
static const ConventionFunction isSigned = {"FakeQuantSigned", "", ""};

static bool same(const ConventionFunction *found, const ConventionFunction &wanted) {
  return found && found->op == wanted.op && found->layout == wanted.layout && found->wavelet == wanted.wavelet;
}

/// x -> MixBands or FakeQuantSigned -> y.
static ModelProto makeCall(const ConventionFunction &function) {
  ModelProto model = makeModel();
  const FunctionProto body = buildConventionFunction(function);
  NodeProto &node = *model.mutable_graph()->mutable_node(0);
  node = makeNode("call", function.op, std::vector<std::string>(body.input_size(), "x"), {"y"}, "ai.anybit");
  node.set_overload(overloadOf(function));
  return model;
}

TEST(OnnxConvention, EveryBodyIsRecognizedAsItself) {
  EXPECT_EQ(conventionFunctions().size(), 11u);
  for (const ConventionFunction &function : conventionFunctions())
    EXPECT_TRUE(same(recognizeConventionFunction(buildConventionFunction(function)), function)) << function.op;
}

TEST(OnnxConvention, NamesDoNotCount) {
  FunctionProto body = buildConventionFunction(isSigned);
  body.set_doc_string("words");
  for (NodeProto &node : *body.mutable_node()) {
    node.set_name("n_" + node.output(0));
    for (std::string &name : *node.mutable_input())
      name = name.empty() ? name : "r_" + name;
    for (std::string &name : *node.mutable_output())
      name = "r_" + name;
  }
  for (std::string &name : *body.mutable_input())
    name = "r_" + name;
  for (std::string &name : *body.mutable_output())
    name = "r_" + name;
  EXPECT_TRUE(same(recognizeConventionFunction(body), isSigned));
}

TEST(OnnxConvention, EveryChangeOfABodyCounts) {
  const FunctionProto body = buildConventionFunction(tile);
  const auto changed = [&](const auto &change) {
    FunctionProto copy = body;
    change(copy);
    EXPECT_EQ(recognizeConventionFunction(copy), nullptr);
  };
  for (int i = 0; i < body.node_size(); ++i) {
    changed([&](FunctionProto &f) { f.mutable_node(i)->set_op_type("Other"); });
    changed([&](FunctionProto &f) { f.mutable_node(i)->set_domain("other"); });
    changed([&](FunctionProto &f) { addAttribute(*f.mutable_node(i), "more", AttributeProto::INT).set_i(1); });
    for (int j = 0; j < body.node(i).input_size(); ++j)
      changed([&](FunctionProto &f) { f.mutable_node(i)->set_input(j, f.node(i).input(j) == "w" ? "alpha" : "w"); });
    for (int j = 0; j < body.node(i).attribute_size(); ++j)
      changed([&](FunctionProto &f) { f.mutable_node(i)->mutable_attribute(j)->set_name("other"); });
  }
  changed([](FunctionProto &f) { f.mutable_opset_import(0)->set_version(13); });
  changed([](FunctionProto &f) { f.mutable_attribute_proto(0)->set_i(2); });
  changed([](FunctionProto &f) { f.set_output(0, "w"); });
  changed([](FunctionProto &f) { std::swap(*f.mutable_input(0), *f.mutable_input(1)); });
  changed([](FunctionProto &f) { f.mutable_node()->RemoveLast(); });
}

TEST(OnnxConvention, ACallStaysANode) {
  ModelProto model = makeCall(tile);
  addConventionFunctions(model);
  addConventionFunctions(model); // changes nothing the second time
  ASSERT_EQ(model.functions_size(), 1);
  ASSERT_EQ(model.opset_import_size(), 2);
  Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound) << loaded.text();
  ASSERT_EQ(loaded.model.graph.nodes.size(), 1u);
  Node &node = loaded.model.graph.nodes[0];
  EXPECT_EQ(node.domain, "ai.anybit");
  EXPECT_EQ(node.op, "MixBands");
  EXPECT_EQ(node.attributes["layout"].s, "tile");
  EXPECT_EQ(node.attributes["wavelet"].s, "haar");
  EXPECT_EQ(node.attributes["group"].i, 1);
  addAttribute(*model.mutable_graph()->mutable_node(0), "group", AttributeProto::INT).set_i(4);
  loaded = load(model);
  EXPECT_EQ(loaded.model.graph.nodes[0].attributes["group"].i, 4);
}

TEST(OnnxConvention, TheBodyDecidesWhatACallMeans) {
  ModelProto model = makeCall(tile);
  addConventionFunctions(model);
  AttributeProto &attribute = addAttribute(*model.mutable_graph()->mutable_node(0), "layout", AttributeProto::STRING);
  attribute.set_s("tile");
  expectSound(model);
  attribute.set_s("matrix");
  expectInvalid(model, {"'call'", "'matrix'", "'tile'"});
  attribute.set_name("group");
  attribute.clear_s();
  attribute.set_type(AttributeProto::INT);
  attribute.set_i(0);
  expectInvalid(model, {"'call'", "group"});
}

TEST(OnnxConvention, AnotherBodyIsInlined) {
  ModelProto model = makeCall(isSigned);
  FunctionProto impostor =
      makeFunction("FakeQuantSigned", {"x", "scale", "bits"}, {"y"}, {makeNode("n", "Identity", {"x"}, {"y"})});
  impostor.set_domain("ai.anybit");
  *model.add_functions() = impostor;
  const Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound) << loaded.text();
  ASSERT_EQ(loaded.model.graph.nodes.size(), 1u);
  EXPECT_EQ(loaded.model.graph.nodes[0].op, "Identity");
}

TEST(OnnxConvention, ABodyUnderAForeignNameMeansWhatItComputes) {
  ModelProto model = makeCall(isSigned);
  FunctionProto renamed = buildConventionFunction({"FakeQuantOdd", "", ""});
  renamed.set_name("FakeQuantSigned");
  *model.add_functions() = renamed;
  const Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound) << loaded.text();
  EXPECT_EQ(loaded.model.graph.nodes[0].op, "FakeQuantOdd");
}

TEST(OnnxConvention, ACallNeedsABodyAndItsInputs) {
  ModelProto model = makeCall(isSigned);
  expectInvalid(model, {"'call'", "'ai.anybit.FakeQuantSigned'", "does not define"});
  addConventionFunctions(model);
  model.mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
  expectInvalid(model, {"'call'", "3 inputs"});
}

TEST(OnnxConvention, CallsInsideLocalFunctions) {
  ModelProto model = makeCall(isSigned);
  addConventionFunctions(model);
  FunctionProto outer =
      makeFunction("f", {"a"}, {"b"}, {makeNode("n", "FakeQuantSigned", {"a", "a", "a"}, {"b"}, "ai.anybit")});
  *model.add_functions() = outer;
  *model.mutable_graph()->mutable_node(0) = makeNode("call", "f", {"x"}, {"y"}, "local");
  const Loaded loaded = load(model);
  ASSERT_TRUE(loaded.sound) << loaded.text();
  EXPECT_EQ(loaded.model.graph.nodes[0].op, "FakeQuantSigned");
  EXPECT_EQ(loaded.model.graph.nodes[0].domain, "ai.anybit");
}
