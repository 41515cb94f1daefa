#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace anybit::msq;

LogicalResult SelectOp::verify() {
  auto table = cast<RankedTensorType>(getTable().getType());
  auto row = cast<RankedTensorType>(getRow().getType());
  if (table.getRank() == 0)
    return emitOpError("needs a table with one row per candidate, got a scalar"); // convention C2
  if (table.getElementType() != row.getElementType() || table.getShape().drop_front() != row.getShape())
    return emitOpError("yields ") << row << ", but a row of its table is "
                                  << RankedTensorType::get(table.getShape().drop_front(), table.getElementType());
  return success();
}

/// select(constant, constant table) => the row. Tables are small; whole weights per candidate are folded by
/// `anybit-specialize` on raw bytes.
OpFoldResult SelectOp::fold(FoldAdaptor adaptor) {
  auto candidate = dyn_cast_or_null<DenseIntElementsAttr>(adaptor.getCandidate());
  auto table = dyn_cast_or_null<DenseElementsAttr>(adaptor.getTable());
  if (!candidate || !table)
    return {};
  int64_t index = (*candidate.getValues<APInt>().begin()).getSExtValue();
  auto type = cast<RankedTensorType>(getRow().getType());
  if (index < 0 || index >= cast<RankedTensorType>(getTable().getType()).getDimSize(0))
    return {};
  if (table.isSplat())
    return table.resizeSplat(type);
  ArrayRef<char> bytes = table.getRawData();
  size_t rowBytes = bytes.size() / cast<RankedTensorType>(getTable().getType()).getDimSize(0);
  return DenseElementsAttr::getFromRawBuffer(type, bytes.slice(index * rowBytes, rowBytes));
}

LogicalResult MixBandsOp::verify() {
  auto weights = cast<RankedTensorType>(getWeights().getType());
  auto alpha = cast<RankedTensorType>(getAlpha().getType());
  if (weights.getRank() < 2 || weights.getRank() > 4)
    return emitOpError("mixes weights of rank 2 to 4, got rank ") << weights.getRank();
  if (alpha.getDimSize(0) != 4)
    return emitOpError("needs 4 band factors, got ") << alpha.getDimSize(0); // numerics N3
  if (getGroups() < 1 || weights.getDimSize(0) % getGroups() != 0)
    return emitOpError("has ") << weights.getDimSize(0) << " outputs, not a multiple of " << getGroups() << " groups";
  return success();
}

/// mix_bands(w, [1, 1, 1, 1]) => w
OpFoldResult MixBandsOp::fold(FoldAdaptor adaptor) {
  auto alpha = dyn_cast_or_null<DenseFPElementsAttr>(adaptor.getAlpha());
  if (!alpha)
    return {};
  if (!llvm::all_of(alpha.getValues<APFloat>(), [](const APFloat &factor) { return factor.isExactlyValue(1.0); }))
    return {};
  return getWeights();
}
