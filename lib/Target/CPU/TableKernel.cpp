//===- TableKernel.cpp - convolutions that look sums up -------------------===//
//
// Recipe R8 (docs/kernels.md, "table"). Four codes of a position have sixteen sums of subsets: a table of bytes, which
// the scratch of the thread holds for every position and group of four channels. Four bits of weights of one plane
// (weights.h, ANYBIT_ORDER_PLANES) are an index, and one VPSHUFB looks up a register of columns. Bytes are summed as
// bytes for as long as they cannot overflow, then as 16 bits, then as int32.
//
// `odd` weights: an entry is the sum of |q M - a|, M the highest code, as bits that differ are what numerics N9
// counts; else it is the sum of q a. Codes of more than four bits are two digits with tables of their own.
//
//===----------------------------------------------------------------------===//

#include "FrameTile.h"
#include "anybit/Target/CPU/KernelChoice.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

constexpr int64_t tableBytes = 16, quad = 4;
/// Registers of int32 columns that the bytes of one register become.
constexpr int64_t columnsOfByte = 4;

class TableKernel : public FrameTile {
public:
  TableKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target);

private:
  void prepareChannels(Value from, Value to) override;
  void expandBlock(Value weights, Value to) override;
  int64_t blockBytes() const override { return packed.getBits() * planeWords() * 4; }
  SmallVector<Value> sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) override;

  void buildTables(Value from, Value to, int64_t codes);
  Value tablesOf(Value codes, int64_t high);
  void expandWord(Value weights, Value to, int64_t groups);

  /// One digit of the input and one plane of the weights.
  struct Pass {
    Value tables; ///< Offset of the digit's tables.
    Value panel;
    int64_t groupsOfByte; ///< So many sums of a table fit a byte.
    int64_t groupsOfWord;
  };
  /// Sums of bytes, by rows and registers of bytes.
  using Sums = SmallVector<Value>;
  Value lookUp(Value table, Value indices);
  Sums addGroup(Value panel, Value tables, ArrayRef<Value> rowPointers, const Sums &before);
  Sums addChunk(Value panel, Value tables, ArrayRef<Value> rowPointers, int64_t groups, ValueRange words);
  Sums addRun(const Pass &pass, Value run, Value from, int64_t groups, ArrayRef<Value> rowPointers, ValueRange words);
  SmallVector<Value> widened(ValueRange words);
  SmallVector<Value> passSums(const Pass &pass, ArrayRef<Value> rowPointers);
  int64_t chunkOf(const Pass &pass) const;
  Value tableOffset(Value run);

  bool isOdd() { return op.getWeightFormat()->getKind() == msq::FormatKind::Odd; }
  int64_t inputBits() { return cpu::inputBits(op); }
  int64_t digits() { return tableDigits(inputBits()); }
  int64_t digitBits(int64_t digit) { return std::min<int64_t>(4, inputBits() - 4 * digit); }
  int64_t words() const { return llvm::divideCeil(g.channelsIn, 32); }
  int64_t planeWords() const { return g.kernelHeight * g.kernelWidth * words() * packed.getColumns(); }
  int64_t groupsOfPosition() const { return llvm::divideCeil(g.channelsIn, quad); }
  int64_t registerBytes() const { return 4 * lanes; }
  int64_t indexBytes() const { return byteVectors * registerBytes(); }
  int64_t runs() const { return taps() / tapsInRun; }
  int64_t taps() const { return g.kernelHeight * g.kernelWidth; }
  int64_t runGroups() const { return tapsInRun * groupsOfPosition(); }
  int64_t planePanelBytes() const { return taps() * groupsOfPosition() * indexBytes(); }

  int64_t byteVectors; ///< Registers of bytes of a column block.
  int64_t tapsInRun;   ///< Kernel positions whose tables lie side by side.
  VectorType bytes, halves, dwords;
};

TableKernel::TableKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : FrameTile(builder, op, views, target), byteVectors(vectors / columnsOfByte),
      tapsInRun(g.groups == 1 && g.dilationWidth == 1 ? g.kernelWidth : 1),
      bytes(VectorType::get({4 * lanes}, kb.i8)), halves(VectorType::get({2 * lanes}, kb.i16)),
      dwords(VectorType::get({lanes}, kb.i32)) {
  rows = tableRows(target, vectors, inputBits(), g.positions());
  layOut(groupsOfPosition() * tableBytes, digits());
  panelBytes = packed.getBits() * planePanelBytes();
}

/// Tables of a register of codes of one digit, whose highest code is `high`: pairs of codes become their four sums
/// first, then pairs of those the sixteen.
Value TableKernel::tablesOf(Value codes, int64_t high) {
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

/// The tables of the first `codes` of eight codes at `from`.
void TableKernel::buildTables(Value from, Value to, int64_t codes) {
  auto type = VectorType::get({8}, kb.i8);
  Value all = kb.loadLanes(type, from, codes);
  for (int64_t digit = 0; digit < digits(); ++digit) {
    int64_t high = (1 << digitBits(digit)) - 1;
    Value own = digit == 0 ? all : Value(arith::ShRUIOp::create(kb.b, kb.loc, all, kb.integer(type, 4 * digit)));
    if (digits() > 1)
      own = arith::AndIOp::create(kb.b, kb.loc, own, kb.integer(type, high));
    Value tables = tablesOf(own, high);
    kb.storeLanes(tables, kb.at(to, digit * frameBytes()), llvm::divideCeil(codes, quad) * tableBytes);
  }
}

void TableKernel::prepareChannels(Value from, Value to) {
  int64_t full = g.channelsIn / 8, rest = g.channelsIn % 8;
  if (full)
    kb.loop(full, [&](Value i) { buildTables(kb.at(from, kb.mul(i, 8)), kb.at(to, kb.mul(i, 2 * tableBytes)), 8); });
  if (rest)
    buildTables(kb.at(from, full * 8), kb.at(to, full * 2 * tableBytes), rest);
}

/// The indices of `groups` groups of four channels of a word: four registers of words, a lane a column, become eight
/// registers of bytes. Byte v of lane i is column v * lanes + i, so that only lanes are shifted.
void TableKernel::expandWord(Value weights, Value to, int64_t groups) {
  auto shifted = [&](Value value, int64_t by) -> Value {
    if (by == 0)
      return value;
    Value bits = kb.integer(dwords, std::abs(by));
    return by > 0 ? Value(arith::ShLIOp::create(kb.b, kb.loc, value, bits))
                  : Value(arith::ShRUIOp::create(kb.b, kb.loc, value, bits));
  };
  auto masked = [&](Value value, int64_t mask) -> Value {
    return arith::AndIOp::create(kb.b, kb.loc, value, kb.integer(dwords, int32_t(mask)));
  };
  // Swaps the upper part of each unit of `a` for the lower part of `b`.
  auto exchange = [&](Value &a, Value &b, int64_t bits, int64_t low) {
    Value lower = arith::OrIOp::create(kb.b, kb.loc, masked(a, low), shifted(masked(b, low), bits));
    b = arith::OrIOp::create(kb.b, kb.loc, masked(shifted(a, -bits), low), masked(b, ~low));
    a = lower;
  };
  for (int64_t c = 0; c < byteVectors; ++c) {
    SmallVector<Value> part;
    for (int64_t v = 0; v < columnsOfByte; ++v)
      part.push_back(kb.load(dwords, kb.at(weights, (c * columnsOfByte + v) * registerBytes())));
    exchange(part[0], part[2], 16, 0xFFFF);
    exchange(part[1], part[3], 16, 0xFFFF);
    exchange(part[0], part[1], 8, 0x00FF00FF);
    exchange(part[2], part[3], 8, 0x00FF00FF);
    for (int64_t group = 0; group < groups; ++group) {
      Value indices = masked(shifted(part[group / 2], group % 2 ? -4 : 0), 0x0F0F0F0F);
      kb.store(indices, kb.at(to, group * indexBytes() + c * registerBytes()));
    }
  }
}

/// [plane][kernel position][group of four channels][register][byte]
void TableKernel::expandBlock(Value weights, Value to) {
  int64_t wordBytes = packed.getColumns() * 4, groupsOfWord = 8;
  int64_t full = groupsOfPosition() / groupsOfWord, rest = groupsOfPosition() % groupsOfWord;
  kb.loop(int64_t(packed.getBits()) * taps(), [&](Value position) {
    Value from = kb.at(weights, kb.mul(position, words() * wordBytes));
    Value into = kb.at(to, kb.mul(position, groupsOfPosition() * indexBytes()));
    if (full)
      kb.loop(full, [&](Value word) {
        expandWord(kb.at(from, kb.mul(word, wordBytes)), kb.at(into, kb.mul(word, groupsOfWord * indexBytes())),
                   groupsOfWord);
      });
    if (rest)
      expandWord(kb.at(from, full * wordBytes), kb.at(into, full * groupsOfWord * indexBytes()), rest);
  });
}

Value TableKernel::lookUp(Value table, Value indices) {
  StringRef name = lanes == 16  ? "llvm.x86.avx512.pshuf.b.512"
                   : lanes == 8 ? "llvm.x86.avx2.pshuf.b"
                                : "llvm.x86.ssse3.pshuf.b.128";
  return kb.intrinsic(name, bytes, {table, indices});
}

/// One table of every row. `before` is empty where sums begin.
TableKernel::Sums TableKernel::addGroup(Value panel, Value tables, ArrayRef<Value> rowPointers, const Sums &before) {
  SmallVector<Value> indices;
  for (int64_t c = 0; c < byteVectors; ++c)
    indices.push_back(kb.load(bytes, kb.at(panel, c * registerBytes())));
  SmallVector<int64_t> repeated;
  for (int64_t i = 0; i < 4 * lanes; ++i)
    repeated.push_back(i % tableBytes);
  Sums next;
  for (int64_t row = 0; row < rows; ++row) {
    Value table = kb.load(VectorType::get({tableBytes}, kb.i8), kb.at(rowPointers[row], tables));
    if (4 * lanes > tableBytes)
      table = vector::ShuffleOp::create(kb.b, kb.loc, table, table, repeated);
    for (int64_t c = 0; c < byteVectors; ++c) {
      Value found = lookUp(table, indices[c]);
      if (!before.empty())
        found = arith::AddIOp::create(kb.b, kb.loc, before[next.size()], found);
      next.push_back(found);
    }
  }
  return next;
}

/// words + tables of so many groups as fit a byte. Words are the sums of whole 16-bit lanes, which hold those of two
/// columns, and the sums of their upper bytes: the first less 256 times the second are those of the lower ones.
TableKernel::Sums TableKernel::addChunk(Value panel, Value tables, ArrayRef<Value> rowPointers, int64_t groups,
                                        ValueRange words) {
  constexpr int64_t unrolled = 4;
  auto several = [&](Value from, int64_t count, Sums sums) {
    for (int64_t i = 0; i < count; ++i)
      sums = addGroup(kb.at(panel, kb.mul(kb.add(from, i), indexBytes())),
                      kb.add(tables, kb.mul(kb.add(from, i), tableBytes)), rowPointers, sums);
    return sums;
  };
  int64_t loops = groups > 2 * unrolled ? groups / unrolled : 0;
  Sums sums;
  if (loops) {
    sums.assign(rows * byteVectors, kb.integer(bytes, 0));
    sums = kb.loop(loops, sums, [&](Value i, ValueRange carried) {
      return several(kb.mul(i, unrolled), unrolled, Sums(carried));
    });
  }
  sums = several(kb.index(loops * unrolled), groups - loops * unrolled, sums);
  Sums next;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    Value pairs = vector::BitCastOp::create(kb.b, kb.loc, halves, sum);
    Value upper = arith::ShRUIOp::create(kb.b, kb.loc, pairs, kb.integer(halves, 8));
    next.push_back(arith::AddIOp::create(kb.b, kb.loc, words[2 * i], pairs));
    next.push_back(arith::AddIOp::create(kb.b, kb.loc, words[2 * i + 1], upper));
  }
  return next;
}

/// Equal parts of a run whose sums fit bytes.
int64_t TableKernel::chunkOf(const Pass &pass) const {
  return llvm::divideCeil(runGroups(), llvm::divideCeil(runGroups(), pass.groupsOfByte));
}

Value TableKernel::tableOffset(Value run) {
  if (tapsInRun > 1 || g.kernelWidth == 1)
    return kb.mul(run, input.row * g.dilationHeight);
  if (g.kernelHeight == 1)
    return kb.mul(run, input.pixel * g.dilationWidth);
  return kb.add(kb.mul(kb.divide(run, g.kernelWidth), input.row * g.dilationHeight),
                kb.mul(kb.remainder(run, g.kernelWidth), input.pixel * g.dilationWidth));
}

/// words + `groups` groups of a run, from the group `from` on.
TableKernel::Sums TableKernel::addRun(const Pass &pass, Value run, Value from, int64_t groups,
                                      ArrayRef<Value> rowPointers, ValueRange words) {
  int64_t chunk = chunkOf(pass), full = groups / chunk, rest = groups % chunk;
  Value panel = kb.at(pass.panel, kb.mul(kb.add(kb.mul(run, runGroups()), from), indexBytes()));
  Value tables = kb.add(kb.add(pass.tables, tableOffset(run)), kb.mul(from, tableBytes));
  auto at = [&](Value group, int64_t count, ValueRange carried) {
    return addChunk(kb.at(panel, kb.mul(group, indexBytes())), kb.add(tables, kb.mul(group, tableBytes)),
                    rowPointers, count, carried);
  };
  Sums sums(words);
  if (full)
    sums = kb.loop(full, sums, [&](Value i, ValueRange carried) { return at(kb.mul(i, chunk), chunk, carried); });
  return rest ? at(kb.index(full * chunk), rest, sums) : sums;
}

/// The int32 sums of `words`, in the order of columns: byte v of lane i is column v * lanes + i.
SmallVector<Value> TableKernel::widened(ValueRange words) {
  SmallVector<Value> result;
  auto dwordOf = [&](Value value) -> Value { return vector::BitCastOp::create(kb.b, kb.loc, dwords, value); };
  for (size_t i = 0; i < words.size(); i += 2) {
    Value raised = arith::ShLIOp::create(kb.b, kb.loc, words[i + 1], kb.integer(halves, 8));
    Value even = dwordOf(arith::SubIOp::create(kb.b, kb.loc, words[i], raised)), odd = dwordOf(words[i + 1]);
    Value mask = kb.integer(dwords, 0xFFFF), by = kb.integer(dwords, 16);
    result.push_back(arith::AndIOp::create(kb.b, kb.loc, even, mask));
    result.push_back(arith::AndIOp::create(kb.b, kb.loc, odd, mask));
    result.push_back(arith::ShRUIOp::create(kb.b, kb.loc, even, by));
    result.push_back(arith::ShRUIOp::create(kb.b, kb.loc, odd, by));
  }
  return result;
}

/// The int32 sums of a pass: 16 bits hold those of all groups, of a run, or of parts of a run.
SmallVector<Value> TableKernel::passSums(const Pass &pass, ArrayRef<Value> rowPointers) {
  Sums none(2 * rows * byteVectors, kb.integer(halves, 0));
  if (runs() * runGroups() <= pass.groupsOfWord)
    return widened(kb.loop(runs(), none, [&](Value run, ValueRange words) {
      return addRun(pass, run, kb.index(0), runGroups(), rowPointers, words);
    }));
  SmallVector<Value> zero(rows * vectors, kb.integer(dwords, 0));
  int64_t part = std::min(runGroups(), pass.groupsOfWord / chunkOf(pass) * chunkOf(pass));
  int64_t full = runGroups() / part, rest = runGroups() % part;
  auto addPart = [&](Value run, Value from, int64_t groups, ValueRange sums) {
    SmallVector<Value> next;
    for (auto [sum, own] : llvm::zip_equal(sums, widened(addRun(pass, run, from, groups, rowPointers, none))))
      next.push_back(arith::AddIOp::create(kb.b, kb.loc, sum, own));
    return next;
  };
  return kb.loop(runs(), zero, [&](Value run, ValueRange carried) {
    SmallVector<Value> sums = kb.loop(full, carried, [&](Value i, ValueRange inner) {
      return addPart(run, kb.mul(i, part), part, inner);
    });
    return rest ? addPart(run, kb.index(full * part), rest, sums) : sums;
  });
}

SmallVector<Value> TableKernel::sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) {
  SmallVector<Value> result;
  for (int64_t row = 0; row < rows; ++row)
    llvm::append_range(result, initial);
  for (int64_t bit = 0; bit < int64_t(packed.getBits()); ++bit)
    for (int64_t digit = 0; digit < digits(); ++digit) {
      int64_t mostOfTable = quad * ((1 << digitBits(digit)) - 1), exponent = bit + 4 * digit;
      Pass pass{kb.index(digit * frameBytes()), kb.at(streams.weights, bit * planePanelBytes()), UINT8_MAX / mostOfTable,
                UINT16_MAX / mostOfTable};
      bool negative = isOdd() || bit == int64_t(packed.getBits()) - 1;
      for (auto [sum, own] : llvm::zip_equal(result, passSums(pass, rowPointers))) {
        Value raised = exponent ? Value(arith::ShLIOp::create(kb.b, kb.loc, own, kb.integer(dwords, exponent))) : own;
        sum = negative ? Value(arith::SubIOp::create(kb.b, kb.loc, sum, raised))
                       : Value(arith::AddIOp::create(kb.b, kb.loc, sum, raised));
      }
    }
  return result;
}

} // namespace

Kernel buildTableKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return TableKernel(builder, op, views, target).build("table");
}

} // namespace anybit::cpu
