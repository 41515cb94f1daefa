#include "ColumnTile.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {

ColumnTile::ColumnTile(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : op(op), views(views), target(target), real(op.isReal()), g(op),
      kb(builder, op.getLoc(), 1 + 1 + !op.isReal() + views.size() - 1),
      packed(cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding())),
      lanes(target.lanes32()), vectors(packed.getColumns() / lanes), input(views[0]),
      groupBytes(g.channelsIn * views[0].elementBytes()), strideHeight(g.strideHeight), strideWidth(g.strideWidth),
      blocks(llvm::divideCeil(g.channelsOut, packed.getColumns())), firstPointwise(op.isReal() ? 2 : 3) {}

Kernel ColumnTile::build(StringRef family) {
  int64_t tiles = llvm::divideCeil(g.positions(), rows), allBlocks = g.groups * blocks;
  // Threads share positions; a single tile (a matrix-vector product) shares columns.
  bool splitPositions = tiles >= allBlocks || tiles >= 8;
  if (splitPositions) {
    Value last = kb.add(firstPosition(kb.add(kb.end(), -1)), rows - 1);
    Value base = prepareInput(firstPosition(kb.begin()), last);
    kb.loop(allBlocks, [&](Value block) {
      kb.loop(kb.begin(), kb.end(), [&](Value index) { tile(base, block, index); });
    });
  } else {
    Value base = prepareInput(kb.index(0), kb.index(g.positions() - 1));
    kb.loop(kb.begin(), kb.end(), [&](Value block) {
      kb.loop(tiles, [&](Value index) { tile(base, block, index); });
    });
  }
  return {kb.finish(), splitPositions ? tiles : allBlocks, family, scratchBytes};
}

SmallVector<Value> ColumnTile::loadInitial(Value block) {
  auto type = VectorType::get({lanes}, kb.i32);
  SmallVector<Value> result;
  for (int64_t v = 0; v < vectors; ++v) {
    Value offset = kb.add(kb.mul(block, packed.getColumns() * 4), v * lanes * 4);
    result.push_back(kb.load(type, kb.at(kb.argument(2), offset)));
  }
  return result;
}

Value ColumnTile::loadParameter(const View &view, Value pointer, Value position, Value channel, int64_t valid) {
  auto type = VectorType::get({lanes}, view.element);
  Value offset = kb.mul(channel, view.elementBytes());
  if (view.shape.size() == 1)
    return kb.load(type, kb.at(pointer, offset)); // constants are padded
  Value pixel = g.pixelOffset(kb, position, PixelStrides(view), 1, 1);
  return kb.loadLanes(type, kb.at(pointer, kb.add(pixel, offset)), valid);
}

void ColumnTile::epilogue(Value channel, ArrayRef<Value> positions, ArrayRef<Value> accumulators, int64_t columns) {
  size_t parameters = op.getParameters().size();
  for (int64_t v = 0; v < vectors && v * lanes < columns; ++v) {
    int64_t valid = columns - v * lanes;
    Value first = kb.add(channel, v * lanes);
    for (int64_t row = 0; row < rows; ++row) {
      SmallVector<Value> arguments{accumulators[row * vectors + v]};
      for (size_t p = 0; p < parameters; ++p)
        arguments.push_back(
            loadParameter(views[1 + p], kb.argument(firstPointwise + p), positions[row], first, valid));
      SmallVector<Value> results = expandBody(kb, op.getBody(), arguments, lanes);
      for (size_t r = 0; r < results.size(); ++r) {
        const View &view = views[1 + parameters + r];
        Value offset = kb.add(g.pixelOffset(kb, positions[row], PixelStrides(view), 1, 1), kb.mul(first, view.elementBytes()));
        kb.storeLanes(results[r], kb.at(kb.argument(firstPointwise + parameters + r), offset), valid);
      }
    }
  }
}

/// The last tile overlaps its neighbour instead of being shorter: it writes the same values again.
Value ColumnTile::firstPosition(Value tileIndex) {
  return kb.min(kb.mul(tileIndex, rows), kb.index(g.positions() - rows));
}

void ColumnTile::tile(Value base, Value block, Value tileIndex) {
  Value first = firstPosition(tileIndex);
  Value group = kb.index(0), inGroup = block;
  if (g.groups > 1) {
    group = arith::DivUIOp::create(kb.b, kb.loc, block, kb.index(blocks));
    inGroup = arith::RemUIOp::create(kb.b, kb.loc, block, kb.index(blocks));
  }
  Value weights = kb.at(kb.argument(1), kb.mul(block, blockBytes()));
  Value groupOffset = kb.mul(group, groupBytes);
  SmallVector<Value> positions, pointers;
  for (int64_t row = 0; row < rows; ++row) {
    positions.push_back(kb.add(first, row));
    Value offset = g.pixelOffset(kb, positions.back(), input, strideHeight, strideWidth);
    pointers.push_back(kb.at(base, kb.add(offset, groupOffset)));
  }
  SmallVector<Value> results = sums(block, weights, pointers);
  Value channel = kb.add(kb.mul(group, g.channelsOut), kb.mul(inGroup, packed.getColumns()));
  int64_t tail = g.channelsOut - (blocks - 1) * packed.getColumns();
  if (blocks == 1 || tail == packed.getColumns())
    return epilogue(channel, positions, results, tail);
  Value last = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, inGroup, kb.index(blocks - 1));
  auto branch = scf::IfOp::create(kb.b, kb.loc, last, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(kb.b);
  kb.b.setInsertionPointToStart(branch.thenBlock());
  epilogue(channel, positions, results, tail);
  kb.b.setInsertionPointToStart(branch.elseBlock());
  epilogue(channel, positions, results, packed.getColumns());
}

} // namespace anybit::cpu
