//===- PoolKernel.cpp - windows over channels-last tensors ----------------===//
//
// A register of channels at a time; windows are cut at the border of the input, so padding is never read.
//
//===----------------------------------------------------------------------===//

#include "ConvGeometry.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class PoolKernel {
public:
  PoolKernel(OpBuilder &builder, msq::PoolOp op, const View &input, const View &output, const CpuTarget &target)
      : op(op), in(input), out(output), kb(builder, op.getLoc(), 2), flat(input.shape.size() == 3),
        lanes(target.vectorBits / (8 * input.elementBytes())), element(input.element) {}

  Kernel build();

private:
  struct Range {
    Value from, to;
  };
  int64_t at(ArrayRef<int64_t> values, int64_t dim) const { return flat ? values[0] : values[dim]; }
  int64_t size(const View &view, int64_t dim) const { return flat && dim == 0 ? 1 : view.shape[dim + (flat ? 1 : 2)]; }
  Range taps(Value position, int64_t dim, bool insidePadding);
  Value combine(Value a, Value b);
  void window(Value image, Value y, Value x);
  void channels(Value from, Value to, Range rows, Range columns, Value divisor, Value channel, int64_t valid);
  Value divisorOf(Value y, Value x);

  msq::PoolOp op;
  const View &in, &out;
  KernelBuilder kb;
  bool flat;
  int64_t lanes;
  Type element;
};

/// The kernel positions whose input lies inside of the tensor (or inside of its padding, for the divisor).
PoolKernel::Range PoolKernel::taps(Value position, int64_t dim, bool insidePadding) {
  if (flat && dim == 0)
    return {kb.index(0), kb.index(1)};
  int64_t spatial = flat ? 1 : 2;
  int64_t stride = at(op.getStrides(), dim), dilation = at(op.getDilations(), dim), kernel = at(op.getKernel(), dim);
  int64_t before = at(op.getPads(), dim), after = op.getPads()[spatial + (flat ? 0 : dim)];
  int64_t low = insidePadding ? -before : 0, high = size(in, dim) + (insidePadding ? after : 0);
  Value start = kb.add(kb.mul(position, stride), -before);
  // ceil((low - start) / dilation) and ceil((high - start) / dilation), both clamped to the kernel.
  auto first = [&](int64_t bound) {
    Value distance = arith::SubIOp::create(kb.b, kb.loc, kb.index(bound), start);
    Value positive = kb.max(distance, kb.index(0));
    Value taps = arith::DivUIOp::create(kb.b, kb.loc, kb.add(positive, dilation - 1), kb.index(dilation));
    return kb.min(taps, kb.index(kernel));
  };
  return {first(low), first(high)};
}

Value PoolKernel::combine(Value a, Value b) {
  if (op.getKind() == msq::PoolKind::Average)
    return arith::AddFOp::create(kb.b, kb.loc, a, b);
  if (isa<FloatType>(element))
    return arith::MaximumFOp::create(kb.b, kb.loc, a, b);
  return arith::MaxUIOp::create(kb.b, kb.loc, a, b);
}

/// float(number of positions that count), for averages.
Value PoolKernel::divisorOf(Value y, Value x) {
  Range rows = taps(y, 0, op.getCountIncludePad()), columns = taps(x, 1, op.getCountIncludePad());
  Value height = arith::SubIOp::create(kb.b, kb.loc, rows.to, rows.from);
  Value width = arith::SubIOp::create(kb.b, kb.loc, columns.to, columns.from);
  Value count = arith::MulIOp::create(kb.b, kb.loc, height, width);
  return arith::SIToFPOp::create(kb.b, kb.loc, kb.f32, count);
}

void PoolKernel::channels(Value from, Value to, Range rows, Range columns, Value divisor, Value channel,
                          int64_t valid) {
  auto type = VectorType::get({lanes}, element);
  PixelStrides strides(in);
  Value start = op.getKind() == msq::PoolKind::Average ? kb.real(type, 0)
                : isa<FloatType>(element)             ? kb.real(type, -std::numeric_limits<float>::infinity())
                                                      : kb.integer(type, 0);
  Value offset = kb.mul(channel, in.elementBytes());
  int64_t rowStep = flat ? 0 : strides.row * at(op.getDilations(), 0);
  int64_t columnStep = strides.pixel * at(op.getDilations(), 1);
  SmallVector<Value> sum = kb.loop(rows.from, rows.to, 1, start, [&](Value ky, ValueRange outer) {
    Value row = kb.at(from, kb.add(offset, kb.mul(ky, rowStep)));
    return kb.loop(columns.from, columns.to, 1, outer, [&](Value kx, ValueRange inner) -> SmallVector<Value> {
      return {combine(inner[0], kb.loadLanes(type, kb.at(row, kb.mul(kx, columnStep)), valid))};
    });
  });
  if (op.getKind() == msq::PoolKind::Average)
    sum[0] = arith::DivFOp::create(kb.b, kb.loc, sum[0], kb.splat(type, divisor));
  kb.storeLanes(sum[0], kb.at(to, kb.mul(channel, out.elementBytes())), valid);
}

void PoolKernel::window(Value image, Value y, Value x) {
  Range rows = taps(y, 0, /*insidePadding=*/false), columns = taps(x, 1, /*insidePadding=*/false);
  Value divisor = op.getKind() == msq::PoolKind::Average ? divisorOf(y, x) : Value();
  PixelStrides from(in), to(out);
  int64_t top = flat ? 0 : at(op.getPads(), 0), left = at(op.getPads(), 1);
  Value source = kb.add(kb.mul(image, from.batch), kb.mul(kb.add(kb.mul(x, at(op.getStrides(), 1)), -left), from.pixel));
  if (!flat)
    source = kb.add(source, kb.mul(kb.add(kb.mul(y, at(op.getStrides(), 0)), -top), from.row));
  Value target = kb.add(kb.mul(image, to.batch), kb.add(kb.mul(y, to.row), kb.mul(x, to.pixel)));
  Value input = kb.at(kb.argument(0), source), output = kb.at(kb.argument(1), target);
  int64_t full = in.shape[1] / lanes, rest = in.shape[1] % lanes;
  if (full)
    kb.loop(full, [&](Value block) {
      channels(input, output, rows, columns, divisor, kb.mul(block, lanes), lanes);
    });
  if (rest)
    channels(input, output, rows, columns, divisor, kb.index(full * lanes), rest);
}

Kernel PoolKernel::build() {
  int64_t height = size(out, 0), width = size(out, 1);
  kb.loop(kb.begin(), kb.end(), [&](Value row) {
    Value image = arith::DivUIOp::create(kb.b, kb.loc, row, kb.index(height));
    Value y = arith::RemUIOp::create(kb.b, kb.loc, row, kb.index(height));
    kb.loop(width, [&](Value x) { window(image, y, x); });
  });
  return {kb.finish(), in.shape[0] * height, "pool"};
}

} // namespace

Kernel buildPoolKernel(OpBuilder &builder, msq::PoolOp op, const View &input, const View &output,
                       const CpuTarget &target) {
  return PoolKernel(builder, op, input, output, target).build();
}

} // namespace anybit::cpu
