//===- TableKernel.cpp - convolutions that look bytes up ------------------===//
//
// Recipes R8 and R5 (TableTile.h): one VPSHUFB looks up a register of columns in the table of four channels, one VPERMB
// in that of six. Bytes are summed as bytes for as long as they cannot overflow, then as 16 bits, then as int32.
//
//===----------------------------------------------------------------------===//

#include "TableTile.h"
#include "anybit/Target/CPU/DotTile.h"

#include <numeric>

using namespace mlir;

namespace anybit::cpu {
namespace {

/// Registers of int32 columns that the bytes of one register become.
constexpr int64_t columnsOfByte = 4;

class TableKernel : public TableTile {
public:
  /// Tables of four or of six `channels`.
  TableKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target, int64_t channels)
      : TableTile(builder, op, views, target, {/*tables=*/1, channels}), byteVectors(vectors / columnsOfByte),
        indexBytes(byteVectors * registerBytes()), halves(VectorType::get({2 * lanes}, kb.i16)) {
    panelBytes = int64_t(packed.getBits()) * planePanelBytes();
  }

private:
  /// Sums of bytes by rows and registers, or pairs of registers of 16 bits for each of them.
  using Sums = SmallVector<Value>;

  void expandBlock(Value weights, Value to) override;
  void expandPosition(Value weights, Value to, int64_t channels);
  void expandWord(Value weights, Value to, int64_t steps);
  void expandSixes(Value weights, Value to, int64_t channels);
  Value indicesOfSix(ArrayRef<SmallVector<Value>> words, int64_t channel);
  Sums sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) override;

  Sums addStep(Value panel, Value tables, ArrayRef<Value> rowPointers, const Sums &before);
  Sums addChunk(Value panel, Value tables, ArrayRef<Value> rowPointers, int64_t steps, ValueRange words);
  Sums addRun(const Pass &pass, Value run, Value from, int64_t steps, ArrayRef<Value> rowPointers, ValueRange words);
  Sums widened(ValueRange words);
  Sums passSums(const Pass &pass, ArrayRef<Value> rowPointers);
  /// Equal parts of a run whose sums fit bytes.
  int64_t chunkOf(const Pass &pass) const {
    return llvm::divideCeil(runSteps(), llvm::divideCeil(runSteps(), UINT8_MAX / mostOfTable(pass)));
  }
  int64_t mostOfTable(const Pass &pass) const { return form.channels * ((1 << pass.digitBits) - 1); }
  int64_t registerBytes() const { return 4 * lanes; }
  int64_t planePanelBytes() const { return taps() * stepsOfPosition * indexBytes; }

  int64_t byteVectors; ///< Registers of bytes of a column block.
  int64_t indexBytes;  ///< Of a step, all columns.
  VectorType halves;
};

/// Four registers of words, a lane a column, become eight registers of bytes. Byte v of lane i is column v * lanes + i,
/// so that only lanes are shifted.
void TableKernel::expandWord(Value weights, Value to, int64_t steps) {
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
    for (int64_t step = 0; step < steps; ++step) {
      Value indices = masked(shifted(part[step / 2], step % 2 ? -4 : 0), 0x0F0F0F0F);
      kb.store(indices, kb.at(to, step * indexBytes + c * registerBytes()));
    }
  }
}

/// Of four registers of columns the six bits of their channels from `channel` on, as in `expandWord`. `words`: by words
/// of 32 channels.
Value TableKernel::indicesOfSix(ArrayRef<SmallVector<Value>> words, int64_t channel) {
  constexpr int64_t wordBits = 32;
  size_t word = channel / wordBits;
  int64_t low = channel % wordBits;
  bool straddles = low + form.channels > wordBits && word + 1 < words.size();
  Value indices;
  for (int64_t v = 0; v < columnsOfByte; ++v) {
    Value own = shifted(words[word][v], 8 * v - low);
    if (straddles)
      own = arith::OrIOp::create(kb.b, kb.loc, own, shifted(words[word + 1][v], 8 * v - low + wordBits));
    own = masked(own, 0x3F << 8 * v);
    indices = indices ? Value(arith::OrIOp::create(kb.b, kb.loc, indices, own)) : own;
  }
  return indices;
}

void TableKernel::expandSixes(Value weights, Value to, int64_t channels) {
  for (int64_t c = 0; c < byteVectors; ++c) {
    SmallVector<SmallVector<Value>> words(llvm::divideCeil(channels, 32));
    for (auto [i, word] : llvm::enumerate(words))
      for (int64_t v = 0; v < columnsOfByte; ++v)
        word.push_back(kb.load(dwords, kb.at(weights, i * wordBytes() + (c * columnsOfByte + v) * registerBytes())));
    for (int64_t step = 0; step * form.channels < channels; ++step)
      kb.store(indicesOfSix(words, step * form.channels), kb.at(to, step * indexBytes + c * registerBytes()));
  }
}

/// `channels` of one kernel position, which are whole words where others follow.
void TableKernel::expandPosition(Value weights, Value to, int64_t channels) {
  if (form.channels == 4)
    expandWord(weights, to, llvm::divideCeil(channels, form.channels));
  else
    expandSixes(weights, to, channels);
}

/// [plane][kernel position][step][index]
void TableKernel::expandBlock(Value weights, Value to) {
  int64_t together = std::lcm(form.channels, int64_t(32)); // whole words and whole tables
  int64_t full = g.channelsIn / together, rest = g.channelsIn % together;
  int64_t fromBytes = together / 32 * wordBytes(), toBytes = together / form.channels * indexBytes;
  kb.loop(int64_t(packed.getBits()) * taps(), [&](Value position) {
    Value from = kb.at(weights, kb.mul(position, words() * wordBytes()));
    Value into = kb.at(to, kb.mul(position, stepsOfPosition * indexBytes));
    if (full)
      kb.loop(full, [&](Value i) {
        expandPosition(kb.at(from, kb.mul(i, fromBytes)), kb.at(into, kb.mul(i, toBytes)), together);
      });
    if (rest)
      expandPosition(kb.at(from, full * fromBytes), kb.at(into, full * toBytes), rest);
  });
}

/// One table of every row. `before` is empty where sums begin.
TableKernel::Sums TableKernel::addStep(Value panel, Value tables, ArrayRef<Value> rowPointers, const Sums &before) {
  SmallVector<Value> indices;
  for (int64_t c = 0; c < byteVectors; ++c)
    indices.push_back(kb.load(bytes, kb.at(panel, c * registerBytes())));
  SmallVector<int64_t> repeated;
  for (int64_t i = 0; i < 4 * lanes; ++i)
    repeated.push_back(i % tableBytes);
  bool permutes = form.channels > 4;
  Sums next;
  for (int64_t row = 0; row < rows; ++row) {
    Value table = kb.load(VectorType::get({tableBytes}, kb.i8), kb.at(rowPointers[row], tables));
    if (4 * lanes > tableBytes)
      table = vector::ShuffleOp::create(kb.b, kb.loc, table, table, repeated);
    for (int64_t c = 0; c < byteVectors; ++c) {
      Value found = permutes ? kb.permuteBytes(table, indices[c]) : kb.shuffleBytes(table, indices[c]);
      if (!before.empty())
        found = kb.opaqueVector(arith::AddIOp::create(kb.b, kb.loc, before[next.size()], found));
      next.push_back(found);
    }
  }
  return next;
}

/// words + tables of so many steps as fit a byte. Words are the sums of whole 16-bit lanes, which hold those of two
/// columns, and the sums of their upper bytes: the first less 256 times the second are those of the lower ones.
TableKernel::Sums TableKernel::addChunk(Value panel, Value tables, ArrayRef<Value> rowPointers, int64_t steps,
                                        ValueRange words) {
  constexpr int64_t unrolled = 4;
  auto several = [&](Value from, int64_t count, Sums sums) {
    for (int64_t i = 0; i < count; ++i)
      sums = addStep(kb.at(panel, kb.mul(kb.add(from, i), indexBytes)),
                     kb.add(tables, kb.mul(kb.add(from, i), stepBytes)), rowPointers, sums);
    return sums;
  };
  int64_t loops = steps > 2 * unrolled ? steps / unrolled : 0;
  Sums sums;
  if (loops) {
    sums.assign(rows * byteVectors, kb.integer(bytes, 0));
    sums = kb.loop(loops, sums,
                   [&](Value i, ValueRange carried) { return several(kb.mul(i, unrolled), unrolled, Sums(carried)); });
  }
  sums = several(kb.index(loops * unrolled), steps - loops * unrolled, sums);
  Sums next;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    Value pairs = vector::BitCastOp::create(kb.b, kb.loc, halves, sum);
    Value upper = arith::ShRUIOp::create(kb.b, kb.loc, pairs, kb.integer(halves, 8));
    next.push_back(arith::AddIOp::create(kb.b, kb.loc, words[2 * i], pairs));
    next.push_back(arith::AddIOp::create(kb.b, kb.loc, words[2 * i + 1], upper));
  }
  return next;
}

/// words + `steps` steps of a run, from `from` on.
TableKernel::Sums TableKernel::addRun(const Pass &pass, Value run, Value from, int64_t steps,
                                      ArrayRef<Value> rowPointers, ValueRange words) {
  int64_t chunk = chunkOf(pass), full = steps / chunk, rest = steps % chunk;
  Value panel = kb.at(pass.weights, kb.mul(kb.add(kb.mul(run, runSteps()), from), indexBytes));
  Value tables = kb.add(kb.add(pass.tables, tableOffset(run)), kb.mul(from, stepBytes));
  auto at = [&](Value step, int64_t count, ValueRange carried) {
    return addChunk(kb.at(panel, kb.mul(step, indexBytes)), kb.add(tables, kb.mul(step, stepBytes)), rowPointers, count,
                    carried);
  };
  Sums sums(words);
  if (full)
    sums = kb.loop(full, sums, [&](Value i, ValueRange carried) { return at(kb.mul(i, chunk), chunk, carried); });
  return rest ? at(kb.index(full * chunk), rest, sums) : sums;
}

/// The int32 sums of `words`, in the order of columns: byte v of lane i is column v * lanes + i.
TableKernel::Sums TableKernel::widened(ValueRange words) {
  Sums result;
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

/// The int32 sums of a pass: 16 bits hold those of all steps, of a run, or of parts of a run.
TableKernel::Sums TableKernel::passSums(const Pass &pass, ArrayRef<Value> rowPointers) {
  int64_t stepsOfWord = UINT16_MAX / mostOfTable(pass);
  Sums none(2 * rows * byteVectors, kb.integer(halves, 0));
  if (runs() * runSteps() <= stepsOfWord)
    return widened(kb.loop(runs(), none, [&](Value run, ValueRange words) {
      return addRun(pass, run, kb.index(0), runSteps(), rowPointers, words);
    }));
  SmallVector<Value> zero(rows * vectors, kb.integer(dwords, 0));
  int64_t part = std::min(runSteps(), stepsOfWord / chunkOf(pass) * chunkOf(pass));
  int64_t full = runSteps() / part, rest = runSteps() % part;
  auto addPart = [&](Value run, Value from, int64_t steps, ValueRange sums) {
    SmallVector<Value> next;
    for (auto [sum, own] : llvm::zip_equal(sums, widened(addRun(pass, run, from, steps, rowPointers, none))))
      next.push_back(arith::AddIOp::create(kb.b, kb.loc, sum, own));
    return next;
  };
  return kb.loop(runs(), zero, [&](Value run, ValueRange carried) {
    SmallVector<Value> sums =
        kb.loop(full, carried, [&](Value i, ValueRange inner) { return addPart(run, kb.mul(i, part), part, inner); });
    return rest ? addPart(run, kb.index(full * part), rest, sums) : sums;
  });
}

TableKernel::Sums TableKernel::sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) {
  Sums result;
  for (int64_t row = 0; row < rows; ++row)
    llvm::append_range(result, initial);
  for (const Pass &pass : passes(streams.weights, planePanelBytes()))
    for (auto [sum, own] : llvm::zip_equal(result, passSums(pass, rowPointers))) {
      Value raised = shifted(own, pass.exponent);
      sum = pass.negative ? Value(arith::SubIOp::create(kb.b, kb.loc, sum, raised))
                          : Value(arith::AddIOp::create(kb.b, kb.loc, sum, raised));
    }
  return result;
}

} // namespace

Kernel buildTableKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  auto packed = cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding());
  TableForm form = tableForm(target, packed.getColumns() / target.lanes32());
  if (form == TableForm::Dot)
    return buildPermuteKernel(builder, op, views, target);
  return TableKernel(builder, op, views, target, tableChannels(form))
      .build(form == TableForm::Six ? "table-six" : "table");
}

} // namespace anybit::cpu
