//===- PlanResize.cpp - the two loops of a linear resize as one -----------===//
//
// LowerResize makes loops over columns and then over rows of a linear resize. Where an object of Halide computes both
// at once, and faster, they are one dispatch.
//
//===----------------------------------------------------------------------===//

#include "LowerResize.h"
#include "PlanVariant.h"

using namespace mlir;

namespace anybit {

/// What loops along `dim` read, in the order of LowerResize: a table of positions, the input, a table, the input,
/// weights.
static SmallVector<Value> readsOf(linalg::GenericOp op, int64_t dim) {
  SmallVector<Value> reads;
  auto along = op->getAttrOfType<IntegerAttr>(linearDimension);
  if (along && along.getInt() == dim)
    op.getBody()->walk([&](tensor::ExtractOp extract) { reads.push_back(extract.getTensor()); });
  // A table of equal values is none: it was folded.
  return reads.size() == 5 && reads[1] == reads[3] ? reads : SmallVector<Value>();
}

/// The loops along rows that alone read the result of those along `columns`; null if there are none.
static linalg::GenericOp rowsAfter(linalg::GenericOp columns) {
  Value between = columns.getResult(0);
  Operation *user = between.use_empty() ? nullptr : *between.user_begin();
  auto rows = user ? user->getParentOfType<linalg::GenericOp>() : linalg::GenericOp();
  bool isAlone =
      rows && llvm::all_of(between.getUsers(), [&](Operation *other) { return other->getParentOp() == rows; });
  return isAlone && !readsOf(rows, 2).empty() && readsOf(rows, 2)[1] == between ? rows : linalg::GenericOp();
}

bool VariantPlanner::planResize(linalg::GenericOp columns) {
  SmallVector<Value> alongX = readsOf(columns, 3);
  linalg::GenericOp rows = alongX.empty() || !allowsHalide ? linalg::GenericOp() : rowsAfter(columns);
  if (!rows)
    return false;
  Value input = alongX[1], result = rows.getResult(0);
  auto from = cast<RankedTensorType>(input.getType()), to = cast<RankedTensorType>(result.getType());
  // What the caller or a concatenation has lies in an order of its own.
  if (from.getRank() != 4 || outputs.count(result) || parts.count(result) || isForOutput(result))
    return false;
  if (!cpu::isHalideResize(channelsLast(from, {}), channelsLast(to, {}), target))
    return false;
  SmallVector<Value> alongY = readsOf(rows, 2);
  SmallVector<Place> all{asWindowInput(input, {}, TypedAttr(), false, columns.getLoc())};
  for (Value table : {alongX[0], alongX[2], alongX[4], alongY[0], alongY[2], alongY[4]})
    all.push_back(placeOf(table));
  all.push_back(placeOfResult(result));
  auto views = llvm::map_to_vector(all, [](const Place &place) { return place.view; });
  OpBuilder builder = kernels.builder();
  addDispatch(cpu::buildHalideResizeKernel(builder, rows.getLoc(), views, target), rows.getLoc(),
              llvm::map_to_vector(all, [](const Place &place) { return &place; }));
  planned.insert(rows);
  return true;
}

} // namespace anybit
