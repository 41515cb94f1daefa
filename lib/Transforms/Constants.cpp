#include "Constants.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace anybit {

int64_t constantElementBytes(Type element) { return std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8); }

/// Bytes of an attribute that holds one bit per i1 element.
static std::vector<char> unpackBools(DenseElementsAttr dense) {
  std::vector<char> bytes;
  for (bool value : dense.getValues<bool>())
    bytes.push_back(value);
  return bytes;
}

std::optional<std::vector<char>> constantBytes(Attribute value) {
  auto elements = dyn_cast_or_null<ElementsAttr>(value);
  if (!elements)
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return std::nullopt;
    return std::vector<char>(blob->getData().begin(), blob->getData().end());
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return std::nullopt;
  if (dense.getElementType().isInteger(1))
    return unpackBools(dense);
  ArrayRef<char> raw = dense.getRawData();
  std::vector<char> bytes(raw.begin(), raw.end());
  if (dense.isSplat()) {
    size_t one = bytes.size();
    bytes.resize(one * dense.getNumElements());
    for (size_t at = one; at < bytes.size(); ++at)
      bytes[at] = bytes[at - one];
  }
  return bytes;
}

std::optional<std::vector<char>> constantBytes(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  return constant ? constantBytes(constant.getValue()) : std::nullopt;
}

template <typename T> static std::optional<std::vector<T>> constantValues(Value value, bool typeFits) {
  if (!typeFits)
    return std::nullopt;
  std::optional<std::vector<char>> bytes = constantBytes(value);
  if (!bytes)
    return std::nullopt;
  std::vector<T> values(bytes->size() / sizeof(T));
  std::memcpy(values.data(), bytes->data(), values.size() * sizeof(T));
  return values;
}

std::optional<std::vector<float>> constantReals(Value value) {
  return constantValues<float>(value, getElementTypeOrSelf(value).isF32());
}

std::optional<std::vector<int32_t>> constantIntegers(Value value) {
  return constantValues<int32_t>(value, getElementTypeOrSelf(value).isInteger(32));
}

template <typename T> static std::optional<T> single(const std::optional<std::vector<T>> &values) {
  if (!values || values->empty() || !llvm::all_equal(*values))
    return std::nullopt;
  return values->front();
}

std::optional<float> constantReal(Value value) { return single(constantReals(value)); }
std::optional<int32_t> constantInteger(Value value) { return single(constantIntegers(value)); }

ElementsAttr constantAttribute(RankedTensorType type, std::vector<char> bytes) {
  constexpr size_t blobFrom = 1024;
  if (bytes.size() > blobFrom && !type.getElementType().isInteger(1))
    return DenseResourceElementsAttr::get(type, "constant",
                                          HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, /*align=*/64));
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> bits(bytes.begin(), bytes.end());
    return DenseElementsAttr::get(type, bits);
  }
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

Value createConstant(OpBuilder &builder, Location loc, RankedTensorType type, std::vector<char> bytes) {
  return arith::ConstantOp::create(builder, loc, constantAttribute(type, std::move(bytes)));
}

template <typename T>
static Value createVector(OpBuilder &builder, Location loc, Type element, ArrayRef<T> values) {
  const char *data = reinterpret_cast<const char *>(values.data());
  return createConstant(builder, loc, RankedTensorType::get({int64_t(values.size())}, element),
                        std::vector<char>(data, data + values.size() * sizeof(T)));
}

Value createConstant(OpBuilder &builder, Location loc, ArrayRef<float> values) {
  return createVector(builder, loc, builder.getF32Type(), values);
}

Value createConstant(OpBuilder &builder, Location loc, ArrayRef<int32_t> values) {
  return createVector(builder, loc, builder.getI32Type(), values);
}

} // namespace anybit
