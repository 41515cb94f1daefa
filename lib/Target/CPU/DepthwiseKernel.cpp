//===- DepthwiseKernel.cpp - convolutions with channels in lanes ----------===//
//
// One register of channels at a time and one multiplication a tap: reals, and codes where the target has no dot product.
// A tile is several positions of a row, whose sums do not depend on each other, so that a tap's weights are loaded once
// for all of them. Weights: int8 or float32 [tap][channel]; initial: int32 [channel].
//
//===----------------------------------------------------------------------===//

#include "DepthwiseKernel.h"
#include "DotProduct.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {

int64_t DepthwiseKernel::grid(int64_t blocks, Block block) {
  int64_t rows = llvm::divideCeil(g.height, tileHeight), columns = oneRow() ? llvm::divideCeil(g.width, tileWidth) : 1;
  int64_t units = g.batch * rows * columns;
  kb.loop(kb.begin(), kb.end(), [&](Value index) {
    auto split = [&](Value &value, int64_t by) -> Value {
      if (by == 1)
        return kb.index(0);
      Value divisor = kb.index(by), whole = value;
      value = arith::DivUIOp::create(kb.b, kb.loc, whole, divisor);
      return arith::RemUIOp::create(kb.b, kb.loc, whole, divisor);
    };
    // Blocks innermost: rows of the input are read while they are in the cache, whole lines of them.
    Value which = split(index, blocks), column = split(index, columns), row = split(index, rows);
    Value y = kb.min(kb.mul(row, tileHeight), kb.index(g.height - tileHeight));
    Value x = kb.min(kb.mul(column, tileWidth), kb.index(g.width - tileWidth));
    block(which, {index, y, x});
  });
  return blocks * units;
}

void DepthwiseKernel::tiles(Position first, llvm::function_ref<void(Position)> tile) {
  if (oneRow())
    return tile(first);
  kb.loop(llvm::divideCeil(g.width, tileWidth), [&](Value index) {
    tile({first.image, first.y, kb.min(kb.mul(index, tileWidth), kb.index(g.width - tileWidth))});
  });
}

Value DepthwiseKernel::address(size_t view, const Position &position, Value channel) {
  PixelStrides strides(views[view]);
  int64_t down = view ? 1 : g.strideHeight, along = view ? 1 : g.strideWidth;
  Value pixel = kb.add(kb.mul(position.y, strides.row * down), kb.mul(position.x, strides.pixel * along));
  Value offset = kb.add(kb.mul(position.image, strides.batch), pixel);
  return kb.at(pointwise(view), kb.add(offset, kb.mul(channel, views[view].elementBytes())));
}

namespace {

class MultiplyKernel : DepthwiseKernel {
public:
  MultiplyKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
      : DepthwiseKernel(builder, op, views, target), lanes(target.lanes32()), input(views[0]) {
    tileWidth = std::min<int64_t>(g.width, 4);
  }

  Kernel build();

private:
  int64_t taps() const { return g.kernelHeight * g.kernelWidth; }
  void row(Value channel, int64_t valid, Position first);
  void tile(Value channel, int64_t valid, Position first);
  Value widen(Value pointer, int64_t valid, bool isSigned);
  Value multiply(Value codes, Value weights, Value sum);
  void epilogue(Value channel, int64_t valid, Position position, Value sum);

  int64_t lanes;
  PixelStrides input;
};

Kernel MultiplyKernel::build() {
  int64_t full = g.groups / lanes, rest = g.groups % lanes;
  int64_t extent = grid(full + (rest != 0), [&](Value block, Position first) {
    Value channel = kb.mul(block, lanes);
    if (!full || !rest)
      return row(channel, rest ? rest : lanes, first);
    Value whole = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::slt, block, kb.index(full));
    auto branch = scf::IfOp::create(kb.b, kb.loc, whole, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(kb.b);
    kb.b.setInsertionPointToStart(branch.thenBlock());
    row(channel, lanes, first);
    kb.b.setInsertionPointToStart(branch.elseBlock());
    row(channel, rest, first);
  });
  return {kb.finish(), extent, real ? "depthwise-real" : "depthwise"};
}

Value MultiplyKernel::widen(Value pointer, int64_t valid, bool isSigned) {
  if (real)
    return kb.loadLanes(VectorType::get({lanes}, kb.f32), pointer, valid);
  Value bytes = kb.loadLanes(VectorType::get({lanes}, kb.i8), pointer, valid);
  auto type = VectorType::get({lanes}, kb.i32);
  if (isSigned)
    return arith::ExtSIOp::create(kb.b, kb.loc, type, bytes);
  return arith::ExtUIOp::create(kb.b, kb.loc, type, bytes);
}

/// sum + codes * weights
Value MultiplyKernel::multiply(Value codes, Value weights, Value sum) {
  if (real)
    return multiplyAdd(kb, target, codes, weights, sum);
  return arith::AddIOp::create(kb.b, kb.loc, sum, arith::MulIOp::create(kb.b, kb.loc, codes, weights));
}

void MultiplyKernel::row(Value channel, int64_t valid, Position first) {
  tiles(first, [&](Position position) { tile(channel, valid, position); });
}

void MultiplyKernel::tile(Value channel, int64_t valid, Position first) {
  auto type = VectorType::get({lanes}, real ? kb.f32 : kb.i32);
  Value initial = real ? kb.real(type, 0) : kb.loadLanes(type, kb.at(kb.argument(2), kb.mul(channel, 4)), valid);
  SmallVector<Value> sums(tileWidth, initial);
  // Weights that do not fit the registers are read again by every tile.
  bool resident = taps() + tileWidth + 2 <= int64_t(target.vectorRegisters);
  Value weights = resident ? kb.argument(1) : kb.opaque(kb.argument(1)), pointer = address(0, first, channel);
  for (int64_t tap = 0; tap < taps(); ++tap) {
    Value offset = kb.mul(kb.add(channel, tap * g.groups), real ? 4 : 1);
    Value weight = widen(kb.at(weights, offset), valid, /*isSigned=*/true);
    int64_t ky = tap / g.kernelWidth, kx = tap % g.kernelWidth;
    for (int64_t t = 0; t < tileWidth; ++t) {
      int64_t at = ky * g.dilationHeight * input.row + (kx * g.dilationWidth + t * g.strideWidth) * input.pixel;
      sums[t] = multiply(widen(kb.at(pointer, at), valid, /*isSigned=*/false), weight, sums[t]);
    }
  }
  for (int64_t t = 0; t < tileWidth; ++t)
    epilogue(channel, valid, {first.image, first.y, kb.add(first.x, t)}, sums[t]);
}

void MultiplyKernel::epilogue(Value channel, int64_t valid, Position position, Value sum) {
  size_t parameters = op.getParameters().size();
  SmallVector<Value> arguments{sum};
  for (size_t i = 1; i <= parameters; ++i) {
    Value from = perChannel(i) ? parameterAddress(i, channel) : address(i, position, channel);
    arguments.push_back(kb.loadLanes(VectorType::get({lanes}, views[i].element), from, valid));
  }
  SmallVector<Value> results = expandBody(kb, op.getBody(), arguments, lanes);
  for (size_t i = 0; i < results.size(); ++i)
    kb.storeLanes(results[i], address(1 + parameters + i, position, channel), valid);
}

} // namespace

Kernel buildDepthwiseKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return MultiplyKernel(builder, op, views, target).build();
}

} // namespace anybit::cpu
