//===- ConvKernel.cpp - convolutions with columns in lanes ----------------===//
//
// Recipes R1, R2 and R9 (docs/kernels.md): a register tile of `rows` output positions by `vectors` registers of output
// channels. Per step four values of the reduction (one for reals) are broadcast per row and multiplied with the
// weights of the column block: packed ones in registers, or where many tiles share a block, those of a panel in scratch
// memory, to which the block was expanded once. No im2col: rows are addressed in place; padding is the halo of the
// input.
//
//===----------------------------------------------------------------------===//

#include "ColumnTile.h"
#include "InputFrame.h"
#include "Reduction.h"
#include "anybit/Target/CPU/DepthwiseLayout.h"
#include "anybit/abi.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

/// Below this many tiles a block, expanding its weights costs more than widening them in every tile.
constexpr int64_t leastTilesForPanel = 4;
/// Of one thread: longer reductions, which exist in matrix products only, widen in registers.
constexpr int64_t mostPanelBytes = 1 << 20;
/// Widened codes are written for so many bytes of input at a time, which the second cache holds with the weights, and
/// at least for so many tiles, which share the expanded weights of a block.
constexpr int64_t mostWideBytes = 64 << 10;
constexpr int64_t leastTilesOfBand = 24;

class ConvKernel : public ColumnTile {
public:
  ConvKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target);

private:
  Value prepareInput(Value first, Value last) override;
  void expandBlock(Value weights, Value to) override;
  SmallVector<Value> sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) override;
  int64_t blockBytes() const override { return stepsFrom(levels, 0) * packedStepBytes(); }
  int64_t steps() const override { return stepsFrom(levels, 0); }

  void findLevels();
  SmallVector<Value> reduce(size_t level, const Streams &streams, Value inputOffset, ArrayRef<Value> rowPointers,
                            ValueRange accumulators);
  SmallVector<Value> loops(size_t level, const Streams &streams, Value inputOffset, ArrayRef<Value> rowPointers,
                           ValueRange accumulators);
  SmallVector<Value> step(const Streams &streams, Value inputOffset, ArrayRef<Value> rowPointers,
                          ValueRange accumulators);
  SmallVector<Value> realStep(Value weights, Value inputOffset, ArrayRef<Value> rowPointers, ValueRange accumulators);
  SmallVector<Value> wideStep(ArrayRef<DotProduct::Weights> columns, Value inputOffset, ArrayRef<Value> rowPointers,
                              ValueRange accumulators);
  StepForm findForm() const;
  void widenRow(Value from, Value to);
  void findBands();
  /// Of the weights in the artifact, and where tiles read them.
  int64_t packedStepBytes() const { return packed.getColumns() * 4 * (real ? 8 : packed.getBits()) / 8; }
  int64_t stepBytes() const { return panelBytes ? vectors * dot.preparedBytes() : packedStepBytes(); }

  InputFrame frame;
  StepForm form;
  DotProduct dot;
  /// Form `WideWords`: the codes at even positions, those at odd ones so many bytes behind them.
  int64_t oddCodes = 0;
  SmallVector<ReductionLoop> levels;
  size_t widenedAt = 0; ///< Form `Pairs`: the loops from this level on have int16 sums.
};

ConvKernel::ConvKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : ColumnTile(builder, op, views, target), frame(g, arguments.inputView(), /*skipsColumns=*/false), form(findForm()),
      dot(kb, target, lanes, form) {
  rows = chooseRows(target, form, vectors, g.positions());
  if (form == StepForm::WideWords)
    findBands();
  findLevels();
  bool ready = real || (packed.getBits() == 8 && dot.preparedBytes() == 4 * lanes);
  int64_t expanded = stepsFrom(levels, 0) * vectors * dot.preparedBytes();
  if (!ready && tiles() >= leastTilesForPanel && expanded <= mostPanelBytes)
    panelBytes = expanded;
}

/// Codes are widened before the tiles where every step of every window begins at an even byte.
StepForm ConvKernel::findForm() const {
  if (real)
    return StepForm::Real;
  StepForm form = stepForm(target, packed.getPairSteps());
  bool evenGroups = g.groups == 1 || groupBytes % 2 == 0;
  bool evenWindows = frame.width == 1 || frame.strideWidth * input.pixel % 2 == 0;
  bool evenColumns = packed.getTaps() == g.kernelWidth || g.dilationWidth * input.pixel % 2 == 0;
  return form == StepForm::Words && evenGroups && evenWindows && evenColumns ? StepForm::WideWords : form;
}

/// Rows are written in whole registers.
void ConvKernel::findBands() {
  // The stride of a dimension of one position is any number.
  int64_t pixelBytes = frame.width == 1 ? llvm::alignTo(g.groups * groupBytes, 2) : input.pixel;
  int64_t bandBytes = readFrame(frame, pixelBytes, mostWideBytes, leastTilesOfBand);
  oddCodes = llvm::alignTo(bandBytes + lanes * 4, ANYBIT_ALIGNMENT);
  inputBytes = 2 * oddCodes;
}

void ConvKernel::widenRow(Value from, Value to) {
  int64_t bytes = (frame.width - 1) * input.pixel + g.groups * groupBytes;
  kb.loop(llvm::divideCeil(bytes, lanes * 4), [&](Value i) {
    Value offset = kb.mul(i, lanes * 4);
    SmallVector<Value> words = dot.widenCodes(kb.load(VectorType::get({lanes}, kb.i32), kb.at(from, offset)));
    kb.store(words[0], kb.at(to, offset));
    kb.store(words[1], kb.at(to, kb.add(offset, oddCodes)));
  });
}

Value ConvKernel::prepareInput(Value first, Value last) {
  if (form != StepForm::WideWords)
    return ColumnTile::prepareInput(first, last);
  return frame.rewriteRows(kb, first, last, input.row, [&](Value from, Value to) { widenRow(from, to); });
}

/// Steps whose int16 sums would overflow are cut into equal parts.
void ConvKernel::findLevels() {
  levels = reductionLoops(g, packed, input, real);
  if (form != StepForm::Pairs)
    return;
  int64_t all = levels.back().count, part = std::min<int64_t>(all, packed.getPairSteps());
  while (all % part != 0)
    --part;
  int64_t stride = levels.back().inputStride;
  levels.back() = {all / part, part * stride};
  levels.push_back({part, stride});
  while (stepsFrom(levels, widenedAt) > int64_t(packed.getPairSteps()))
    ++widenedAt;
}

void ConvKernel::expandBlock(Value weights, Value to) {
  expandSteps(kb, dot, op, packed, stepsFrom(levels, 0), vectors, weights, to);
}

/// One step of the reduction of reals.
SmallVector<Value> ConvKernel::realStep(Value weights, Value inputOffset, ArrayRef<Value> rowPointers,
                                        ValueRange accumulators) {
  SmallVector<Value> next(accumulators), columns;
  auto type = VectorType::get({lanes}, kb.f32);
  for (int64_t v = 0; v < vectors; ++v)
    columns.push_back(kb.load(type, kb.at(weights, v * lanes * 4)));
  for (int64_t row = 0; row < rows; ++row) {
    Value value = kb.splat(type, kb.load(kb.f32, kb.at(rowPointers[row], inputOffset)));
    for (int64_t v = 0; v < vectors; ++v)
      next[row * vectors + v] = multiplyAdd(kb, target, value, columns[v], next[row * vectors + v]);
  }
  return next;
}

/// One step on widened codes. The halves of a step follow each other, so that only one of them needs registers.
SmallVector<Value> ConvKernel::wideStep(ArrayRef<DotProduct::Weights> columns, Value inputOffset,
                                        ArrayRef<Value> rowPointers, ValueRange accumulators) {
  SmallVector<Value> next(accumulators);
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t row = 0; row < rows; ++row) {
      Value codes = kb.load(kb.i32, kb.at(kb.at(rowPointers[row], inputOffset), half * oddCodes));
      for (int64_t v = 0; v < vectors; ++v)
        next[row * vectors + v] = dot.accumulateWords(next[row * vectors + v], codes, columns[v][half]);
    }
  return next;
}

/// One step of the reduction: four codes or one real of every row.
SmallVector<Value> ConvKernel::step(const Streams &streams, Value inputOffset, ArrayRef<Value> rowPointers,
                                    ValueRange accumulators) {
  Value weights = streams.weights;
  if (streams.ahead)
    kb.prefetch(streams.ahead);
  if (real)
    return realStep(weights, inputOffset, rowPointers, accumulators);
  SmallVector<Value> next(accumulators);
  SmallVector<DotProduct::Weights> columns;
  if (panelBytes)
    for (int64_t v = 0; v < vectors; ++v)
      columns.push_back(dot.loadPrepared(kb.at(weights, v * dot.preparedBytes())));
  else
    columns = dot.loadWeights(weights, packed, *op.getWeightFormat(), int32_t(op.getWeightZero()), vectors);
  if (form == StepForm::WideWords)
    return wideStep(columns, inputOffset, rowPointers, accumulators);
  for (int64_t row = 0; row < rows; ++row) {
    DotProduct::Activations codes = dot.prepare(kb.load(kb.i32, kb.at(rowPointers[row], inputOffset)));
    for (int64_t v = 0; v < vectors; ++v)
      next[row * vectors + v] = dot.accumulate(next[row * vectors + v], codes, columns[v]);
  }
  return next;
}

/// The loops of the reduction from `level` on.
SmallVector<Value> ConvKernel::loops(size_t level, const Streams &streams, Value inputOffset,
                                     ArrayRef<Value> rowPointers, ValueRange accumulators) {
  if (level == levels.size())
    return step(streams, inputOffset, rowPointers, accumulators);
  int64_t inner = stepsFrom(levels, level + 1);
  return kb.loop(levels[level].count, accumulators, [&](Value i, ValueRange carried) {
    Streams at{kb.at(streams.weights, kb.mul(i, inner * stepBytes())), streams.ahead, streams.aheadStep};
    if (at.ahead)
      at.ahead = kb.at(at.ahead, kb.mul(kb.b.createOrFold<arith::MulIOp>(kb.loc, i, at.aheadStep), inner));
    return reduce(level + 1, at, kb.add(inputOffset, kb.mul(i, levels[level].inputStride)), rowPointers, carried);
  });
}

/// The same, added to int32 sums where those of the loops are int16.
SmallVector<Value> ConvKernel::reduce(size_t level, const Streams &streams, Value inputOffset,
                                      ArrayRef<Value> rowPointers, ValueRange accumulators) {
  if (form != StepForm::Pairs || level != widenedAt)
    return loops(level, streams, inputOffset, rowPointers, accumulators);
  SmallVector<Value> pairs(accumulators.size(), dot.zeroPairs()), sums;
  pairs = loops(level, streams, inputOffset, rowPointers, pairs);
  for (auto [sum, pair] : llvm::zip(accumulators, pairs))
    sums.push_back(dot.addPairs(sum, pair));
  return sums;
}

SmallVector<Value> ConvKernel::sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) {
  SmallVector<Value> accumulators;
  for (int64_t row = 0; row < rows; ++row)
    llvm::append_range(accumulators, initial);
  return reduce(0, streams, kb.index(0), rowPointers, accumulators);
}

} // namespace

Kernel buildConvKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  auto packed = cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding());
  bool depthwise = packed.getFamily() == lowbit::Family::Depthwise;
  if (depthwise && DepthwiseLayout::applies(op, target))
    return buildDepthwiseDotKernel(builder, op, views, target);
  if (depthwise)
    return buildDepthwiseKernel(builder, op, views, target);
  if (packed.getFamily() == lowbit::Family::Popcount)
    return buildPopcountKernel(builder, op, views, target);
  if (packed.getFamily() == lowbit::Family::Table)
    return buildTableKernel(builder, op, views, target);
  if (packed.getFamily() == lowbit::Family::Amx)
    return buildAmxKernel(builder, op, views, target);
  return ConvKernel(builder, op, views, target).build(op.isReal() ? "conv-real" : "conv-dot4");
}

} // namespace anybit::cpu
