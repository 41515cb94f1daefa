#include "ColumnTile.h"
#include "InputFrame.h"

#include "anybit/abi.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {

/// Weights of so many bytes stay in the nearest cache while all columns of a tile are computed.
static constexpr int64_t mostCachedBytes = 32 << 10;
/// Reading so many weights in every thread costs less than reading codes that another core wrote.
static constexpr int64_t mostSharedBytes = 512 << 10;

/// With more tiles a block, its first one is too small a part to be worth an instruction in every step.
static constexpr int64_t mostTilesAhead = 32;

ColumnTile::ColumnTile(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : op(op), target(target), real(op.isReal()), g(op), arguments(op, views),
      kb(builder, op.getLoc(), arguments.count()),
      packed(cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding())),
      lanes(target.lanes32()), vectors(packed.getColumns() / lanes), input(views[0]), strideHeight(g.strideHeight),
      strideWidth(g.strideWidth), groupBytes(g.channelsIn * views[0].elementBytes()),
      blocks(llvm::divideCeil(g.channelsOut, packed.getColumns())) {}

int64_t ColumnTile::tiles() const { return llvm::divideCeil(g.positions(), rows); }

Kernel ColumnTile::build(StringRef family) {
  int64_t allBlocks = g.groups * blocks;
  // Threads share positions, which then find most of what the layer before wrote in their own cache. They share columns
  // where there is little to share of positions, or where each call would read, or expand, many weights for it.
  bool fewWeights = tiles() >= 4 && allBlocks * blockBytes() <= mostSharedBytes;
  int64_t codeBytes = g.positions() * g.groups * groupBytes, expandedBytes = allBlocks * panelBytes;
  bool expandsMany = allBlocks >= leastBlocksToShare && expandedBytes > std::max(mostCachedBytes, codeBytes);
  bool splitPositions = !expandsMany && (tiles() >= allBlocks || tiles() >= 8 || fewWeights);
  bool together = splitPositions && allBlocks * readBytes() <= mostCachedBytes;
  Value firstTile = splitPositions ? kb.begin() : kb.index(0), lastTile = splitPositions ? kb.end() : kb.index(tiles());
  Value firstBlock = splitPositions ? kb.index(0) : kb.begin();
  Value lastBlock = splitPositions ? kb.index(allBlocks) : kb.end();
  if (bandTiles == 0 || bandTiles >= tiles())
    band(firstTile, lastTile, firstBlock, lastBlock, together);
  else
    kb.loop(firstTile, lastTile, bandTiles, {}, [&](Value from, ValueRange) {
      band(from, kb.min(kb.add(from, bandTiles), lastTile), firstBlock, lastBlock, together);
      return SmallVector<Value>();
    });
  int64_t scratch = llvm::alignTo(inputBytes, ANYBIT_ALIGNMENT) + (together ? allBlocks : 1) * panelBytes;
  return {kb.finish(), splitPositions ? tiles() : allBlocks, family, scratch};
}

int64_t ColumnTile::readFrame(const InputFrame &frame, int64_t pixelBytes, int64_t mostBytes, int64_t leastTiles) {
  strideHeight = frame.strideHeight;
  strideWidth = frame.strideWidth;
  input.pixel = pixelBytes;
  input.row = llvm::alignTo(frame.width * pixelBytes, 2); // of int16
  input.batch = frame.height * input.row;
  auto bandBytes = [&] { return frame.mostRows(std::min(bandTiles * rows, g.positions())) * input.row; };
  bandTiles = tiles();
  while (bandTiles > leastTiles && bandBytes() > mostBytes)
    bandTiles = llvm::divideCeil(bandTiles, 2);
  return bandBytes();
}

void ColumnTile::band(Value from, Value to, Value firstBlock, Value lastBlock, bool together) {
  Value base = prepareInput(firstPosition(from), kb.add(firstPosition(kb.add(to, -1)), rows - 1));
  if (together)
    return blocksTogether(base, from, to);
  kb.loop(firstBlock, lastBlock, [&](Value block) { blockAfterBlock(base, block, from, to); });
}

Value ColumnTile::packedWeights(Value block) {
  return kb.at(kb.argument(ConvArguments::weights), kb.mul(block, blockBytes()));
}

Value ColumnTile::panel(Value block) {
  return kb.at(kb.scratch(), kb.add(kb.mul(block, panelBytes), llvm::alignTo(inputBytes, ANYBIT_ALIGNMENT)));
}

/// Position by position, all blocks of each: outputs are written once, in order.
void ColumnTile::blocksTogether(Value base, Value from, Value to) {
  int64_t allBlocks = g.groups * blocks;
  if (panelBytes)
    kb.loop(allBlocks, [&](Value block) { expandBlock(packedWeights(block), panel(block)); });
  kb.loop(from, to, [&](Value index) {
    kb.loop(allBlocks, [&](Value block) {
      tile(base, block, {panelBytes ? panel(block) : packedWeights(block), Value(), Value()}, index);
    });
  });
}

/// The tiles [from, to) of one block. The first tile of a block would wait for weights that the others then find in the
/// second cache, so that all of them ask for a share of the next block's.
void ColumnTile::blockAfterBlock(Value base, Value block, Value from, Value to) {
  Value weights = packedWeights(block);
  if (panelBytes) {
    Value expanded = panel(kb.index(0));
    expandBlock(weights, expanded);
    weights = expanded;
  }
  if (steps() == 1 || tiles() == 1 || tiles() > mostTilesAhead || g.groups * blocks == 1)
    return kb.loop(from, to, [&](Value index) { tile(base, block, {weights, Value(), Value()}, index); });
  auto count = kb.b.createOrFold<arith::SubIOp>(kb.loc, to, from);
  Value rounded = kb.add(kb.add(count, -1), llvm::divideCeil(blockBytes(), steps()));
  Value aheadStep = kb.b.createOrFold<arith::DivUIOp>(kb.loc, rounded, count);
  Value next = packedWeights(kb.add(block, 1));
  kb.loop(from, to, [&](Value index) {
    Value done = kb.b.createOrFold<arith::SubIOp>(kb.loc, index, from);
    Value offset = kb.mul(kb.b.createOrFold<arith::MulIOp>(kb.loc, done, aheadStep), steps());
    tile(base, block, {weights, kb.at(next, offset), aheadStep}, index);
  });
}

SmallVector<Value> ColumnTile::loadInitial(Value block) {
  auto type = VectorType::get({lanes}, real ? kb.f32 : kb.i32);
  SmallVector<Value> result;
  for (int64_t v = 0; v < vectors; ++v) {
    if (real) {
      result.push_back(kb.real(type, 0));
      continue;
    }
    Value offset = kb.add(kb.mul(block, packed.getColumns() * 4), v * lanes * 4);
    result.push_back(kb.load(type, kb.at(kb.argument(ConvArguments::initial), offset)));
  }
  return result;
}

void ColumnTile::epilogue(Value channel, ArrayRef<Value> positions, ArrayRef<Value> accumulators, int64_t columns) {
  auto pixels = llvm::map_to_vector(positions, [&](Value at) { return ConvArguments::pixelAt(kb, g, at); });
  arguments.emitEpilogue(kb, accumulators, pixels, channel, columns, /*packs=*/target.wordPairs);
}

/// The last tile overlaps its neighbour instead of being shorter: it writes the same values again.
Value ColumnTile::firstPosition(Value tileIndex) {
  return kb.min(kb.mul(tileIndex, rows), kb.index(g.positions() - rows));
}

void ColumnTile::tile(Value base, Value block, Streams streams, Value tileIndex) {
  Value first = firstPosition(tileIndex);
  Value group = kb.index(0), inGroup = block;
  if (g.groups > 1) {
    group = arith::DivUIOp::create(kb.b, kb.loc, block, kb.index(blocks));
    inGroup = arith::RemUIOp::create(kb.b, kb.loc, block, kb.index(blocks));
  }
  Value groupOffset = kb.mul(group, groupBytes);
  SmallVector<Value> positions, pointers;
  for (int64_t row = 0; row < rows; ++row) {
    positions.push_back(kb.add(first, row));
    Value offset = g.pixelOffset(kb, positions.back(), input, strideHeight, strideWidth);
    pointers.push_back(kb.at(base, kb.add(offset, groupOffset)));
  }
  SmallVector<Value> results = sums(streams, pointers, loadInitial(block));
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
