#include "ConvGeometry.h"

using namespace mlir;

namespace anybit::cpu {

PixelStrides::PixelStrides(const View &view) {
  int64_t bytes = view.elementBytes();
  bool flat = view.strides.size() == 3;
  batch = view.strides[0] * bytes;
  row = flat ? 0 : view.strides[2] * bytes;
  pixel = view.strides.back() * bytes;
}

Geometry::Geometry(lowbit::ConvOp op) {
  auto in = cast<RankedTensorType>(op.getInput().getType());
  auto out = cast<RankedTensorType>(op.getOutputs().front().getType());
  bool flat = in.getRank() == 3;
  auto at = [&](ArrayRef<int64_t> values, int64_t dim) { return flat ? (dim ? values[0] : 1) : values[dim]; };
  batch = out.getDimSize(0);
  height = at(out.getShape().drop_front(2), 0);
  width = at(out.getShape().drop_front(2), 1);
  groups = op.getGroups();
  channelsIn = in.getDimSize(1) / groups;
  channelsOut = out.getDimSize(1) / groups;
  kernelHeight = at(op.getKernel(), 0);
  kernelWidth = at(op.getKernel(), 1);
  strideHeight = at(op.getStrides(), 0);
  strideWidth = at(op.getStrides(), 1);
  dilationHeight = at(op.getDilations(), 0);
  dilationWidth = at(op.getDilations(), 1);
}

Value Geometry::pixelOffset(KernelBuilder &kb, Value position, const PixelStrides &strides, int64_t strideHeight,
                            int64_t strideWidth) const {
  int64_t pixel = strides.pixel * strideWidth, row = strides.row * strideHeight;
  bool rowsJoin = height == 1 || row == width * pixel;
  bool imagesJoin = batch == 1 || strides.batch == height * width * pixel;
  if (rowsJoin && imagesJoin)
    return kb.mul(position, pixel);
  auto divide = [&](Value value, int64_t by, Value &remainder) -> Value {
    Value divisor = kb.index(by);
    remainder = arith::RemUIOp::create(kb.b, kb.loc, value, divisor);
    return arith::DivUIOp::create(kb.b, kb.loc, value, divisor);
  };
  Value inImage = position, x, offset = kb.index(0);
  if (batch > 1)
    offset = kb.mul(divide(position, height * width, inImage), strides.batch);
  Value y = divide(inImage, width, x);
  return kb.add(offset, kb.add(kb.mul(y, row), kb.mul(x, pixel)));
}

/// The element of parameter or result `pointwise` for an output.
Value ConvArguments::pointer(KernelBuilder &kb, size_t pointwise, PixelOffset pixel, Value channel) const {
  const View &view = views[1 + pointwise];
  Value offset = kb.mul(channel, view.elementBytes());
  if (view.shape.size() > 1)
    offset = kb.add(pixel(PixelStrides(view)), offset);
  return kb.at(kb.argument(firstPointwise() + pointwise), offset);
}

void ConvArguments::emitEpilogue(KernelBuilder &kb, const Geometry &g, Value accumulator, Value position, Value channel,
                                 int64_t valid) const {
  auto offset = [&](const PixelStrides &strides) { return g.pixelOffset(kb, position, strides, 1, 1); };
  emitEpilogue(kb, accumulator, offset, channel, valid);
}

void ConvArguments::emitEpilogue(KernelBuilder &kb, Value accumulator, PixelOffset offset, Value channel,
                                 int64_t valid) const {
  lowbit::ConvOp conv = op;
  size_t parameters = conv.getParameters().size();
  int64_t lanes = cast<VectorType>(accumulator.getType()).getNumElements();
  SmallVector<Value> arguments{accumulator};
  for (size_t p = 0; p < parameters; ++p) {
    const View &view = views[1 + p];
    auto type = VectorType::get({lanes}, view.element);
    Value from = pointer(kb, p, offset, channel);
    arguments.push_back(view.shape.size() == 1 ? kb.load(type, from) : kb.loadLanes(type, from, valid));
  }
  SmallVector<Value> results = expandBody(kb, conv.getBody(), arguments, lanes);
  for (auto [r, result] : llvm::enumerate(results))
    kb.storeLanes(result, pointer(kb, parameters + r, offset, channel), valid);
}

} // namespace anybit::cpu
