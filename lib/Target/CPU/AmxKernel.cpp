//===- AmxKernel.cpp - convolutions of codes in tiles ---------------------===//
//
// docs/kernels.md, "amx". TDPBUSD multiplies a tile of up to 16 output positions by 64 codes, read from the input in
// place, with a tile of 64 weights of 16 columns, which is the order of dot4. A unit is two tiles of positions by two of
// columns: four tiles of sums, two of codes, two of weights. Its sums go to scratch memory. Between the tile
// instructions of a unit, which leave them the ports, run the vector instructions of others: the epilogue of the unit
// before, and what the next block of weights needs.
//
// Tile registers are named by number (the intrinsics without `internal`): nothing allocates them, so this is the same
// at every optimization level.
//
//===----------------------------------------------------------------------===//

#include "AmxEpilogue.h"
#include "Reduction.h"

#include "anybit/abi.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

/// Tile registers: sums 0 to 3 (tile of positions, then of columns), codes 4 and 5, weights 6 and 7.
constexpr int64_t firstSums = 0, firstCodes = 4, firstWeights = 6;
/// Of a tile row, in bytes: 16 sums, 64 codes, or 4 weights of 16 columns.
constexpr int64_t tileRowBytes = 64;
constexpr int64_t configBytes = 64, cacheLine = 64;
/// Weights of so many bytes stay in the nearest cache while all columns of positions are computed.
constexpr int64_t mostCachedBytes = 32 << 10;

class AmxKernel {
public:
  AmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target);
  Kernel build();

private:
  /// The part of the grid: pairs of tiles of positions, and blocks of columns.
  struct Part {
    Value firstPair, endPair, firstBlock, endBlock;
  };
  /// A pair of tiles by a block.
  struct Unit {
    Value pair, block;
  };
  Part part();
  SmallVector<Value> unit(const Part &part, ValueRange state);
  void multiply(const Unit &now, llvm::function_ref<void(Value step)> between);
  void reduce(size_t level, Value weights, Value inputOffset, Value step, llvm::function_ref<void(Value)> between);
  void tileStep(Value weights, Value inputOffset);
  void finish(const Unit &done, Value from, Value to);
  void prepareNext(const Part &part, const Unit &now, Value step);
  void expand(Value block, Value from, Value to);
  void prefetch(Value block, Value from, Value to);

  void configure();
  void tileOp(StringRef name, ArrayRef<int64_t> tiles, ValueRange memory = {});
  Value packedWeights(Value block) { return kb.at(kb.argument(ConvArguments::weights), kb.mul(block, blockBytes())); }
  Value weightsOf(Value block);
  Value sums() { return kb.at(kb.scratch(), configBytes); }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) {
    return arith::CmpIOp::create(kb.b, kb.loc, predicate, a, b);
  }

  int64_t steps() const { return stepsFrom(loops, 0); }
  int64_t blockBytes() const { return steps() * stepBytes() * packed.getBits() / 8; }
  int64_t stepBytes() const { return stepValues * packed.getColumns(); } ///< Of weights as bytes.
  int64_t panelOffset() const { return configBytes + llvm::alignTo(epilogue.sumsBytes(), ANYBIT_ALIGNMENT); }
  int64_t panels() const { return together ? allBlocks : 2; }

  lowbit::ConvOp op;
  Geometry g;
  ConvArguments arguments;
  KernelBuilder kb;
  DotProduct dot;
  lowbit::PackedAttr packed;
  PixelStrides input;
  AmxRows rows;
  AmxEpilogue epilogue;
  /// Loops of the reduction; a trip of the last one is a tile of `stepValues` codes.
  SmallVector<ReductionLoop> loops;
  int64_t stepValues, columnTiles, allBlocks, groupBytes;
  int64_t panelBytes = 0; ///< Of one block of narrow weights as bytes; 0 where they are bytes.
  bool together;          ///< All columns of a pair of tiles before the next pair.
  SmallVector<Value> codes; ///< Where the tiles of codes of a unit begin.
};

AmxKernel::AmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : op(op), g(op), arguments(op, views), kb(builder, op.getLoc(), arguments.count()), dot(kb, target),
      packed(cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding())), input(views[0]),
      rows(AmxRows::choose(g, input)), epilogue(kb, op, arguments, g, rows),
      loops(reductionLoops(g, packed, input, /*real=*/false)), columnTiles(packed.getColumns() / 16),
      allBlocks(g.groups * llvm::divideCeil(g.channelsOut, packed.getColumns())),
      groupBytes(g.channelsIn * views[0].elementBytes()) {
  int64_t inTile = amxStepsInTile(loops.back().count);
  stepValues = 4 * inTile;
  loops.back() = {loops.back().count / inTile, loops.back().inputStride * inTile};
  if (packed.getBits() < 8)
    panelBytes = steps() * stepBytes();
  together = allBlocks * steps() * stepBytes() <= mostCachedBytes;
}

void AmxKernel::tileOp(StringRef name, ArrayRef<int64_t> tiles, ValueRange memory) {
  SmallVector<Value> operands;
  for (int64_t tile : tiles)
    operands.push_back(kb.integer(kb.i8, tile));
  llvm::append_range(operands, memory);
  LLVM::CallIntrinsicOp::create(kb.b, kb.loc, kb.b.getStringAttr(name), operands);
}

/// Palette 1; bytes of a row from byte 16 on as words, rows from byte 48 on.
void AmxKernel::configure() {
  SmallVector<int8_t> bytes(configBytes, 0);
  bytes[0] = 1;
  for (int64_t tile = 0; tile < 8; ++tile) {
    bool isCodes = tile >= firstCodes && tile < firstWeights, isWeights = tile >= firstWeights;
    bytes[16 + 2 * tile] = int8_t(isCodes ? stepValues : tileRowBytes);
    bytes[48 + tile] = int8_t(isWeights ? stepValues / 4 : rows.rows);
  }
  auto type = VectorType::get({configBytes}, kb.i8);
  kb.store(arith::ConstantOp::create(kb.b, kb.loc, DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes))), kb.scratch());
  tileOp("llvm.x86.ldtilecfg", {}, kb.scratch());
}

/// Of the block that is computed. Its panel and that of the next block take turns.
Value AmxKernel::weightsOf(Value block) {
  if (!panelBytes)
    return packedWeights(block);
  return kb.at(kb.scratch(), kb.add(kb.mul(together ? block : kb.remainder(block, 2), panelBytes), panelOffset()));
}

/// The steps of four values [from, to) of a block as bytes.
void AmxKernel::expand(Value block, Value from, Value to) {
  Value packedBlock = packedWeights(block), panel = weightsOf(block);
  kb.loop(from, to, [&](Value step) {
    expandSteps(kb, dot, op, packed, 1, columnTiles,
                kb.at(packedBlock, kb.mul(step, packed.getColumns() * packed.getBits() / 2)),
                kb.at(panel, kb.mul(step, packed.getColumns() * 4)));
  });
}

/// The cache lines [from, to) of a block.
void AmxKernel::prefetch(Value block, Value from, Value to) {
  Value weights = packedWeights(block);
  kb.loop(from, to, [&](Value line) {
    LLVM::Prefetch::create(kb.b, kb.loc, kb.at(weights, kb.mul(line, cacheLine)), /*rw=*/0, /*hint=*/2, /*cache=*/1);
  });
}

/// The share of a tile step in reading the next block ahead: expanding it, or fetching it to the second cache.
void AmxKernel::prepareNext(const Part &part, const Unit &now, Value step) {
  if (together)
    return;
  int64_t items = panelBytes ? steps() * stepValues / 4 : llvm::divideCeil(blockBytes(), cacheLine);
  int64_t inStep = llvm::divideCeil(items, steps());
  auto difference = [&](Value a, Value b) -> Value { return arith::SubIOp::create(kb.b, kb.loc, a, b); };
  Value pairs = difference(part.endPair, part.firstPair);
  Value each = arith::DivUIOp::create(kb.b, kb.loc, kb.add(pairs, inStep - 1), pairs);
  Value slot = kb.add(kb.mul(difference(now.pair, part.firstPair), steps()), step);
  Value next = kb.add(now.block, 1), exists = compare(arith::CmpIPredicate::ult, next, part.endBlock);
  Value most = arith::SelectOp::create(kb.b, kb.loc, exists, kb.index(items), kb.index(0));
  Value from = kb.min(arith::MulIOp::create(kb.b, kb.loc, slot, each), most), to = kb.min(kb.add(from, each), most);
  if (panelBytes)
    expand(next, from, to);
  else
    prefetch(next, from, to);
}

/// One trip of the innermost loop of the reduction.
void AmxKernel::tileStep(Value weights, Value inputOffset) {
  Value codesStride = kb.index(input.pixel * g.strideWidth), weightsStride = kb.index(columnTiles * tileRowBytes);
  for (int64_t column = 0; column < columnTiles; ++column)
    tileOp("llvm.x86.tileloadd64", firstWeights + column, {kb.at(weights, column * tileRowBytes), weightsStride});
  for (int64_t i = 0; i < rows.tilesInPair(); ++i) {
    tileOp("llvm.x86.tileloadd64", firstCodes + i, {kb.at(codes[i], inputOffset), codesStride});
    for (int64_t column = 0; column < columnTiles; ++column)
      tileOp("llvm.x86.tdpbusd", {firstSums + 2 * i + column, firstCodes + i, firstWeights + column});
  }
}

void AmxKernel::reduce(size_t level, Value weights, Value inputOffset, Value step,
                       llvm::function_ref<void(Value)> between) {
  if (level == loops.size()) {
    tileStep(weights, inputOffset);
    return between(step);
  }
  int64_t inner = stepsFrom(loops, level + 1);
  kb.loop(loops[level].count, [&](Value i) {
    Value done = kb.mul(i, inner);
    reduce(level + 1, kb.at(weights, kb.mul(done, stepBytes())),
           kb.add(inputOffset, kb.mul(i, loops[level].inputStride)), kb.add(step, done), between);
  });
}

/// The sums of a unit, to scratch memory.
void AmxKernel::multiply(const Unit &now, llvm::function_ref<void(Value step)> between) {
  Value group = g.groups == 1 ? kb.index(0) : kb.divide(now.block, allBlocks / g.groups);
  Value tile = rows.firstTile(kb, now.pair);
  int64_t pixel = input.pixel * g.strideWidth, imageSpans = rows.joined() ? 1 : rows.imageSpans;
  codes.clear();
  for (int64_t i = 0; i < rows.tilesInPair(); ++i) {
    Value number = kb.add(tile, i), span = rows.span(kb, number);
    Value offset = kb.add(kb.mul(kb.divide(span, imageSpans), input.batch),
                          kb.mul(kb.remainder(span, imageSpans), input.row * g.strideHeight));
    offset = kb.add(kb.add(offset, kb.mul(rows.start(kb, number), pixel)), kb.mul(group, groupBytes));
    codes.push_back(kb.at(kb.argument(ConvArguments::input), offset));
  }
  auto everySum = [&](llvm::function_ref<void(int64_t sum, int64_t offset)> visit) {
    for (int64_t i = 0; i < rows.tilesInPair(); ++i)
      for (int64_t column = 0; column < columnTiles; ++column)
        visit(firstSums + 2 * i + column, i * rows.rows * epilogue.sumsRowBytes() + column * tileRowBytes);
  };
  everySum([&](int64_t sum, int64_t) { tileOp("llvm.x86.tilezero", sum); });
  reduce(0, weightsOf(now.block), kb.index(0), kb.index(0), between);
  Value stride = kb.index(epilogue.sumsRowBytes());
  everySum([&](int64_t sum, int64_t offset) {
    tileOp("llvm.x86.tilestored64", sum, {kb.at(sums(), offset), stride});
  });
}

void AmxKernel::finish(const Unit &done, Value from, Value to) {
  epilogue.finishRows(sums(), rows.firstTile(kb, done.pair), done.block, from, to);
}

/// A trip of the loop over the units of a part. State: the unit, the one before it, and the rows that are left of that.
SmallVector<Value> AmxKernel::unit(const Part &part, ValueRange state) {
  Unit now{state[0], state[1]}, done{state[2], state[3]};
  int64_t rowsInStep = llvm::divideCeil(rows.rows, steps());
  multiply(now, [&](Value step) {
    Value from = kb.min(kb.mul(step, rowsInStep), state[4]), to = kb.min(kb.add(from, rowsInStep), state[4]);
    finish(done, from, to);
    prepareNext(part, now, step);
  });
  auto select = [&](Value condition, Value a, Value b) -> Value {
    return arith::SelectOp::create(kb.b, kb.loc, condition, a, b);
  };
  Value nextPair = kb.add(now.pair, 1), nextBlock = kb.add(now.block, 1);
  if (together) {
    Value wraps = compare(arith::CmpIPredicate::eq, nextBlock, part.endBlock);
    nextPair = select(wraps, nextPair, now.pair);
    nextBlock = select(wraps, part.firstBlock, nextBlock);
  } else {
    Value wraps = compare(arith::CmpIPredicate::eq, nextPair, part.endPair);
    nextBlock = select(wraps, nextBlock, now.block);
    nextPair = select(wraps, part.firstPair, nextPair);
  }
  return {nextPair, nextBlock, now.pair, now.block, kb.index(rows.rows)};
}

/// Threads share pairs of tiles; where weights are more than codes, blocks, so that each thread reads its own only.
AmxKernel::Part AmxKernel::part() {
  int64_t weightBytes = allBlocks * blockBytes(), inputBytes = g.positions() * g.groups * groupBytes;
  Value zero = kb.index(0);
  if (allBlocks > rows.pairs() || (allBlocks >= 8 && weightBytes > inputBytes))
    return {zero, kb.index(rows.pairs()), kb.begin(), kb.end()};
  return {kb.begin(), kb.end(), zero, kb.index(allBlocks)};
}

Kernel AmxKernel::build() {
  Part mine = part();
  bool splitsBlocks = mine.endBlock == kb.end();
  configure();
  int64_t inBlock = steps() * stepValues / 4;
  if (panelBytes && together)
    kb.loop(mine.firstBlock, mine.endBlock, [&](Value block) { expand(block, kb.index(0), kb.index(inBlock)); });
  else if (panelBytes)
    expand(mine.firstBlock, kb.index(0), kb.index(inBlock));
  auto extent = [&](Value from, Value to) -> Value { return arith::SubIOp::create(kb.b, kb.loc, to, from); };
  Value units = arith::MulIOp::create(kb.b, kb.loc, extent(mine.firstPair, mine.endPair),
                                      extent(mine.firstBlock, mine.endBlock));
  SmallVector<Value> first{mine.firstPair, mine.firstBlock, mine.firstPair, mine.firstBlock, kb.index(0)};
  SmallVector<Value> last = kb.loop(kb.index(0), units, 1, first,
                                    [&](Value, ValueRange state) { return unit(mine, state); });
  finish({last[2], last[3]}, kb.index(0), kb.index(rows.rows));
  tileOp("llvm.x86.tilerelease", {});
  int64_t scratch = panelOffset() + (panelBytes ? panels() * panelBytes : 0);
  return {kb.finish(), splitsBlocks ? allBlocks : rows.pairs(), "conv-amx", scratch};
}

} // namespace

Kernel buildAmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return AmxKernel(builder, op, views, target).build();
}

} // namespace anybit::cpu
