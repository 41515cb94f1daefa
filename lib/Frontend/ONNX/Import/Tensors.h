//===- Tensors.h - arithmetic on constant tensors ---------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_TENSORS_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_TENSORS_H

#include "anybit/Frontend/ONNX/Graph.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace anybit::onnx {

/// The largest constant that folding makes, in bytes. Fuzz targets have little memory.
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
constexpr int64_t maxConstantBytes = int64_t(1) << 20;
#else
constexpr int64_t maxConstantBytes = int64_t(1) << 31;
#endif
/// The largest number of elements of any tensor of the program.
constexpr int64_t maxElements = int64_t(1) << 40;

/// Product of `dims`, or nothing if one is negative or the product is above `maxElements`.
std::optional<int64_t> countOf(llvm::ArrayRef<int64_t> dims);

/// Row-major strides, in elements.
llvm::SmallVector<int64_t, 4> stridesOf(llvm::ArrayRef<int64_t> dims);

/// A brain float: the upper half of a float.
struct BFloat {
  uint16_t bits;
  BFloat() = default;
  explicit BFloat(float value) {
    uint32_t word;
    std::memcpy(&word, &value, 4);
    bool isNaN = std::isnan(value);
    bits = uint16_t(isNaN ? (word >> 16) | 0x40 : (word + 0x7fff + ((word >> 16) & 1)) >> 16);
  }
  operator float() const {
    uint32_t word = uint32_t(bits) << 16;
    float value;
    std::memcpy(&value, &word, 4);
    return value;
  }
};

/// Calls `fn` with a default value of the C++ type that holds an element of `type` in memory. Strings are refused
/// before: they have no bytes.
template <typename Fn> auto dispatch(ElementType type, Fn &&fn) {
  switch (type) {
  case ElementType::Float:
    return fn(float());
  case ElementType::Double:
    return fn(double());
  case ElementType::Float16:
    return fn(_Float16());
  case ElementType::BFloat16:
    return fn(BFloat());
  case ElementType::Int16:
    return fn(int16_t());
  case ElementType::Int32:
    return fn(int32_t());
  case ElementType::Int64:
    return fn(int64_t());
  case ElementType::UInt16:
    return fn(uint16_t());
  case ElementType::UInt32:
    return fn(uint32_t());
  case ElementType::UInt64:
    return fn(uint64_t());
  case ElementType::Int8:
  case ElementType::Int4:
  case ElementType::Int2:
    return fn(int8_t());
  default:
    return fn(uint8_t());
  }
}

template <typename T>
constexpr bool isReal =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, _Float16> || std::is_same_v<T, BFloat>;

/// A number as another type: reals become integers by truncation, clamped to the range (NaN is 0); integers wrap.
template <typename To, typename From> To convertElement(From value) {
  if constexpr (isReal<From> && !isReal<To>) {
    double real =
        static_cast<double>(static_cast<std::conditional_t<std::is_same_v<From, double>, double, float>>(value));
    if (std::isnan(real))
      return 0;
    if (real >= std::ldexp(1.0, std::numeric_limits<To>::digits))
      return std::numeric_limits<To>::max();
    return real <= double(std::numeric_limits<To>::min()) ? std::numeric_limits<To>::min() : To(real);
  } else if constexpr (std::is_same_v<To, BFloat>) {
    return BFloat(float(value));
  } else if constexpr (std::is_same_v<From, BFloat>) {
    return static_cast<To>(float(value));
  } else {
    return static_cast<To>(value);
  }
}

bool isRealType(ElementType type);
bool isSignedType(ElementType type);

/// All elements as `To` (float, double, int64_t or uint64_t).
template <typename To> std::vector<To> elementsOf(const Tensor &tensor) {
  std::vector<To> result(tensor.count());
  dispatch(tensor.type, [&](auto kind) {
    using From = decltype(kind);
    const char *bytes = tensor.bytes().data();
    for (size_t i = 0; i < result.size(); ++i) {
      From value;
      std::memcpy(&value, bytes + i * sizeof(From), sizeof(From));
      result[i] = convertElement<To>(value);
    }
  });
  return result;
}

/// A tensor of `type` from as many `values` as `dims` has.
template <typename From>
Tensor tensorOf(ElementType type, llvm::ArrayRef<int64_t> dims, const std::vector<From> &values) {
  auto bytes = std::make_shared<std::vector<char>>(values.size() * elementBytes(type));
  if (type == ElementType::Bool) {
    for (size_t i = 0; i < values.size(); ++i)
      (*bytes)[i] = values[i] != From(0);
    return Tensor{type, {dims.begin(), dims.end()}, std::move(bytes)};
  }
  dispatch(type, [&](auto kind) {
    using To = decltype(kind);
    for (size_t i = 0; i < values.size(); ++i) {
      To value = convertElement<To>(values[i]);
      std::memcpy(bytes->data() + i * sizeof(To), &value, sizeof(To));
    }
  });
  return Tensor{type, {dims.begin(), dims.end()}, std::move(bytes)};
}

/// The same elements in another shape of as many elements.
Tensor reshaped(const Tensor &tensor, llvm::ArrayRef<int64_t> dims);

/// Element (i0, i1, …) of the result is element offset + Σ i·strides of `source`; every index is inside.
Tensor stridedCopy(const Tensor &source, llvm::ArrayRef<int64_t> dims, int64_t offset, llvm::ArrayRef<int64_t> strides);
Tensor transposed(const Tensor &tensor, llvm::ArrayRef<int64_t> permutation);
/// `tensor` broadcast to `dims`, by the rules of ONNX.
Tensor broadcast(const Tensor &tensor, llvm::ArrayRef<int64_t> dims);
/// The slices `indices` (inside the dimension) along `axis`.
Tensor takeSlices(const Tensor &tensor, int64_t axis, llvm::ArrayRef<int64_t> indices);
/// Tensors of one type that agree but for `axis`, one after the other.
Tensor concatenated(llvm::ArrayRef<Tensor> tensors, int64_t axis);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_TENSORS_H
