//===- PermuteKernel.cpp - convolutions that look dot products up ---------===//
//
// Recipe R6 (TableTile.h): a register holds the tables of sixteen channels. One VPERMB looks up the four bytes of every
// column, one in each table, and one VPDPBUSD adds them to its int32 lane, times the sign and the exponent of the pass.
//
//===----------------------------------------------------------------------===//

#include "TableTile.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class PermuteKernel : public TableTile {
public:
  PermuteKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
      : TableTile(builder, op, views, target, /*stepQuads=*/4, /*vectorsOfIndex=*/1) {}

private:
  void expandWord(Value weights, Value to, int64_t steps) override;
  SmallVector<Value> sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) override;
  SmallVector<Value> addStep(Value panel, Value tables, Value factors, ArrayRef<Value> rowPointers, ValueRange before);

  int64_t registerBytes() const { return 4 * lanes; }
};

/// A lane's word holds the indices of eight tables: four of them become the bytes of a lane, with the number of their
/// table above them.
void PermuteKernel::expandWord(Value weights, Value to, int64_t steps) {
  constexpr int64_t tables = 0x30201000;
  auto spread = [&](Value value, int64_t bits, int64_t mask) {
    return masked(arith::OrIOp::create(kb.b, kb.loc, value, shifted(value, bits)), mask);
  };
  for (int64_t v = 0; v < vectors; ++v) {
    Value word = kb.load(dwords, kb.at(weights, v * registerBytes()));
    for (int64_t step = 0; step < steps; ++step) {
      Value half = masked(shifted(word, -16 * step), 0xFFFF);
      Value indices = spread(spread(half, 8, 0x00FF00FF), 4, 0x0F0F0F0F);
      indices = arith::OrIOp::create(kb.b, kb.loc, indices, kb.integer(dwords, tables));
      kb.store(indices, kb.at(to, step * indexBytes + v * registerBytes()));
    }
  }
}

SmallVector<Value> PermuteKernel::addStep(Value panel, Value tables, Value factors, ArrayRef<Value> rowPointers,
                                          ValueRange before) {
  SmallVector<Value> indices, next;
  for (int64_t v = 0; v < vectors; ++v)
    indices.push_back(kb.load(bytes, kb.at(panel, v * registerBytes())));
  for (int64_t row = 0; row < rows; ++row) {
    Value table = kb.load(bytes, kb.at(rowPointers[row], tables));
    for (int64_t v = 0; v < vectors; ++v) {
      Value found = kb.intrinsic("llvm.x86.avx512.permvar.qi.512", bytes, {table, indices[v]});
      next.push_back(kb.intrinsic("llvm.x86.avx512.vpdpbusd.512", dwords, {before[next.size()], found, factors}));
    }
  }
  return next;
}

SmallVector<Value> PermuteKernel::sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) {
  SmallVector<Value> result;
  for (int64_t row = 0; row < rows; ++row)
    llvm::append_range(result, initial);
  for (const Pass &pass : passes(streams.weights)) {
    Value factors = kb.integer(bytes, (pass.negative ? -1 : 1) * (int64_t(1) << pass.exponent));
    result = kb.loop(runs(), result, [&](Value run, ValueRange outer) {
      Value panel = kb.at(pass.panel, kb.mul(run, runSteps() * indexBytes));
      Value tables = kb.add(pass.tables, tableOffset(run));
      return kb.loop(runSteps(), outer, [&](Value step, ValueRange inner) {
        return addStep(kb.at(panel, kb.mul(step, indexBytes)), kb.add(tables, kb.mul(step, stepBytes)), factors,
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
