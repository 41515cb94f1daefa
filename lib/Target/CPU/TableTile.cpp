#include "TableTile.h"
#include "anybit/Target/CPU/DotTile.h"

using namespace mlir;

namespace anybit::cpu {

TableTile::TableTile(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target,
                     int64_t stepQuads)
    : FrameTile(builder, op, views, target), inputBits(cpu::inputBits(op)), stepQuads(stepQuads),
      stepsOfPosition(llvm::divideCeil(g.channelsIn, quad * stepQuads)), stepBytes(stepQuads * tableBytes),
      bytes(VectorType::get({4 * lanes}, kb.i8)), dwords(VectorType::get({lanes}, kb.i32)),
      tapsInRun(g.groups == 1 && g.dilationWidth == 1 ? g.kernelWidth : 1) {
  rows = tableRows(target, vectors, inputBits, g.positions());
  // Tables of single quads are read with indices that every band expands again.
  layOut(stepsOfPosition * stepBytes, digits(), /*leastTiles=*/stepQuads == 1 ? 8 : 4);
}

int64_t TableTile::digits() const { return tableDigits(target, inputBits); }

Value TableTile::shifted(Value value, int64_t left) {
  if (left == 0)
    return value;
  Value bits = kb.integer(value.getType(), std::abs(left));
  return left > 0 ? Value(arith::ShLIOp::create(kb.b, kb.loc, value, bits))
                  : Value(arith::ShRUIOp::create(kb.b, kb.loc, value, bits));
}

Value TableTile::masked(Value value, int64_t mask) {
  return arith::AndIOp::create(kb.b, kb.loc, value, kb.integer(value.getType(), int32_t(mask)));
}

/// Tables of a register of codes of one digit, whose highest code is `high`: pairs of codes become their four sums
/// first, then pairs of those the sixteen.
Value TableTile::tablesOf(Value codes, int64_t high) {
  auto type = cast<VectorType>(codes.getType());
  int64_t count = type.getNumElements();
  Value absent = isOdd() ? codes : kb.integer(type, 0);
  Value present = isOdd() ? Value(arith::SubIOp::create(kb.b, kb.loc, kb.integer(type, high), codes)) : codes;
  SmallVector<int64_t> interleaved;
  for (int64_t i = 0; i < count; ++i)
    interleaved.append({i, count + i});
  Value both = vector::ShuffleOp::create(kb.b, kb.loc, absent, present, interleaved);
  SmallVector<int64_t> first, second;
  for (int64_t i = 0; i < 2 * count; ++i) {
    int64_t pair = i / 4 * 4;
    first.push_back(pair + i % 2);
    second.push_back(pair + 2 + i / 2 % 2);
  }
  auto shuffled = [&](Value value, ArrayRef<int64_t> order) -> Value {
    return vector::ShuffleOp::create(kb.b, kb.loc, value, value, order);
  };
  Value pairs = arith::AddIOp::create(kb.b, kb.loc, shuffled(both, first), shuffled(both, second));
  first.clear(), second.clear();
  for (int64_t i = 0; i < 4 * count; ++i) {
    int64_t table = i / tableBytes * 8, entry = i % tableBytes;
    first.push_back(table + entry % 4);
    second.push_back(table + 4 + entry / 4);
  }
  return arith::AddIOp::create(kb.b, kb.loc, shuffled(pairs, first), shuffled(pairs, second));
}

/// The tables of the first `codes` of eight codes at `from`, and empty ones behind them.
void TableTile::buildTables(Value from, Value to, int64_t codes, int64_t quads) {
  auto type = VectorType::get({8}, kb.i8);
  Value all = kb.loadLanes(type, from, codes);
  for (int64_t digit = 0; digit < digits(); ++digit) {
    int64_t high = (1 << digitBits(digit)) - 1;
    Value codesOfDigit = shifted(all, -4 * digit);
    if (digits() > 1)
      codesOfDigit = masked(codesOfDigit, high);
    Value tables = tablesOf(codesOfDigit, high);
    Value own = kb.at(to, digit * frameBytes());
    if (stepQuads == 1 && quads == 2) {
      kb.store(tables, own);
      continue;
    }
    for (int64_t quad = 0; quad < quads; ++quad)
      kb.store(vector::ExtractStridedSliceOp::create(kb.b, kb.loc, tables, {quad * tableBytes}, {tableBytes}, {1}),
               kb.at(own, quad * stepBytes / 2));
  }
}

void TableTile::prepareChannels(Value from, Value to) {
  // Of eight tables those of even number come first.
  int64_t together = stepQuads == 1 ? 8 : 32, distance = stepQuads == 1 ? 2 * tableBytes : tableBytes;
  int64_t full = g.channelsIn / together, quads = stepsOfPosition * stepQuads;
  auto build = [&](Value fromCodes, Value toTables, int64_t codes, int64_t quadsLeft) {
    for (int64_t first = 0; first < quadsLeft; first += 2)
      buildTables(kb.at(fromCodes, std::min(codes, first * quad)), kb.at(toTables, first / 2 * distance),
                  std::clamp<int64_t>(codes - first * quad, 0, 8), std::min<int64_t>(2, quadsLeft - first));
  };
  if (full)
    kb.loop(full, [&](Value i) {
      build(kb.at(from, kb.mul(i, together)), kb.at(to, kb.mul(i, together * quad)), together, together / quad);
    });
  int64_t done = full * together;
  build(kb.at(from, done), kb.at(to, done * quad), g.channelsIn - done, quads - done / quad);
}

SmallVector<TableTile::Pass> TableTile::passes(Value weights, int64_t planeBytes) {
  SmallVector<Pass> all;
  for (int64_t bit = 0; bit < int64_t(packed.getBits()); ++bit)
    for (int64_t digit = 0; digit < digits(); ++digit)
      all.push_back({kb.index(digit * frameBytes()), kb.at(weights, bit * planeBytes), bit + 4 * digit,
                     isOdd() || bit == int64_t(packed.getBits()) - 1, digitBits(digit)});
  return all;
}

Value TableTile::tableOffset(Value run) {
  if (tapsInRun > 1 || g.kernelWidth == 1)
    return kb.mul(run, input.row * g.dilationHeight);
  if (g.kernelHeight == 1)
    return kb.mul(run, input.pixel * g.dilationWidth);
  return kb.add(kb.mul(kb.divide(run, g.kernelWidth), input.row * g.dilationHeight),
                kb.mul(kb.remainder(run, g.kernelWidth), input.pixel * g.dilationWidth));
}

} // namespace anybit::cpu
