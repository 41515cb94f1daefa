//===- ConvKernel.cpp - convolutions with columns in lanes ----------------===//
//
// Recipes R1 and R2 (docs/kernels.md): a register tile of `rows` output positions by `vectors` registers of output
// channels. Per step four values of the reduction (one for reals) are broadcast per row and multiplied with the
// packed weights of the column block. No im2col: rows are addressed in place; padding is the halo of the input.
//
//===----------------------------------------------------------------------===//

#include "ConvGeometry.h"
#include "DotProduct.h"
#include "KernelBuilder.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class ConvKernel {
public:
  ConvKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
      : op(op), views(views), target(target), real(op.isReal()), g(op),
        kb(builder, op.getLoc(), 1 + 1 + !op.isReal() + views.size() - 1),
        packed(cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding())),
        lanes(target.lanes32()), vectors(packed.getColumns() / lanes), input(PixelStrides(views[0])) {
    rows = std::min(g.positions(), rowsOfTile());
    blocks = llvm::divideCeil(g.channelsOut, packed.getColumns());
    firstPointwise = real ? 2 : 3;
  }

  Kernel build();

private:
  /// As many rows as registers hold next to the weights and temporaries, and as there are address registers.
  int64_t rowsOfTile() const {
    int64_t spare = target.vectorRegisters - (target.dot == DotForm::Madd && !real ? 2 * vectors + 3 : vectors + 2);
    return std::clamp<int64_t>(spare / vectors, 1, 8);
  }

  void tile(Value block, Value tileIndex);
  SmallVector<Value> initialAccumulators(Value block);
  SmallVector<Value> reduce(Value weights, ArrayRef<Value> rowPointers, SmallVector<Value> accumulators);
  SmallVector<Value> step(Value weights, Value weightOffset, Value inputOffset, ArrayRef<Value> rowPointers,
                          ValueRange accumulators);
  void epilogue(Value channel, ArrayRef<Value> positions, ArrayRef<Value> accumulators, int64_t columns);
  Value loadParameter(const View &view, Value pointer, Value position, Value channel, int64_t valid);
  int64_t stepBytes() const { return real ? packed.getColumns() * 4 : packed.getColumns() * 4 * packed.getBits() / 8; }
  int64_t stepsOfRun() const {
    return llvm::divideCeil(int64_t(packed.getTaps()) * g.channelsIn, real ? 1 : 4);
  }

  lowbit::ConvOp op;
  ArrayRef<View> views;
  const CpuTarget &target;
  bool real;
  Geometry g;
  KernelBuilder kb;
  lowbit::PackedAttr packed;
  int64_t lanes, vectors;
  PixelStrides input;
  int64_t rows = 1, blocks = 1;
  unsigned firstPointwise;
};

Kernel ConvKernel::build() {
  int64_t tiles = llvm::divideCeil(g.positions(), rows), allBlocks = g.groups * blocks;
  // Threads share positions; a single tile (a matrix-vector product) shares columns.
  bool splitPositions = tiles >= allBlocks || tiles >= 8;
  if (splitPositions)
    kb.loop(allBlocks, [&](Value block) {
      kb.loop(kb.begin(), kb.end(), [&](Value index) { tile(block, index); });
    });
  else
    kb.loop(kb.begin(), kb.end(), [&](Value block) {
      kb.loop(tiles, [&](Value index) { tile(block, index); });
    });
  return {kb.finish(), splitPositions ? tiles : allBlocks, real ? "conv-real" : "conv-dot4"};
}

SmallVector<Value> ConvKernel::initialAccumulators(Value block) {
  auto type = VectorType::get({lanes}, real ? kb.f32 : kb.i32);
  SmallVector<Value> result;
  for (int64_t v = 0; v < vectors; ++v) {
    if (real) {
      result.push_back(kb.real(type, 0));
      continue;
    }
    Value offset = kb.add(kb.mul(block, packed.getColumns() * 4), v * lanes * 4);
    result.push_back(kb.load(type, kb.at(kb.argument(2), offset)));
  }
  SmallVector<Value> all;
  for (int64_t row = 0; row < rows; ++row)
    llvm::append_range(all, result);
  return all;
}

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
SmallVector<Value> ConvKernel::reduce(Value weights, ArrayRef<Value> rowPointers, SmallVector<Value> accumulators) {
  int64_t columnRuns = g.kernelWidth / packed.getTaps(), steps = stepsOfRun(), planes = packed.getPlanes();
  constexpr int64_t valueBytes = 4; // four codes or one real
  return kb.loop(g.kernelHeight, accumulators, [&](Value ky, ValueRange outer) {
    return kb.loop(columnRuns, outer, [&](Value kx, ValueRange middle) {
      Value run = kb.add(kb.mul(ky, columnRuns), kx);
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

Value ConvKernel::loadParameter(const View &view, Value pointer, Value position, Value channel, int64_t valid) {
  auto type = VectorType::get({lanes}, view.element);
  Value offset = kb.mul(channel, view.elementBytes());
  if (view.shape.size() == 1)
    return kb.load(type, kb.at(pointer, offset)); // constants are padded
  Value pixel = g.pixelOffset(kb, position, PixelStrides(view), 1, 1);
  return kb.loadLanes(type, kb.at(pointer, kb.add(pixel, offset)), valid);
}

void ConvKernel::epilogue(Value channel, ArrayRef<Value> positions, ArrayRef<Value> accumulators, int64_t columns) {
  size_t parameters = op.getParameters().size();
  for (int64_t v = 0; v < vectors && v * lanes < columns; ++v) {
    int64_t valid = columns - v * lanes;
    Value first = kb.add(channel, v * lanes);
    for (int64_t row = 0; row < rows; ++row) {
      SmallVector<Value> arguments{accumulators[row * vectors + v]};
      for (size_t p = 0; p < parameters; ++p)
        arguments.push_back(
            loadParameter(views[1 + p], kb.argument(firstPointwise + p), positions[row], first, valid));
      SmallVector<Value> results = expandBody(kb, op.getBody(), arguments, lanes);
      for (size_t r = 0; r < results.size(); ++r) {
        const View &view = views[1 + parameters + r];
        Value offset = kb.add(g.pixelOffset(kb, positions[row], PixelStrides(view), 1, 1), kb.mul(first, view.elementBytes()));
        kb.storeLanes(results[r], kb.at(kb.argument(firstPointwise + parameters + r), offset), valid);
      }
    }
  }
}

void ConvKernel::tile(Value block, Value tileIndex) {
  // The last tile overlaps its neighbour instead of being shorter: it writes the same values again.
  Value first = kb.min(kb.mul(tileIndex, rows), kb.index(g.positions() - rows));
  Value group = kb.index(0), inGroup = block;
  if (g.groups > 1) {
    group = arith::DivUIOp::create(kb.b, kb.loc, block, kb.index(blocks));
    inGroup = arith::RemUIOp::create(kb.b, kb.loc, block, kb.index(blocks));
  }
  int64_t columnRuns = g.kernelWidth / packed.getTaps();
  int64_t blockBytes = g.kernelHeight * columnRuns * packed.getPlanes() * stepsOfRun() * stepBytes();
  Value weights = kb.at(kb.argument(1), kb.mul(block, blockBytes));
  Value groupOffset = kb.mul(group, g.channelsIn * views[0].elementBytes());
  SmallVector<Value> positions, pointers;
  for (int64_t row = 0; row < rows; ++row) {
    positions.push_back(kb.add(first, row));
    Value offset = g.pixelOffset(kb, positions.back(), input, g.strideHeight, g.strideWidth);
    pointers.push_back(kb.at(kb.argument(0), kb.add(offset, groupOffset)));
  }
  SmallVector<Value> sums = reduce(weights, pointers, initialAccumulators(block));
  Value channel = kb.add(kb.mul(group, g.channelsOut), kb.mul(inGroup, packed.getColumns()));
  int64_t tail = g.channelsOut - (blocks - 1) * packed.getColumns();
  if (blocks == 1 || tail == packed.getColumns())
    return epilogue(channel, positions, sums, tail);
  Value last = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, inGroup, kb.index(blocks - 1));
  auto branch = scf::IfOp::create(kb.b, kb.loc, last, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(kb.b);
  kb.b.setInsertionPointToStart(branch.thenBlock());
  epilogue(channel, positions, sums, tail);
  kb.b.setInsertionPointToStart(branch.elseBlock());
  epilogue(channel, positions, sums, packed.getColumns());
}

} // namespace

Kernel buildConvKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  auto packed = cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding());
  if (packed.getFamily() == lowbit::Family::Depthwise)
    return buildDepthwiseKernel(builder, op, views, target);
  return ConvKernel(builder, op, views, target).build();
}

} // namespace anybit::cpu
