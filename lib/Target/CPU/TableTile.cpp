#include "TableTile.h"
#include "anybit/Target/CPU/DotTile.h"

using namespace mlir;

namespace anybit::cpu {

/// Channels of a table of sixteen entries.
static constexpr int64_t quad = 4;

TableTile::TableTile(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target, Form form)
    : FrameTile(builder, op, views, target), inputBits(cpu::inputBits(op)), form(form),
      tableBytes(int64_t(1) << form.channels),
      stepsOfPosition(llvm::divideCeil(g.channelsIn, form.channels * form.tables)), stepBytes(form.tables * tableBytes),
      bytes(VectorType::get({4 * lanes}, kb.i8)), dwords(VectorType::get({lanes}, kb.i32)),
      tapsInRun(g.groups == 1 && g.dilationWidth == 1 ? g.kernelWidth : 1) {
  rows = tableRows(target, vectors, inputBits, g.positions());
  // Single tables are read with indices that every band expands again; those of six channels take eleven bytes a code,
  // and rows of two bands are made twice.
  int64_t mostBytes = form.channels == quad ? halfOfCache : 2 * halfOfCache;
  layOut(stepsOfPosition * stepBytes, digits(), mostBytes, /*leastTiles=*/form.tables == 1 ? 8 : 4);
}

int64_t TableTile::digits() const { return tableDigits(target, vectors, inputBits); }

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

Value TableTile::shuffled(Value value, ArrayRef<int64_t> order) {
  return vector::ShuffleOp::create(kb.b, kb.loc, value, value, order);
}

Value TableTile::digitOf(Value codes, int64_t digit) {
  Value own = shifted(codes, -4 * digit);
  return digits() > 1 ? masked(own, (1 << digitBits(digit)) - 1) : own;
}

/// The four sums of every pair of codes of one digit, whose highest code is `high`: twice the bytes of `codes`.
Value TableTile::sumsOfPairs(Value codes, int64_t high) {
  auto type = cast<VectorType>(codes.getType());
  int64_t count = type.getNumElements();
  Value absent = isOdd() ? codes : kb.integer(type, 0);
  Value present = isOdd() ? Value(arith::SubIOp::create(kb.b, kb.loc, kb.integer(type, high), codes)) : codes;
  SmallVector<int64_t> first, second;
  for (int64_t i = 0; i < 2 * count; ++i) {
    first.push_back(i / 4 * 2 + i % 2 * count);
    second.push_back(i / 4 * 2 + 1 + i / 2 % 2 * count);
  }
  auto taken = [&](ArrayRef<int64_t> order) { return vector::ShuffleOp::create(kb.b, kb.loc, absent, present, order); };
  return arith::AddIOp::create(kb.b, kb.loc, taken(first), taken(second));
}

/// So many tables of two pairs, of which every `distance`-th begins one.
Value TableTile::quadsOf(Value pairs, int64_t tables, int64_t distance) {
  SmallVector<int64_t> first, second;
  for (int64_t i = 0; i < 16 * tables; ++i) {
    int64_t pair = i / 16 * distance, entry = i % 16;
    first.push_back(4 * pair + entry % 4);
    second.push_back(4 * (pair + 1) + entry / 4);
  }
  return arith::AddIOp::create(kb.b, kb.loc, shuffled(pairs, first), shuffled(pairs, second));
}

/// The tables of the first `codes` of eight codes at `from`, and empty ones behind them.
void TableTile::buildQuads(Value from, Value to, int64_t codes, int64_t quads) {
  Value all = kb.loadLanes(VectorType::get({8}, kb.i8), from, codes);
  for (int64_t digit = 0; digit < digits(); ++digit) {
    Value tables = quadsOf(sumsOfPairs(digitOf(all, digit), (1 << digitBits(digit)) - 1), /*tables=*/2, /*distance=*/2);
    Value own = kb.at(to, digit * frameBytes());
    if (form.tables == 1 && quads == 2) {
      kb.store(tables, own);
      continue;
    }
    for (int64_t i = 0; i < quads; ++i)
      kb.store(vector::ExtractStridedSliceOp::create(kb.b, kb.loc, tables, {i * tableBytes}, {tableBytes}, {1}),
               kb.at(own, i * stepBytes / 2));
  }
}

void TableTile::prepareQuads(Value from, Value to) {
  // Of eight tables those of even number come first.
  int64_t together = form.tables == 1 ? 8 : 32, distance = form.tables == 1 ? 2 * tableBytes : tableBytes;
  int64_t full = g.channelsIn / together, quads = stepsOfPosition * form.tables;
  auto build = [&](Value fromCodes, Value toTables, int64_t codes, int64_t quadsLeft) {
    for (int64_t first = 0; first < quadsLeft; first += 2)
      buildQuads(kb.at(fromCodes, std::min(codes, first * quad)), kb.at(toTables, first / 2 * distance),
                 std::clamp<int64_t>(codes - first * quad, 0, 8), std::min<int64_t>(2, quadsLeft - first));
  };
  if (full)
    kb.loop(full, [&](Value i) {
      build(kb.at(from, kb.mul(i, together)), kb.at(to, kb.mul(i, together * quad)), together, together / quad);
    });
  int64_t done = full * together;
  build(kb.at(from, done), kb.at(to, done * quad), g.channelsIn - done, quads - done / quad);
}

/// The tables of the first `codes` of 24 codes at `from`: those of four channels, of which each 16 bytes are repeated,
/// and the sums of the other two, one to every 16 bytes. Loads repeat what shuffles would be needed for, so that
/// the tables of four channels pass through the room of the first table.
void TableTile::buildSixes(Value from, Value to, int64_t codes) {
  int64_t tables = llvm::divideCeil(codes, form.channels);
  Value all = kb.loadLanes(VectorType::get({32}, kb.i8), from, codes);
  SmallVector<int64_t> repeated;
  for (int64_t i = 0; i < tableBytes; ++i)
    repeated.push_back(i % 16);
  for (int64_t digit = 0; digit < digits(); ++digit) {
    Value pairs = sumsOfPairs(digitOf(all, digit), (1 << digitBits(digit)) - 1), own = kb.at(to, digit * frameBytes());
    kb.store(quadsOf(pairs, /*tables=*/4, /*distance=*/3), own);
    Value quads = kb.opaque(own);
    SmallVector<Value> sums;
    for (int64_t table = 0; table < tables; ++table) {
      SmallVector<int8_t> spread;
      for (int64_t entry = 0; entry < tableBytes; ++entry)
        spread.push_back(int8_t(4 * (3 * table + 2) + entry / 16));
      Value order = arith::ConstantOp::create(kb.b, kb.loc, DenseElementsAttr::get(bytes, ArrayRef<int8_t>(spread)));
      Value four = kb.load(VectorType::get({16}, kb.i8), kb.at(quads, table * 16));
      sums.push_back(arith::AddIOp::create(kb.b, kb.loc, shuffled(four, repeated), kb.permuteBytes(pairs, order)));
    }
    for (auto [table, sum] : llvm::enumerate(sums))
      kb.store(sum, kb.at(own, table * tableBytes));
  }
}

void TableTile::prepareSixes(Value from, Value to) {
  constexpr int64_t together = 24, tables = 4;
  int64_t full = g.channelsIn / together, rest = g.channelsIn % together;
  if (full)
    kb.loop(full, [&](Value i) {
      buildSixes(kb.at(from, kb.mul(i, together)), kb.at(to, kb.mul(i, tables * tableBytes)), together);
    });
  if (rest)
    buildSixes(kb.at(from, full * together), kb.at(to, full * tables * tableBytes), rest);
}

void TableTile::prepareChannels(Value from, Value to) {
  if (form.channels == quad)
    prepareQuads(from, to);
  else
    prepareSixes(from, to);
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
