#include "Tensors.h"

using namespace anybit::onnx;
using llvm::ArrayRef;
using llvm::SmallVector;

std::optional<int64_t> anybit::onnx::countOf(ArrayRef<int64_t> dims) {
  // A zero makes the product zero, but the others must be sizes all the same.
  int64_t count = 1;
  for (int64_t dim : dims) {
    if (dim < 0 || llvm::MulOverflow(count, dim, count) || count > maxElements)
      return std::nullopt;
  }
  return count;
}

SmallVector<int64_t, 4> anybit::onnx::stridesOf(ArrayRef<int64_t> dims) {
  SmallVector<int64_t, 4> strides(dims.size(), 1);
  for (int64_t d = int64_t(dims.size()) - 2; d >= 0; --d)
    strides[d] = strides[d + 1] * dims[d + 1];
  return strides;
}

bool anybit::onnx::isRealType(ElementType type) {
  return type == ElementType::Float || type == ElementType::Double || type == ElementType::Float16 ||
         type == ElementType::BFloat16;
}

bool anybit::onnx::isSignedType(ElementType type) {
  return type == ElementType::Int8 || type == ElementType::Int16 || type == ElementType::Int32 ||
         type == ElementType::Int64 || type == ElementType::Int4 || type == ElementType::Int2;
}

Tensor anybit::onnx::reshaped(const Tensor &tensor, ArrayRef<int64_t> dims) {
  return Tensor{tensor.type, {dims.begin(), dims.end()}, tensor.storage};
}

Tensor anybit::onnx::stridedCopy(const Tensor &source, ArrayRef<int64_t> dims, int64_t offset,
                                 ArrayRef<int64_t> strides) {
  size_t width = elementBytes(source.type), rank = dims.size();
  int64_t count = countOf(dims).value_or(0);
  auto bytes = std::make_shared<std::vector<char>>(count * width);
  SmallVector<int64_t, 4> index(rank, 0);
  int64_t from = offset;
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(bytes->data() + i * width, source.bytes().data() + from * width, width);
    for (int64_t d = int64_t(rank) - 1; d >= 0; --d) {
      from += strides[d];
      if (++index[d] < dims[d])
        break;
      from -= strides[d] * dims[d];
      index[d] = 0;
    }
  }
  return Tensor{source.type, {dims.begin(), dims.end()}, std::move(bytes)};
}

Tensor anybit::onnx::transposed(const Tensor &tensor, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t, 4> all = stridesOf(tensor.dims), dims, strides;
  for (int64_t d : permutation) {
    dims.push_back(tensor.dims[d]);
    strides.push_back(all[d]);
  }
  return stridedCopy(tensor, dims, 0, strides);
}

Tensor anybit::onnx::broadcast(const Tensor &tensor, ArrayRef<int64_t> dims) {
  if (ArrayRef<int64_t>(tensor.dims) == dims)
    return tensor;
  SmallVector<int64_t, 4> all = stridesOf(tensor.dims), strides(dims.size(), 0);
  size_t lead = dims.size() - tensor.dims.size();
  for (size_t d = 0; d < tensor.dims.size(); ++d)
    strides[lead + d] = tensor.dims[d] == 1 ? 0 : all[d];
  return stridedCopy(tensor, dims, 0, strides);
}

/// Product of the dimensions [begin, end).
static int64_t extent(ArrayRef<int64_t> dims, size_t begin, size_t end) {
  int64_t product = 1;
  for (size_t d = begin; d < end; ++d)
    product *= dims[d];
  return product;
}

Tensor anybit::onnx::takeSlices(const Tensor &tensor, int64_t axis, ArrayRef<int64_t> indices) {
  int64_t outer = extent(tensor.dims, 0, axis);
  int64_t inner = extent(tensor.dims, axis + 1, tensor.dims.size()) * elementBytes(tensor.type);
  auto bytes = std::make_shared<std::vector<char>>(outer * int64_t(indices.size()) * inner);
  char *to = bytes->data();
  for (int64_t o = 0; o < outer; ++o) {
    const char *row = tensor.bytes().data() + o * tensor.dims[axis] * inner;
    for (int64_t index : indices) {
      if (inner)
        std::memcpy(to, row + index * inner, inner);
      to += inner;
    }
  }
  Tensor result{tensor.type, tensor.dims, std::move(bytes)};
  result.dims[axis] = indices.size();
  return result;
}

Tensor anybit::onnx::concatenated(ArrayRef<Tensor> tensors, int64_t axis) {
  Tensor result{tensors[0].type, tensors[0].dims, nullptr};
  result.dims[axis] = 0;
  for (const Tensor &tensor : tensors)
    result.dims[axis] += tensor.dims[axis];
  auto bytes = std::make_shared<std::vector<char>>();
  bytes->reserve(result.count() * elementBytes(result.type));
  for (int64_t o = 0, outer = extent(result.dims, 0, axis); o < outer; ++o)
    for (const Tensor &tensor : tensors) {
      int64_t part = extent(tensor.dims, axis, tensor.dims.size()) * elementBytes(tensor.type);
      const char *from = tensor.bytes().data() + o * part;
      bytes->insert(bytes->end(), from, from + part);
    }
  result.storage = std::move(bytes);
  return result;
}
