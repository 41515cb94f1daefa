//===- AmxKernel.cpp - convolutions of codes in tiles ---------------------===//
//
// docs/kernels.md, "amx". TDPBUSD multiplies a tile of up to 16 output positions by 64 codes, read from the input in
// place, with a tile of 64 weights of 16 columns, which is the order of dot4. A unit is two tiles of positions by two of
// columns, or four by one where that is all positions: four tiles of sums. They go to scratch memory. Between the tile
// instructions of a unit, which leave them the ports, run the vector instructions of others: the epilogue of the unit
// before, and what the next weights need.
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

/// Tile registers: sums 0 to 3 (tile of positions, then of columns), codes from 4 on, weights in the last one or two.
constexpr int64_t firstSums = 0, firstCodes = 4, tileRegisters = 8;
/// Of a tile row, in bytes: 16 sums, 64 codes, or 4 weights of 16 columns.
constexpr int64_t tileRowBytes = 64;
constexpr int64_t configBytes = 64, cacheLine = 64;
/// Blocks are the inner loop where weights of so many bytes, which then are read again for every pack, take so few steps
/// that writing outputs in order pays: of several passes, each writes half a line of every position.
constexpr int64_t mostReadAgain = 256 << 10, mostStepsReadAgain = 4;
/// Tiles of weights that are expanded ahead of their only use, and that the ring has room for.
constexpr int64_t stepsAhead = 4, ringSteps = 8;
/// Tiles of weights that are fetched from the third cache ahead of their only use: 64 KiB.
constexpr int64_t stepsFetched = 64;

class AmxKernel {
public:
  AmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target);
  Kernel build();

private:
  /// The part of the grid: packs of tiles of positions, and blocks of columns.
  struct Part {
    Value firstPack, endPack, firstBlock, endBlock;
  };
  /// A pack of tiles of positions by a block of columns.
  struct Unit {
    Value pack, block;
  };
  Part part();
  SmallVector<Value> unit(const Part &part, ValueRange state);
  void multiply(const Unit &now, llvm::function_ref<void(Value step)> between);
  void everySum(llvm::function_ref<void(int64_t sum, int64_t offset)> visit);
  void storeSums();
  void reduce(size_t level, Value weights, Value inputOffset, Value step, llvm::function_ref<void(Value)> between);
  void tileStep(Value weights, Value inputOffset, Value step);
  void finish(const Unit &done, Value from, Value to);
  void finishSome(const Unit &done, Value anyDone, Value step);
  void prepareNext(const Part &part, const Unit &now, Value step);
  void prepareStep(Value number);
  void expand(Value packedBlock, Value panel, Value from, Value to);
  void prefetchShare(Value weights, Value slot);
  void fetch(Value from, int64_t lines);

  void configure();
  void tileOp(StringRef name, ArrayRef<int64_t> tiles, ValueRange memory = {});
  Value packedWeights(Value block) { return kb.at(kb.argument(ConvArguments::weights), kb.mul(block, blockBytes())); }
  Value weightsOf(Value block);
  Value ringStep(Value number) {
    return kb.at(weightsOf(Value()), kb.mul(kb.remainder(number, ringSteps), stepBytes()));
  }
  Value sums() { return kb.at(kb.scratch(), configBytes); }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) {
    return arith::CmpIOp::create(kb.b, kb.loc, predicate, a, b);
  }

  int64_t firstWeights() const { return tileRegisters - columnTiles; }
  int64_t codesTile(int64_t i) const { return firstCodes + i % (firstWeights() - firstCodes); }
  int64_t steps() const { return stepsFrom(loops, 0); }
  int64_t blockBytes() const { return steps() * stepBytes() * packed.getBits() / 8; }
  int64_t stepBytes() const { return stepValues * packed.getColumns(); } ///< Of weights as bytes.
  int64_t panelOffset() const { return configBytes + llvm::alignTo(epilogue.sumsBytes(), ANYBIT_ALIGNMENT); }
  /// Of narrow weights as bytes: a ring, two blocks, or all of them.
  int64_t expandedBytes() const { return (once ? ringSteps * stepBytes() : (together ? allBlocks : 2) * panelBytes); }

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
  bool once;              ///< There is one pack: every weight is read once.
  bool together;          ///< All columns of a pack before the next pack.
  SmallVector<Value> codes; ///< Where the tiles of codes of a unit begin.
  Value stepsBefore;        ///< Tile steps of the blocks before that of a unit.
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
  once = rows.packs(columnTiles) == 1;
  together = !once && steps() <= mostStepsReadAgain && allBlocks * steps() * stepBytes() <= mostReadAgain;
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
  for (int64_t tile = 0; tile < tileRegisters; ++tile) {
    bool isWeights = tile >= firstWeights(), isCodes = tile >= firstCodes && !isWeights;
    bytes[16 + 2 * tile] = int8_t(isCodes ? stepValues : tileRowBytes);
    bytes[48 + tile] = int8_t(isWeights ? stepValues / 4 : rows.rows);
  }
  auto type = VectorType::get({configBytes}, kb.i8);
  kb.store(arith::ConstantOp::create(kb.b, kb.loc, DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes))), kb.scratch());
  tileOp("llvm.x86.ldtilecfg", {}, kb.scratch());
}

/// Of a block as bytes. Its panel and that of the next block take turns.
Value AmxKernel::weightsOf(Value block) {
  if (!panelBytes)
    return packedWeights(block);
  if (once)
    return kb.at(kb.scratch(), panelOffset());
  return kb.at(kb.scratch(), kb.add(kb.mul(together ? block : kb.remainder(block, 2), panelBytes), panelOffset()));
}

/// Steps of four values [from, to) of a block, as bytes to where `panel` has the first of the block.
void AmxKernel::expand(Value packedBlock, Value panel, Value from, Value to) {
  kb.loop(from, to, [&](Value step) {
    expandSteps(kb, dot, op, packed, 1, columnTiles,
                kb.at(packedBlock, kb.mul(step, packed.getColumns() * packed.getBits() / 2)),
                kb.at(panel, kb.mul(step, packed.getColumns() * 4)));
  });
}

/// One tile step of the weights of all blocks, one after the other: to the ring, or to the second cache.
void AmxKernel::prepareStep(Value number) {
  Value packedStep = kb.at(kb.argument(ConvArguments::weights), kb.mul(number, stepBytes() * packed.getBits() / 8));
  if (!panelBytes)
    return fetch(packedStep, stepBytes() / cacheLine);
  expand(packedStep, ringStep(number), kb.index(0), kb.index(stepValues / 4));
}

/// The share of a tile step in what the next weights need: expanding them, or fetching them to the second cache.
void AmxKernel::prepareNext(const Part &part, const Unit &now, Value step) {
  if (once) {
    Value number = kb.add(kb.add(kb.mul(now.block, steps()), step), panelBytes ? stepsAhead : stepsFetched);
    return kb.branch(compare(arith::CmpIPredicate::ult, number, kb.mul(part.endBlock, steps())),
                     [&] { prepareStep(number); });
  }
  // All packs share the work for the next block; if blocks are the inner loop, only the first pack has any.
  Value next = kb.add(now.block, 1), exists = compare(arith::CmpIPredicate::ult, next, part.endBlock);
  Value sharer = kb.index(0), sharers = kb.index(1);
  if (together) {
    Value first = compare(arith::CmpIPredicate::eq, now.pack, part.firstPack);
    exists = arith::AndIOp::create(kb.b, kb.loc, exists, first);
  } else {
    sharer = arith::SubIOp::create(kb.b, kb.loc, now.pack, part.firstPack);
    sharers = arith::SubIOp::create(kb.b, kb.loc, part.endPack, part.firstPack);
  }
  Value slot = kb.add(kb.mul(sharer, steps()), step);
  if (!panelBytes)
    return kb.branch(exists, [&] { prefetchShare(packedWeights(next), slot); });
  int64_t inStep = stepValues / 4;
  Value each = kb.b.createOrFold<arith::DivUIOp>(kb.loc, kb.add(sharers, inStep - 1), sharers);
  Value most = arith::SelectOp::create(kb.b, kb.loc, exists, kb.index(steps() * inStep), kb.index(0));
  Value from = kb.min(arith::MulIOp::create(kb.b, kb.loc, slot, each), most), to = kb.min(kb.add(from, each), most);
  expand(packedWeights(next), weightsOf(next), from, to);
}

/// A fixed number of lines, as if one thread had all packs: the hint may end early, and reads nothing past the weights.
void AmxKernel::prefetchShare(Value weights, Value slot) {
  int64_t lines = blockBytes() / cacheLine, slots = steps() * (together ? 1 : rows.packs(columnTiles));
  int64_t each = llvm::divideCeil(lines, slots);
  if (lines < each)
    return;
  Value from = kb.min(kb.mul(slot, each), kb.index(lines - each));
  fetch(kb.at(weights, kb.mul(from, cacheLine)), each);
}

void AmxKernel::fetch(Value from, int64_t lines) {
  for (int64_t line = 0; line < lines; ++line)
    LLVM::Prefetch::create(kb.b, kb.loc, kb.at(from, line * cacheLine), /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

/// Trip number `step` of the innermost loop of the reduction.
void AmxKernel::tileStep(Value weights, Value inputOffset, Value step) {
  if (panelBytes && once)
    weights = ringStep(kb.add(stepsBefore, step));
  Value codesStride = kb.index(rows.stride), weightsStride = kb.index(columnTiles * tileRowBytes);
  for (int64_t column = 0; column < columnTiles; ++column)
    tileOp("llvm.x86.tileloadd64", firstWeights() + column, {kb.at(weights, column * tileRowBytes), weightsStride});
  for (int64_t i = 0; i < rows.tilesInPack(columnTiles); ++i) {
    tileOp("llvm.x86.tileloadd64", codesTile(i), {kb.at(codes[i], inputOffset), codesStride});
    for (int64_t column = 0; column < columnTiles; ++column)
      tileOp("llvm.x86.tdpbusd", {firstSums + columnTiles * i + column, codesTile(i), firstWeights() + column});
  }
}

void AmxKernel::reduce(size_t level, Value weights, Value inputOffset, Value step,
                       llvm::function_ref<void(Value)> between) {
  if (level == loops.size()) {
    tileStep(weights, inputOffset, step);
    return between(step);
  }
  int64_t inner = stepsFrom(loops, level + 1);
  kb.loop(loops[level].count, [&](Value i) {
    Value done = kb.mul(i, inner);
    reduce(level + 1, kb.at(weights, kb.mul(done, stepBytes())),
           kb.add(inputOffset, kb.mul(i, loops[level].inputStride)), kb.add(step, done), between);
  });
}

/// The sums of a unit.
void AmxKernel::multiply(const Unit &now, llvm::function_ref<void(Value step)> between) {
  Value group = g.groups == 1 ? kb.index(0) : kb.divide(now.block, allBlocks / g.groups);
  Value tile = rows.firstTile(kb, now.pack, columnTiles);
  int64_t imageSpans = rows.joined() ? 1 : rows.imageSpans;
  codes.clear();
  for (int64_t i = 0; i < rows.tilesInPack(columnTiles); ++i) {
    Value number = kb.add(tile, i), span = rows.span(kb, number);
    Value offset = kb.add(kb.mul(kb.divide(span, imageSpans), input.batch),
                          kb.mul(kb.remainder(span, imageSpans), input.row * g.strideHeight));
    offset = kb.add(kb.add(offset, kb.mul(rows.start(kb, number), rows.stride)), kb.mul(group, groupBytes));
    codes.push_back(kb.at(kb.argument(ConvArguments::input), offset));
  }
  everySum([&](int64_t sum, int64_t) { tileOp("llvm.x86.tilezero", sum); });
  stepsBefore = kb.mul(now.block, steps());
  reduce(0, weightsOf(now.block), kb.index(0), kb.index(0), between);
}

void AmxKernel::everySum(llvm::function_ref<void(int64_t sum, int64_t offset)> visit) {
  for (int64_t i = 0; i < rows.tilesInPack(columnTiles); ++i)
    for (int64_t column = 0; column < columnTiles; ++column)
      visit(firstSums + columnTiles * i + column, i * rows.rows * epilogue.sumsRowBytes() + column * tileRowBytes);
}

void AmxKernel::storeSums() {
  Value stride = kb.index(epilogue.sumsRowBytes());
  everySum([&](int64_t sum, int64_t offset) {
    tileOp("llvm.x86.tilestored64", sum, {kb.at(sums(), offset), stride});
  });
}

void AmxKernel::finish(const Unit &done, Value from, Value to) {
  epilogue.finishRows(sums(), rows.firstTile(kb, done.pack, columnTiles), done.block, from, to);
}

/// The share of a tile step in the rows of the unit before; the last share overlaps.
void AmxKernel::finishSome(const Unit &done, Value anyDone, Value step) {
  int64_t inStep = llvm::divideCeil(rows.rows, steps()), busySteps = llvm::divideCeil(rows.rows, inStep);
  Value some = anyDone;
  if (busySteps < steps())
    some = arith::AndIOp::create(kb.b, kb.loc, some, compare(arith::CmpIPredicate::ult, step, kb.index(busySteps)));
  kb.branch(some, [&] {
    Value from = kb.min(kb.mul(step, inStep), kb.index(rows.rows - inStep));
    finish(done, from, kb.add(from, inStep));
  });
}

/// A trip of the loop over the units of a part. State: the unit, the one before it, and whether there is one.
SmallVector<Value> AmxKernel::unit(const Part &part, ValueRange state) {
  Unit now{state[0], state[1]}, done{state[2], state[3]};
  Value anyDone = compare(arith::CmpIPredicate::ne, state[4], kb.index(0));
  multiply(now, [&](Value step) {
    finishSome(done, anyDone, step);
    prepareNext(part, now, step);
  });
  storeSums();
  auto select = [&](Value condition, Value a, Value b) -> Value {
    return arith::SelectOp::create(kb.b, kb.loc, condition, a, b);
  };
  Value nextPack = kb.add(now.pack, 1), nextBlock = kb.add(now.block, 1);
  if (together) {
    Value wraps = compare(arith::CmpIPredicate::eq, nextBlock, part.endBlock);
    nextPack = select(wraps, nextPack, now.pack);
    nextBlock = select(wraps, part.firstBlock, nextBlock);
  } else {
    Value wraps = compare(arith::CmpIPredicate::eq, nextPack, part.endPack);
    nextBlock = select(wraps, nextBlock, now.block);
    nextPack = select(wraps, part.firstPack, nextPack);
  }
  return {nextPack, nextBlock, now.pack, now.block, kb.index(1)};
}

/// Threads share packs of tiles; where weights, expanded, are more than codes, blocks, so that each call reads its own only.
AmxKernel::Part AmxKernel::part() {
  int64_t weightBytes = allBlocks * steps() * stepBytes(), inputBytes = g.positions() * g.groups * groupBytes;
  Value zero = kb.index(0);
  if (allBlocks > rows.packs(columnTiles) || (allBlocks >= leastBlocksToShare && weightBytes > inputBytes))
    return {zero, kb.index(rows.packs(columnTiles)), kb.begin(), kb.end()};
  return {kb.begin(), kb.end(), zero, kb.index(allBlocks)};
}

Kernel AmxKernel::build() {
  Part mine = part();
  bool splitsBlocks = mine.endBlock == kb.end();
  configure();
  if (panelBytes && once) {
    Value first = kb.mul(mine.firstBlock, steps()), end = kb.mul(mine.endBlock, steps());
    kb.loop(first, kb.min(kb.add(first, stepsAhead), end), [&](Value number) { prepareStep(number); });
  } else if (panelBytes) {
    expand(packedWeights(mine.firstBlock), weightsOf(mine.firstBlock), kb.index(0), kb.index(steps() * stepValues / 4));
  }
  auto extent = [&](Value from, Value to) -> Value { return arith::SubIOp::create(kb.b, kb.loc, to, from); };
  Value units = arith::MulIOp::create(kb.b, kb.loc, extent(mine.firstPack, mine.endPack),
                                      extent(mine.firstBlock, mine.endBlock));
  SmallVector<Value> first{mine.firstPack, mine.firstBlock, mine.firstPack, mine.firstBlock, kb.index(0)};
  SmallVector<Value> last = kb.loop(kb.index(0), units, 1, first,
                                    [&](Value, ValueRange state) { return unit(mine, state); });
  finish({last[2], last[3]}, kb.index(0), kb.index(rows.rows));
  tileOp("llvm.x86.tilerelease", {});
  int64_t scratch = panelOffset() + (panelBytes ? expandedBytes() : 0);
  return {kb.finish(), splitsBlocks ? allBlocks : rows.packs(columnTiles), "conv-amx", scratch};
}

} // namespace

Kernel buildAmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return AmxKernel(builder, op, views, target).build();
}

} // namespace anybit::cpu
