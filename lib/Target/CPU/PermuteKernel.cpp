//===- PermuteKernel.cpp - convolutions that look dot products up ---------===//
//
// Recipe R6 (TableTile.h): a register holds four tables. One VPERMB looks up four bytes of every column, one in each table, and
// one VPDPBUSD adds them to its int32 lane, times the sign and the exponent of the pass. Words of weights, 32 channels of
// a column, become indices in registers.
//
//===----------------------------------------------------------------------===//

#include "TableTile.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class PermuteKernel : public TableTile {
public:
  PermuteKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
      : TableTile(builder, op, views, target, {/*tables=*/8, /*channels=*/4}) {}

private:
  SmallVector<Value> sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) override;
  SmallVector<Value> addWord(Value weights, Value tables, Value factors, ArrayRef<Value> rowPointers, ValueRange before);
};

/// Eight tables of every row: a lane's word has an index of each, those of the first four in the lower halves of its
/// bytes, and the number of a table goes above it.
SmallVector<Value> PermuteKernel::addWord(Value weights, Value tables, Value factors, ArrayRef<Value> rowPointers,
                                          ValueRange before) {
  constexpr int64_t numbers = 0x30201000;
  SmallVector<Value> next(before), words;
  for (int64_t v = 0; v < vectors; ++v)
    words.push_back(kb.load(dwords, kb.at(weights, v * 4 * lanes)));
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<Value> indices;
    for (Value word : words) {
      Value own = masked(shifted(word, -4 * half), 0x0F0F0F0F);
      own = arith::OrIOp::create(kb.b, kb.loc, own, kb.integer(dwords, numbers));
      indices.push_back(vector::BitCastOp::create(kb.b, kb.loc, bytes, own));
    }
    for (int64_t row = 0; row < rows; ++row) {
      Value table = kb.load(bytes, kb.at(kb.at(rowPointers[row], tables), half * stepBytes / 2));
      for (int64_t v = 0; v < vectors; ++v) {
        Value found = kb.permuteBytes(table, indices[v]);
        Value &sum = next[row * vectors + v];
        sum = kb.intrinsic("llvm.x86.avx512.vpdpbusd.512", dwords, {sum, found, factors});
      }
    }
  }
  return next;
}

SmallVector<Value> PermuteKernel::sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) {
  SmallVector<Value> result;
  for (int64_t row = 0; row < rows; ++row)
    llvm::append_range(result, initial);
  for (const Pass &pass : passes(streams.weights, taps() * words() * wordBytes())) {
    Value factors = kb.integer(bytes, (pass.negative ? -1 : 1) * (int64_t(1) << pass.exponent));
    result = kb.loop(runs(), result, [&](Value run, ValueRange outer) {
      Value weights = kb.at(pass.weights, kb.mul(run, runSteps() * wordBytes()));
      Value tables = kb.add(pass.tables, tableOffset(run));
      return kb.loop(runSteps(), outer, [&](Value step, ValueRange inner) {
        return addWord(kb.at(weights, kb.mul(step, wordBytes())), kb.add(tables, kb.mul(step, stepBytes)), factors,
                       rowPointers, inner);
      });
    });
  }
  return result;
}

} // namespace

Kernel buildPermuteKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return PermuteKernel(builder, op, views, target).build("table-dot");
}

} // namespace anybit::cpu
