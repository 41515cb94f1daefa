//===- ConvKernel.cpp - convolutions with columns in lanes ----------------===//
//
// Recipes R1 and R2 (docs/kernels.md): a register tile of `rows` output positions by `vectors` registers of output
// channels. Per step four values of the reduction (one for reals) are broadcast per row and multiplied with the
// packed weights of the column block. No im2col: rows are addressed in place; padding is the halo of the input.
//
//===----------------------------------------------------------------------===//

#include "ColumnTile.h"
#include "DotProduct.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class ConvKernel : public ColumnTile {
public:
  ConvKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
      : ColumnTile(builder, op, views, target) {
    rows = std::min(g.positions(), rowsOfTile());
  }

private:
  /// As many rows as registers hold next to the weights and temporaries, and as there are address registers.
  int64_t rowsOfTile() const {
    int64_t spare = target.vectorRegisters - (target.dot == DotForm::Madd && !real ? 2 * vectors + 3 : vectors + 2);
    return std::clamp<int64_t>(spare / vectors, 1, 8);
  }

  SmallVector<Value> sums(Value block, Value weights, ArrayRef<Value> rowPointers) override;
  SmallVector<Value> step(Value weights, Value weightOffset, Value inputOffset, ArrayRef<Value> rowPointers,
                          ValueRange accumulators);
  int64_t columnRuns() const { return g.kernelWidth / packed.getTaps(); }
  int64_t stepsOfRun() const { return llvm::divideCeil(int64_t(packed.getTaps()) * g.channelsIn, real ? 1 : 4); }
  int64_t stepBytes() const { return real ? packed.getColumns() * 4 : packed.getColumns() * 4 * packed.getBits() / 8; }
  int64_t blockBytes() const override {
    return g.kernelHeight * columnRuns() * packed.getPlanes() * stepsOfRun() * stepBytes();
  }
};

/// One step of the reduction: four codes or one real of every row.
SmallVector<Value> ConvKernel::step(Value weights, Value weightOffset, Value inputOffset, ArrayRef<Value> rowPointers,
                                    ValueRange accumulators) {
  SmallVector<Value> next(accumulators);
  Value pointer = kb.at(weights, weightOffset);
  if (real) {
    auto type = VectorType::get({lanes}, kb.f32);
    SmallVector<Value> columns;
    for (int64_t v = 0; v < vectors; ++v)
      columns.push_back(kb.load(type, kb.at(pointer, v * lanes * 4)));
    for (int64_t row = 0; row < rows; ++row) {
      Value value = kb.splat(type, kb.load(kb.f32, kb.at(rowPointers[row], inputOffset)));
      for (int64_t v = 0; v < vectors; ++v)
        next[row * vectors + v] = multiplyAdd(kb, target, value, columns[v], next[row * vectors + v]);
    }
    return next;
  }
  DotProduct dot(kb, target);
  SmallVector<DotProduct::Weights> columns =
      dot.loadWeights(pointer, packed, *op.getWeightFormat(), int32_t(op.getWeightZero()), vectors);
  for (int64_t row = 0; row < rows; ++row) {
    DotProduct::Activations codes = dot.prepare(kb.load(kb.i32, kb.at(rowPointers[row], inputOffset)));
    for (int64_t v = 0; v < vectors; ++v)
      next[row * vectors + v] = dot.accumulate(next[row * vectors + v], codes, columns[v]);
  }
  return next;
}

/// The whole reduction of a tile: kernel rows, kernel columns (unless they lie in one run), planes, steps.
SmallVector<Value> ConvKernel::sums(Value block, Value weights, ArrayRef<Value> rowPointers) {
  SmallVector<Value> first = real ? SmallVector<Value>(vectors, kb.real(VectorType::get({lanes}, kb.f32), 0))
                                  : loadInitial(block);
  SmallVector<Value> accumulators;
  for (int64_t row = 0; row < rows; ++row)
    llvm::append_range(accumulators, first);
  int64_t steps = stepsOfRun(), planes = packed.getPlanes();
  constexpr int64_t valueBytes = 4; // four codes or one real
  return kb.loop(g.kernelHeight, accumulators, [&](Value ky, ValueRange outer) {
    return kb.loop(columnRuns(), outer, [&](Value kx, ValueRange middle) {
      Value run = kb.add(kb.mul(ky, columnRuns()), kx);
      Value inputBase = kb.add(kb.mul(ky, input.row * g.dilationHeight), kb.mul(kx, input.pixel * g.dilationWidth));
      return kb.loop(planes, middle, [&](Value plane, ValueRange inner) {
        Value base = kb.mul(kb.add(kb.mul(run, planes), plane), steps * stepBytes());
        return kb.loop(steps, inner, [&](Value s, ValueRange carried) {
          return step(weights, kb.add(base, kb.mul(s, stepBytes())), kb.add(inputBase, kb.mul(s, valueBytes)),
                      rowPointers, carried);
        });
      });
    });
  });
}

} // namespace

Kernel buildConvKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  auto packed = cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding());
  if (packed.getFamily() == lowbit::Family::Depthwise)
    return buildDepthwiseKernel(builder, op, views, target);
  if (packed.getFamily() == lowbit::Family::Popcount)
    return buildPopcountKernel(builder, op, views, target);
  return ConvKernel(builder, op, views, target).build(op.isReal() ? "conv-real" : "conv-dot4");
}

} // namespace anybit::cpu
