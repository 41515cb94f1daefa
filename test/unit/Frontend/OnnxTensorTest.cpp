#include "OnnxTestModel.h"

using namespace anybit::onnx;
using namespace anybit::onnx::test;

static void expectInvalidTensor(const TensorProto &tensor, std::vector<std::string> words) {
  words.push_back("'w'");
  expectInvalid(withInitializer(tensor), words);
}

static std::vector<char> bytesOf(const TensorProto &tensor) {
  const Loaded loaded = load(withInitializer(tensor));
  EXPECT_TRUE(loaded.sound) << loaded.text();
  const auto found = loaded.model.graph.initializers.find("w");
  if (found == loaded.model.graph.initializers.end())
    return {};
  return found->second.bytes().vec();
}

TEST(OnnxTensor, RawDataIsKept) {
  EXPECT_EQ(bytesOf(makeTensor("w", TensorProto::FLOAT, {1}, "\1\2\3\4")), (std::vector<char>{1, 2, 3, 4}));
}

TEST(OnnxTensor, EmptyTensorNeedsNoData) { EXPECT_TRUE(bytesOf(makeTensor("w", TensorProto::FLOAT, {0, 3})).empty()); }

TEST(OnnxTensor, SubBytesAreUnpacked) {
  EXPECT_EQ(bytesOf(makeTensor("w", TensorProto::INT4, {3}, "\xf1\x08")), (std::vector<char>{1, -1, -8}));
  EXPECT_EQ(bytesOf(makeTensor("w", TensorProto::UINT4, {3}, "\xf1\x08")), (std::vector<char>{1, 15, 8}));
  EXPECT_EQ(bytesOf(makeTensor("w", TensorProto::INT2, {5}, "\xe4\x03")), (std::vector<char>{0, 1, -2, -1, -1}));
  EXPECT_EQ(bytesOf(makeTensor("w", TensorProto::UINT2, {5}, "\xe4\x03")), (std::vector<char>{0, 1, 2, 3, 3}));
}

TEST(OnnxTensor, TypedFields) {
  TensorProto tensor = makeTensor("w", TensorProto::INT8, {2});
  tensor.add_int32_data(-128);
  tensor.add_int32_data(127);
  EXPECT_EQ(bytesOf(tensor), (std::vector<char>{-128, 127}));
  tensor = makeTensor("w", TensorProto::INT4, {3});
  tensor.add_int32_data(0xf1);
  tensor.add_int32_data(0x08);
  EXPECT_EQ(bytesOf(tensor), (std::vector<char>{1, -1, -8}));
  tensor = makeTensor("w", TensorProto::UINT32, {1});
  tensor.add_uint64_data(0x04030201);
  EXPECT_EQ(bytesOf(tensor), (std::vector<char>{1, 2, 3, 4}));
  tensor = makeTensor("w", TensorProto::FLOAT16, {1});
  tensor.add_int32_data(0xfe01);
  EXPECT_EQ(bytesOf(tensor), (std::vector<char>{1, char(0xfe)}));
  tensor = makeTensor("w", TensorProto::INT64, {1});
  tensor.add_int64_data(-2);
  EXPECT_EQ(bytesOf(tensor), (std::vector<char>{-2, -1, -1, -1, -1, -1, -1, -1}));
  tensor = makeTensor("w", TensorProto::DOUBLE, {1});
  tensor.add_double_data(1);
  EXPECT_EQ(bytesOf(tensor), (std::vector<char>{0, 0, 0, 0, 0, 0, char(0xf0), 0x3f}));
}

TEST(OnnxTensor, NotANumberIsData) {
  TensorProto tensor = makeTensor("w", TensorProto::FLOAT, {1});
  tensor.add_float_data(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(bytesOf(tensor).size(), 4u);
}

// Declared shape larger or smaller than the data.
TEST(OnnxTensor, RawDataLength) {
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {4}, "abc"), {"3 bytes", "16"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {1}, "abcde"), {"5 bytes", "4"});
  expectInvalidTensor(makeTensor("w", TensorProto::INT4, {5}, "ab"), {"2 bytes", "3"});
  expectInvalidTensor(makeTensor("w", TensorProto::INT4, {3}, "abc"), {"3 bytes", "2"});
  expectInvalidTensor(makeTensor("w", TensorProto::UINT2, {9}, "ab"), {"2 bytes", "3"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {}, "abcdefgh"), {"8 bytes", "4"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {0}, "abcd"), {"4 bytes", "need 0"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {1 << 20, 1 << 10}), {"no data"});
}

TEST(OnnxTensor, TypedDataLength) {
  TensorProto tensor = makeTensor("w", TensorProto::FLOAT, {3});
  tensor.add_float_data(1);
  expectInvalidTensor(tensor, {"1 values in float_data", "need 3"});
  tensor = makeTensor("w", TensorProto::INT64, {1});
  tensor.add_int64_data(1);
  tensor.add_int64_data(1);
  expectInvalidTensor(tensor, {"2 values in int64_data", "need 1"});
  tensor = makeTensor("w", TensorProto::DOUBLE, {2});
  tensor.add_double_data(1);
  expectInvalidTensor(tensor, {"1 values in double_data", "need 2"});
  tensor = makeTensor("w", TensorProto::UINT64, {2});
  tensor.add_uint64_data(1);
  expectInvalidTensor(tensor, {"1 values in uint64_data", "need 2"});
  tensor = makeTensor("w", TensorProto::INT32, {2});
  tensor.add_int32_data(1);
  expectInvalidTensor(tensor, {"1 values in int32_data", "need 2"});
  tensor = makeTensor("w", TensorProto::UINT4, {5});
  tensor.add_int32_data(1);
  expectInvalidTensor(tensor, {"1 values in int32_data", "need 3"});
}

TEST(OnnxTensor, TypedDataRange) {
  TensorProto tensor = makeTensor("w", TensorProto::UINT8, {1});
  tensor.add_int32_data(256);
  expectInvalidTensor(tensor, {"256", "uint8"});
  tensor = makeTensor("w", TensorProto::FLOAT16, {1});
  tensor.add_int32_data(-1);
  expectInvalidTensor(tensor, {"-1", "float16"});
  tensor = makeTensor("w", TensorProto::UINT32, {1});
  tensor.add_uint64_data(uint64_t(1) << 32);
  expectInvalidTensor(tensor, {"4294967296", "uint32"});
  tensor = makeTensor("w", TensorProto::BOOL, {1}, "\2");
  expectInvalidTensor(tensor, {"bool", "other than 0 and 1"});
}

TEST(OnnxTensor, WrongField) {
  TensorProto tensor = makeTensor("w", TensorProto::FLOAT, {1});
  tensor.add_int32_data(1);
  expectInvalidTensor(tensor, {"float", "int32_data"});
  tensor.add_float_data(1);
  expectInvalidTensor(tensor, {"both float_data and int32_data"});
}

// Overflow of shape products, negative and huge dimensions, huge rank.
TEST(OnnxTensor, Dimensions) {
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {-1}, "abcd"), {"negative", "-1"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {2, INT64_MIN}), {"negative"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {int64_t(1) << 33, int64_t(1) << 33}), {"product"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {int64_t(1) << 62, 4}), {"product"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {(int64_t(1) << 31) + 1}), {"product"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, {0, INT64_MAX, 2}), {"product"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, std::vector<int64_t>(65, 1), "abcd"), {"rank 65", "64"});
  expectInvalidTensor(makeTensor("w", TensorProto::FLOAT, std::vector<int64_t>(1000000, 1)), {"rank 1000000"});
}

TEST(OnnxTensor, ElementTypes) {
  expectInvalidTensor(makeTensor("w", 999, {1}, "abcd"), {"999"});
  expectInvalidTensor(makeTensor("w", -1, {1}, "abcd"), {"-1"});
  expectInvalidTensor(makeTensor("w", TensorProto::UNDEFINED, {1}, "abcd"), {"no element type"});
  expectUnsupported(withInitializer(makeTensor("w", TensorProto::COMPLEX64, {1}, "12345678")), {"'w'", "COMPLEX64"});
  expectUnsupported(withInitializer(makeTensor("w", TensorProto::FLOAT8E4M3FN, {1}, "1")), {"'w'", "FLOAT8E4M3FN"});
  TensorProto strings = makeTensor("w", TensorProto::STRING, {1});
  strings.add_string_data("text");
  expectUnsupported(withInitializer(strings), {"'w'", "strings"});
}

TEST(OnnxTensor, SegmentsAndSparse) {
  TensorProto tensor = makeTensor("w", TensorProto::FLOAT, {1}, "abcd");
  tensor.mutable_segment()->set_begin(0);
  expectUnsupported(withInitializer(tensor), {"'w'", "segment"});
  ModelProto model = makeModel();
  *model.mutable_graph()->add_sparse_initializer()->mutable_values() = makeTensor("s", TensorProto::FLOAT, {1}, "abcd");
  expectUnsupported(model, {"'s'", "sparse"});
}

TEST(OnnxTensor, UnknownDataLocation) {
  TensorProto tensor = makeTensor("w", TensorProto::FLOAT, {1}, "abcd");
  tensor.mutable_unknown_fields()->append("\x70\x07"); // data_location 7
  expectInvalidTensor(tensor, {"data location"});
}

TEST(OnnxTensor, TotalSize) {
  LoadOptions options;
  options.limits.tensorBytes = 7;
  ModelProto model = withInitializer(makeTensor("w", TensorProto::FLOAT, {1}, "abcd"));
  EXPECT_TRUE(load(model, "", options).sound);
  *model.mutable_graph()->add_initializer() = makeTensor("w2", TensorProto::FLOAT, {1}, "abcd");
  expectProblem(load(model, "", options), Problem::Kind::Invalid, {"'w2'", "more than 7 bytes"});
}

TEST(OnnxTensor, AttributeTensorsGetTheSameChecks) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("c", "Constant", {}, {"k"});
  TensorProto &tensor = *addAttribute(node, "value", AttributeProto::TENSOR).mutable_t();
  tensor = makeTensor("", TensorProto::FLOAT, {4}, "abc");
  expectInvalid(model, {"'c'", "'value'", "3 bytes"});
  tensor = makeTensor("", TensorProto::FLOAT, {-4});
  expectInvalid(model, {"'c'", "'value'", "negative"});
  tensor = makeTensor("", TensorProto::FLOAT, {1}, "abcd");
  expectSound(model);
}
