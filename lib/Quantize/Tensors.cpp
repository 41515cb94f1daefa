//===- Tensors.cpp - initializers as numbers, and new nodes ---------------===//
#include "Network.h"

#include <cstring>

using namespace llvm;

namespace anybit::quantize {

namespace {

template <typename T> onnx::Tensor build(onnx::ElementType type, ArrayRef<int64_t> dims, ArrayRef<T> values) {
  onnx::Tensor tensor;
  tensor.type = type;
  tensor.dims.assign(dims.begin(), dims.end());
  auto bytes = std::make_shared<std::vector<char>>(values.size() * sizeof(T));
  if (!values.empty())
    std::memcpy(bytes->data(), values.data(), bytes->size());
  tensor.storage = std::move(bytes);
  return tensor;
}

template <typename To, typename From> std::vector<To> read(const onnx::Tensor &tensor) {
  std::vector<To> result(tensor.bytes().size() / sizeof(From));
  for (size_t i = 0; i < result.size(); ++i) {
    From value;
    std::memcpy(&value, tensor.bytes().data() + i * sizeof(From), sizeof(From));
    result[i] = To(value);
  }
  return result;
}

} // namespace

onnx::Node makeNode(std::string name, StringRef op, std::vector<std::string> inputs, std::string output) {
  onnx::Node node;
  node.name = std::move(name);
  node.op = op.str();
  node.opset = 17;
  node.inputs = std::move(inputs);
  node.outputs = {std::move(output)};
  return node;
}

int64_t countOf(ArrayRef<int64_t> dims) {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

std::vector<float> floatsOf(const onnx::Tensor &tensor) { return read<float, float>(tensor); }

std::vector<int64_t> intsOf(const onnx::Tensor &tensor) {
  return tensor.type == onnx::ElementType::Int32 ? read<int64_t, int32_t>(tensor) : read<int64_t, int64_t>(tensor);
}

onnx::Tensor makeTensor(ArrayRef<int64_t> dims, ArrayRef<float> values) {
  return build(onnx::ElementType::Float, dims, values);
}

onnx::Tensor makeTensor(ArrayRef<int64_t> dims, ArrayRef<int64_t> values) {
  return build(onnx::ElementType::Int64, dims, values);
}

} // namespace anybit::quantize
