//===- DepthwiseKernel.cpp - convolutions with channels in lanes ----------===//
//
// One register of channels at a time; the weights of all taps stay in registers (or the nearest cache) while the
// positions of the grid pass. Weights: int8 or float32 [tap][channel]; initial: int32 [channel].
//
//===----------------------------------------------------------------------===//

#include "ConvGeometry.h"
#include "DotProduct.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class DepthwiseKernel {
public:
  DepthwiseKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
      : op(op), views(views), target(target), real(op.isReal()), g(op),
        kb(builder, op.getLoc(), 1 + 1 + !op.isReal() + views.size() - 1), lanes(target.lanes32()), input(views[0]),
        firstPointwise(real ? 2 : 3) {}

  Kernel build();

private:
  int64_t taps() const { return g.kernelHeight * g.kernelWidth; }
  /// Channels come in full registers, then one partial register.
  void channels(Value channel, int64_t valid);
  void position(Value position, Value channel, int64_t valid, ArrayRef<Value> weights, Value initial);
  Value widen(Value pointer, int64_t valid, bool isSigned);
  Value multiply(Value codes, Value weights, Value sum);

  lowbit::ConvOp op;
  ArrayRef<View> views;
  const CpuTarget &target;
  bool real;
  Geometry g;
  KernelBuilder kb;
  int64_t lanes;
  PixelStrides input;
  unsigned firstPointwise;
};

Kernel DepthwiseKernel::build() {
  int64_t full = g.groups / lanes, rest = g.groups % lanes;
  if (full)
    kb.loop(full, [&](Value block) { channels(kb.mul(block, lanes), lanes); });
  if (rest)
    channels(kb.index(full * lanes), rest);
  return {kb.finish(), g.positions(), real ? "depthwise-real" : "depthwise"};
}

Value DepthwiseKernel::widen(Value pointer, int64_t valid, bool isSigned) {
  if (real)
    return kb.loadLanes(VectorType::get({lanes}, kb.f32), pointer, valid);
  Value bytes = kb.loadLanes(VectorType::get({lanes}, kb.i8), pointer, valid);
  auto type = VectorType::get({lanes}, kb.i32);
  if (isSigned)
    return arith::ExtSIOp::create(kb.b, kb.loc, type, bytes);
  return arith::ExtUIOp::create(kb.b, kb.loc, type, bytes);
}

/// sum + codes * weights. As pairs of int16 the upper halves of the codes are zero, so one VPMADDWD multiplies exactly.
Value DepthwiseKernel::multiply(Value codes, Value weights, Value sum) {
  if (real)
    return multiplyAdd(kb, target, codes, weights, sum);
  Value product;
  if (target.dot == DotForm::Portable) {
    product = arith::MulIOp::create(kb.b, kb.loc, codes, weights);
  } else {
    auto words = VectorType::get({2 * lanes}, kb.i16);
    Value left = vector::BitCastOp::create(kb.b, kb.loc, words, codes);
    Value right = vector::BitCastOp::create(kb.b, kb.loc, words, weights);
    StringRef name = target.vectorBits == 512 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd";
    product = kb.intrinsic(name, sum.getType(), {left, right});
  }
  return arith::AddIOp::create(kb.b, kb.loc, sum, product);
}

void DepthwiseKernel::channels(Value channel, int64_t valid) {
  int64_t bytes = real ? 4 : 1;
  SmallVector<Value> weights;
  for (int64_t tap = 0; tap < taps(); ++tap) {
    Value offset = kb.mul(kb.add(channel, tap * g.groups), bytes);
    weights.push_back(widen(kb.at(kb.argument(1), offset), valid, /*isSigned=*/true));
  }
  auto type = VectorType::get({lanes}, real ? kb.f32 : kb.i32);
  Value initial = real ? kb.real(type, 0) : kb.loadLanes(type, kb.at(kb.argument(2), kb.mul(channel, 4)), valid);
  kb.loop(kb.begin(), kb.end(), [&](Value p) { position(p, channel, valid, weights, initial); });
}

void DepthwiseKernel::position(Value p, Value channel, int64_t valid, ArrayRef<Value> weights, Value sum) {
  Value start = g.pixelOffset(kb, p, input, g.strideHeight, g.strideWidth);
  Value pointer = kb.at(kb.argument(0), kb.add(start, kb.mul(channel, views[0].elementBytes())));
  for (int64_t tap = 0; tap < taps(); ++tap) {
    int64_t ky = tap / g.kernelWidth, kx = tap % g.kernelWidth;
    int64_t offset = ky * g.dilationHeight * input.row + kx * g.dilationWidth * input.pixel;
    sum = multiply(widen(kb.at(pointer, offset), valid, /*isSigned=*/false), weights[tap], sum);
  }
  size_t parameters = op.getParameters().size();
  SmallVector<Value> arguments{sum};
  auto addressOf = [&](size_t view) {
    Value offset = kb.mul(channel, views[view].elementBytes());
    if (views[view].shape.size() > 1)
      offset = kb.add(offset, g.pixelOffset(kb, p, PixelStrides(views[view]), 1, 1));
    return kb.at(kb.argument(firstPointwise + view - 1), offset);
  };
  for (size_t i = 1; i <= parameters; ++i)
    arguments.push_back(kb.loadLanes(VectorType::get({lanes}, views[i].element), addressOf(i), valid));
  SmallVector<Value> results = expandBody(kb, op.getBody(), arguments, lanes);
  for (size_t i = 0; i < results.size(); ++i)
    kb.storeLanes(results[i], addressOf(1 + parameters + i), valid);
}

} // namespace

Kernel buildDepthwiseKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return DepthwiseKernel(builder, op, views, target).build();
}

} // namespace anybit::cpu
