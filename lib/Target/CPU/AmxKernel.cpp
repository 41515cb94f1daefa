//===- AmxKernel.cpp - convolutions of codes in tiles ---------------------===//
//
// docs/kernels.md, "amx". TDPBUSD multiplies a tile of up to 16 output positions by 64 codes, read from the input in
// place, with a tile of 64 weights of 16 columns, which is the order of dot4. A unit is two tiles of positions by two of
// columns: four tiles of sums, two of codes, two of weights. Its sums go to scratch memory, and the vectors of its
// epilogue run between the tile instructions of the next unit, which leave them the ports.
//
// Tile registers are named by number (the intrinsics without `internal`): nothing allocates them, so this is the same
// at every optimization level.
//
//===----------------------------------------------------------------------===//

#include "AmxRows.h"
#include "Reduction.h"

#include "anybit/abi.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

/// Tile registers: sums 0 to 3 (tile of positions, then of columns), codes 4 and 5, weights 6 and 7.
constexpr int64_t firstSums = 0, firstCodes = 4, firstWeights = 6;
/// Of a tile row, in bytes: 16 sums, 64 codes, or 4 weights of 16 columns.
constexpr int64_t tileRowBytes = 64;
constexpr int64_t configBytes = 64;
/// Weights of so many bytes stay in the nearest cache while all columns of positions are computed.
constexpr int64_t mostCachedBytes = 32 << 10;

class AmxKernel {
public:
  AmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target);
  Kernel build();

private:
  /// Tiles of positions by columns: numbers of the pair of tiles and of the block of columns.
  struct Unit {
    Value pair, block;
  };

  void configure();
  void expandBlock(Value block);
  SmallVector<Value> computeUnit(ValueRange state);
  void multiply(const Unit &unit, const Unit &done, Value doneRows);
  void reduce(size_t level, Value weights, Value inputOffset, Value step);
  void tileStep(Value weights, Value inputOffset);
  void finishRows(const Unit &unit, Value from, Value to);
  void finishRow(const Unit &unit, Value row, int64_t columns);
  void finishPosition(Value tile, int64_t indexInPair, const Unit &unit, Value row, int64_t columns);
  void finishVectors(int64_t indexInPair, const Unit &unit, Value row, const ConvArguments::Pixel &pixel, int64_t columns);

  Value firstTile(Value pair) { return tilesInPair == 1 ? kb.index(0) : kb.min(kb.mul(pair, 2), kb.index(rows.tiles() - 2)); }
  Value span(Value tile) { return rows.spans == 1 ? kb.index(0) : divide(tile, rows.tilesInSpan); }
  Value start(Value tile);
  Value weightsOf(Value block);
  Value group(Value block) { return g.groups == 1 ? kb.index(0) : divide(block, blocks); }
  Value inGroup(Value block) { return g.groups == 1 ? block : remainder(block, blocks); }
  Value divide(Value value, int64_t by) { return kb.b.createOrFold<arith::DivUIOp>(kb.loc, value, kb.index(by)); }
  Value remainder(Value value, int64_t by) { return kb.b.createOrFold<arith::RemUIOp>(kb.loc, value, kb.index(by)); }
  void tileOp(StringRef name, ArrayRef<int64_t> tiles, ValueRange memory = {});
  void when(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise = nullptr);

  int64_t allBlocks() const { return g.groups * blocks; }
  int64_t blockBytes() const { return stepsFrom(loops, 0) * stepValues * packed.getColumns() * packed.getBits() / 8; }
  int64_t pairs() const { return llvm::divideCeil(rows.tiles(), tilesInPair); }
  int64_t sumsRowBytes() const { return columnTiles * tileRowBytes; }
  int64_t panelOffset() const { return configBytes + llvm::alignTo(tilesInPair * rows.rows * sumsRowBytes(), ANYBIT_ALIGNMENT); }

  lowbit::ConvOp op;
  Geometry g;
  ConvArguments arguments;
  KernelBuilder kb;
  DotProduct dot;
  lowbit::PackedAttr packed;
  PixelStrides input;
  AmxRows rows;
  /// Loops of the reduction, a trip of the last one is a tile of `stepValues` codes.
  SmallVector<ReductionLoop> loops;
  int64_t stepValues;
  int64_t tilesInPair, columnTiles, blocks, groupBytes;
  int64_t panelBytes = 0; ///< Of one block of narrow weights as bytes; 0 where they are bytes.
  bool together = false;  ///< All columns of a pair of tiles before the next pair.

  SmallVector<Value> codes; ///< Where the tiles of codes of the unit begin.
  llvm::function_ref<void(Value step)> between;
};

AmxKernel::AmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : op(op), g(op), arguments(op, views), kb(builder, op.getLoc(), arguments.count()), dot(kb, target),
      packed(cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding())), input(views[0]),
      rows(AmxRows::choose(g, input)), loops(reductionLoops(g, packed, input, /*real=*/false)),
      tilesInPair(std::min<int64_t>(2, rows.tiles())), columnTiles(packed.getColumns() / 16),
      blocks(llvm::divideCeil(g.channelsOut, packed.getColumns())), groupBytes(g.channelsIn * views[0].elementBytes()) {
  int64_t steps = amxStepsInTile(loops.back().count);
  stepValues = 4 * steps;
  loops.back() = {loops.back().count / steps, loops.back().inputStride * steps};
  if (packed.getBits() < 8)
    panelBytes = stepsFrom(loops, 0) * stepValues * packed.getColumns();
  together = allBlocks() * (panelBytes ? panelBytes : blockBytes()) <= mostCachedBytes;
}

void AmxKernel::tileOp(StringRef name, ArrayRef<int64_t> tiles, ValueRange memory) {
  SmallVector<Value> operands;
  for (int64_t tile : tiles)
    operands.push_back(kb.integer(kb.i8, tile));
  llvm::append_range(operands, memory);
  LLVM::CallIntrinsicOp::create(kb.b, kb.loc, kb.b.getStringAttr(name), operands);
}

void AmxKernel::when(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(kb.b, kb.loc, condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(kb.b);
  kb.b.setInsertionPointToStart(branch.thenBlock());
  then();
  if (!otherwise)
    return;
  kb.b.setInsertionPointToStart(branch.elseBlock());
  otherwise();
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

Value AmxKernel::weightsOf(Value block) {
  if (!panelBytes)
    return kb.at(kb.argument(ConvArguments::weights), kb.mul(block, blockBytes()));
  Value offset = together ? kb.mul(block, panelBytes) : kb.index(0);
  return kb.at(kb.scratch(), kb.add(offset, panelOffset()));
}

void AmxKernel::expandBlock(Value block) {
  Value from = kb.at(kb.argument(ConvArguments::weights), kb.mul(block, blockBytes()));
  expandSteps(kb, dot, op, packed, stepsFrom(loops, 0) * stepValues / 4, columnTiles, from, weightsOf(block));
}

/// The place of the first row of a tile in its span.
Value AmxKernel::start(Value tile) {
  return kb.min(kb.mul(remainder(tile, rows.tilesInSpan), rows.rows), kb.index(rows.length - rows.rows));
}

/// One trip of the innermost loop of the reduction. Loads come before what needs them, products as early as they can.
void AmxKernel::tileStep(Value weights, Value inputOffset) {
  Value codesStride = kb.index(input.pixel * g.strideWidth), weightsStride = kb.index(columnTiles * tileRowBytes);
  for (int64_t column = 0; column < columnTiles; ++column)
    tileOp("llvm.x86.tileloadd64", firstWeights + column, {kb.at(weights, column * tileRowBytes), weightsStride});
  for (int64_t i = 0; i < tilesInPair; ++i) {
    tileOp("llvm.x86.tileloadd64", firstCodes + i, {kb.at(codes[i], inputOffset), codesStride});
    for (int64_t column = 0; column < columnTiles; ++column)
      tileOp("llvm.x86.tdpbusd", {firstSums + 2 * i + column, firstCodes + i, firstWeights + column});
  }
}

void AmxKernel::reduce(size_t level, Value weights, Value inputOffset, Value step) {
  if (level == loops.size()) {
    tileStep(weights, inputOffset);
    return between(step);
  }
  int64_t steps = stepsFrom(loops, level + 1);
  kb.loop(loops[level].count, [&](Value i) {
    Value inner = kb.mul(i, steps);
    reduce(level + 1, kb.at(weights, kb.mul(inner, stepValues * packed.getColumns())),
           kb.add(inputOffset, kb.mul(i, loops[level].inputStride)), kb.add(step, inner));
  });
}

/// The sums of `unit`; every step also finishes some rows of the unit before it.
void AmxKernel::multiply(const Unit &unit, const Unit &done, Value doneRows) {
  Value groupOffset = kb.mul(group(unit.block), groupBytes), tile = firstTile(unit.pair);
  codes.clear();
  for (int64_t i = 0; i < tilesInPair; ++i) {
    Value number = kb.add(tile, i), image = divide(span(number), rows.joined() ? 1 : rows.imageSpans);
    Value inImage = remainder(span(number), rows.joined() ? 1 : rows.imageSpans);
    Value offset = kb.add(kb.mul(image, input.batch), kb.mul(inImage, input.row * g.strideHeight));
    offset = kb.add(offset, kb.mul(start(number), input.pixel * g.strideWidth));
    codes.push_back(kb.at(kb.argument(ConvArguments::input), kb.add(offset, groupOffset)));
  }
  for (int64_t i = 0; i < tilesInPair; ++i)
    for (int64_t column = 0; column < columnTiles; ++column)
      tileOp("llvm.x86.tilezero", firstSums + 2 * i + column);
  int64_t rowsPerStep = llvm::divideCeil(rows.rows, stepsFrom(loops, 0));
  auto finishSome = [&](Value step) {
    Value from = kb.mul(step, rowsPerStep);
    finishRows(done, kb.min(from, doneRows), kb.min(kb.add(from, rowsPerStep), doneRows));
  };
  between = finishSome;
  reduce(0, weightsOf(unit.block), kb.index(0), kb.index(0));
  for (int64_t i = 0; i < tilesInPair; ++i)
    for (int64_t column = 0; column < columnTiles; ++column) {
      Value to = kb.at(kb.scratch(), configBytes + i * rows.rows * sumsRowBytes() + column * tileRowBytes);
      tileOp("llvm.x86.tilestored64", firstSums + 2 * i + column, {to, kb.index(sumsRowBytes())});
    }
}

/// Rows [from, to) of both tiles of a unit whose sums lie in scratch memory.
void AmxKernel::finishRows(const Unit &unit, Value from, Value to) {
  auto all = [&](int64_t columns) { kb.loop(from, to, [&](Value row) { finishRow(unit, row, columns); }); };
  int64_t tail = g.channelsOut - (blocks - 1) * packed.getColumns();
  if (blocks == 1 || tail == packed.getColumns())
    return all(tail);
  Value last = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, inGroup(unit.block), kb.index(blocks - 1));
  when(last, [&] { all(tail); }, [&] { all(packed.getColumns()); });
}

void AmxKernel::finishRow(const Unit &unit, Value row, int64_t columns) {
  Value tile = firstTile(unit.pair);
  for (int64_t i = 0; i < tilesInPair; ++i)
    finishPosition(kb.add(tile, i), i, unit, row, columns);
}

/// Positions between the rows of an image are no outputs.
void AmxKernel::finishPosition(Value tile, int64_t indexInPair, const Unit &unit, Value row, int64_t columns) {
  Value place = kb.add(start(tile), row);
  if (rows.joined())
    return finishVectors(indexInPair, unit, row, ConvArguments::pixelAt(kb, g, place), columns);
  Value image = divide(span(tile), rows.imageSpans), y = remainder(span(tile), rows.imageSpans), x = place;
  if (rows.pitch) {
    y = divide(place, rows.pitch);
    x = remainder(place, rows.pitch);
  }
  auto offset = [&](const PixelStrides &s) -> Value {
    return kb.add(kb.add(kb.mul(image, s.batch), kb.mul(y, s.row)), kb.mul(x, s.pixel));
  };
  auto finish = [&] { finishVectors(indexInPair, unit, row, offset, columns); };
  if (!rows.pitch)
    return finish();
  when(arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::ult, x, kb.index(g.width)), finish);
}

void AmxKernel::finishVectors(int64_t indexInPair, const Unit &unit, Value row, const ConvArguments::Pixel &pixel,
                              int64_t columns) {
  auto type = VectorType::get({16}, kb.i32);
  Value channel = kb.add(kb.mul(group(unit.block), g.channelsOut), kb.mul(inGroup(unit.block), packed.getColumns()));
  Value initial = kb.at(kb.argument(ConvArguments::initial), kb.mul(unit.block, packed.getColumns() * 4));
  Value sums = kb.at(kb.scratch(), kb.add(kb.mul(row, sumsRowBytes()), configBytes + indexInPair * rows.rows * sumsRowBytes()));
  SmallVector<Value> totals;
  for (int64_t column = 0; column < columns; column += 16)
    totals.push_back(arith::AddIOp::create(kb.b, kb.loc, kb.load(type, kb.at(sums, column * 4)),
                                           kb.load(type, kb.at(initial, column * 4))));
  arguments.emitEpilogue(kb, totals, pixel, channel, columns, /*packs=*/true);
}

Kernel AmxKernel::build() {
  // Threads share positions; where weights are more than codes, columns, so that each reads its own weights only.
  int64_t weightBytes = allBlocks() * blockBytes(), inputBytes = g.positions() * g.groups * groupBytes;
  bool splitBlocks = allBlocks() > pairs() || (allBlocks() >= 8 && weightBytes > inputBytes);
  Value zero = kb.index(0);
  Value pairBegin = splitBlocks ? zero : kb.begin(), pairEnd = splitBlocks ? kb.index(pairs()) : kb.end();
  Value blockBegin = splitBlocks ? kb.begin() : zero, blockEnd = splitBlocks ? kb.end() : kb.index(allBlocks());
  configure();
  if (panelBytes && together)
    kb.loop(blockBegin, blockEnd, [&](Value block) { expandBlock(block); });
  auto extent = [&](Value from, Value to) -> Value { return arith::SubIOp::create(kb.b, kb.loc, to, from); };
  Value units = arith::MulIOp::create(kb.b, kb.loc, extent(pairBegin, pairEnd), extent(blockBegin, blockEnd));
  auto equal = [&](Value a, Value b) -> Value {
    return arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, a, b);
  };
  SmallVector<Value> state = kb.loop(zero, units, 1, {pairBegin, blockBegin, pairBegin, blockBegin, zero},
                                     [&](Value, ValueRange now) -> SmallVector<Value> {
    Unit unit{now[0], now[1]};
    if (panelBytes && !together)
      when(equal(unit.pair, pairBegin), [&] { expandBlock(unit.block); });
    multiply(unit, {now[2], now[3]}, now[4]);
    Value inner = kb.add(together ? unit.block : unit.pair, 1), outer = kb.add(together ? unit.pair : unit.block, 1);
    Value wraps = equal(inner, together ? blockEnd : pairEnd);
    inner = arith::SelectOp::create(kb.b, kb.loc, wraps, together ? blockBegin : pairBegin, inner);
    outer = arith::SelectOp::create(kb.b, kb.loc, wraps, outer, together ? unit.pair : unit.block);
    return {together ? outer : inner, together ? inner : outer, unit.pair, unit.block, kb.index(rows.rows)};
  });
  finishRows({state[2], state[3]}, zero, kb.index(rows.rows));
  tileOp("llvm.x86.tilerelease", {});
  int64_t scratch = panelOffset() + (together ? allBlocks() : 1) * panelBytes;
  return {kb.finish(), splitBlocks ? allBlocks() : pairs(), "conv-amx", scratch};
}

} // namespace

Kernel buildAmxKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return AmxKernel(builder, op, views, target).build();
}

} // namespace anybit::cpu
