#include "FoldBody.h"
#include "Constants.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace anybit {

Attribute readElement(Type type, const char *data) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, data, sizeof(value));
    return FloatAttr::get(type, value);
  }
  int64_t value = 0;
  std::memcpy(&value, data, constantElementBytes(type));
  return IntegerAttr::get(type, APInt(type.getIntOrFloatBitWidth(), value, false, /*implicitTrunc=*/true));
}

void writeElement(Attribute value, char *data) {
  if (auto real = dyn_cast<FloatAttr>(value)) {
    float number = real.getValue().convertToFloat();
    std::memcpy(data, &number, sizeof(number));
    return;
  }
  auto integer = cast<IntegerAttr>(value);
  int64_t number = integer.getValue().getSExtValue();
  std::memcpy(data, &number, constantElementBytes(integer.getType()));
}

Attribute foldBody(Block &body, ArrayRef<Attribute> arguments) {
  llvm::DenseMap<Value, Attribute> values;
  for (auto [argument, value] : llvm::zip(body.getArguments(), arguments))
    values[argument] = value;
  auto valueOf = [&](Value value) {
    if (auto constant = value.getDefiningOp<arith::ConstantOp>())
      return Attribute(constant.getValue());
    return values.lookup(value);
  };
  for (Operation &op : body.without_terminator()) {
    if (isa<arith::ConstantOp>(op))
      continue;
    SmallVector<Attribute> operands = llvm::map_to_vector(op.getOperands(), valueOf);
    SmallVector<OpFoldResult> results;
    if (llvm::is_contained(operands, Attribute()) || failed(op.fold(operands, results)) || results.size() != 1)
      return {};
    values[op.getResult(0)] =
        isa<Attribute>(results[0]) ? cast<Attribute>(results[0]) : valueOf(cast<Value>(results[0]));
  }
  return valueOf(body.getTerminator()->getOperand(0));
}

} // namespace anybit
