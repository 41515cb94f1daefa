#include "ConvGeometry.h"
#include "anybit/Target/CPU/KernelChoice.h"

#include "CodePacking.h"

#include "llvm/Support/MathExtras.h"

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

Geometry::Geometry(const LayerShape &layer)
    : batch(layer.batch), height(layer.height), width(layer.width), channelsIn(layer.inputs),
      channelsOut(layer.outputs), groups(layer.groups), kernelHeight(layer.kernelHeight),
      kernelWidth(layer.kernelWidth), strideHeight(layer.strideHeight), strideWidth(layer.strideWidth),
      dilationHeight(1), dilationWidth(1) {}

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

ConvArguments::Pixel ConvArguments::pixelAt(KernelBuilder &kb, const Geometry &g, Value position) {
  return {[&kb, &g, position](const PixelStrides &strides) { return g.pixelOffset(kb, position, strides, 1, 1); }, Value()};
}

/// The element of parameter or result `pointwise` for an output.
Value ConvArguments::pointer(KernelBuilder &kb, size_t pointwise, const Pixel &pixel, Value channel) const {
  const View &view = views[1 + pointwise];
  Value offset = kb.mul(channel, view.elementBytes());
  if (view.shape.size() > 1)
    offset = kb.add(pixel.offset(PixelStrides(view)), offset);
  return kb.at(kb.argument(firstPointwise() + pointwise), offset);
}

/// The values of the body for one register.
IRMapping ConvArguments::evaluate(KernelBuilder &kb, const Register &one, Value channel, int64_t valid) const {
  lowbit::ConvOp conv = op;
  int64_t lanes = cast<VectorType>(one.accumulator.getType()).getNumElements();
  SmallVector<Value> arguments{one.accumulator};
  for (size_t p = 0; p < conv.getParameters().size(); ++p) {
    const View &view = views[1 + p];
    auto type = VectorType::get({lanes}, view.element);
    Value from = pointer(kb, p, *one.pixel, kb.add(channel, one.firstColumn));
    arguments.push_back(view.shape.size() == 1 ? kb.load(type, from)
                                               : kb.loadLanes(type, from, valid - one.firstColumn));
  }
  return mapBody(kb, conv.getBody(), arguments, lanes);
}

void ConvArguments::store(KernelBuilder &kb, size_t result, Value values, const Register &to, Value channel,
                          int64_t valid) const {
  size_t pointwise = lowbit::ConvOp(op).getParameters().size() + result;
  Value address = pointer(kb, pointwise, *to.pixel, kb.add(channel, to.firstColumn));
  if (to.pixel->valid)
    kb.storeLanesIf(to.pixel->valid, values, address, valid - to.firstColumn);
  else
    kb.storeLanes(values, address, valid - to.firstColumn);
}

/// The scalar of which a result is rounded, where packing registers rounds and clamps; else null.
static Value packedScalar(Value result) {
  auto round = result.getDefiningOp<lowbit::RoundOp>();
  return round ? CodePacking::roundedScalar(round) : Value();
}

void ConvArguments::emitEpilogue(KernelBuilder &kb, ArrayRef<Value> accumulators, ArrayRef<Pixel> pixels, Value channel,
                                 int64_t valid, bool packs) const {
  lowbit::ConvOp conv = op;
  int64_t lanes = cast<VectorType>(accumulators.front().getType()).getNumElements();
  int64_t vectors = accumulators.size() / pixels.size();
  int64_t used = std::min<int64_t>(vectors, llvm::divideCeil(valid, lanes));
  auto at = [&](size_t row, int64_t v) {
    return Register{accumulators[row * vectors + v], &pixels[row], v * lanes};
  };
  if (!packs || !llvm::any_of(conv.getBody().getTerminator()->getOperands(), packedScalar)) {
    for (int64_t v = 0; v < used; ++v) // columns outside: their parameters stay in registers
      for (size_t row = 0; row < pixels.size(); ++row)
        emitTogether(kb, at(row, v), channel, valid, /*packs=*/false);
    return;
  }
  SmallVector<Register> registers;
  for (size_t row = 0; row < pixels.size(); ++row)
    for (int64_t v = 0; v < used; ++v)
      registers.push_back(at(row, v));
  for (ArrayRef<Register> rest = registers; !rest.empty(); rest = rest.drop_front(std::min<size_t>(4, rest.size())))
    emitTogether(kb, rest.take_front(4), channel, valid, /*packs=*/true);
}

/// Up to four registers, whose codes become one register of bytes if `packs`.
void ConvArguments::emitTogether(KernelBuilder &kb, ArrayRef<Register> registers, Value channel, int64_t valid,
                                 bool packs) const {
  lowbit::ConvOp conv = op;
  auto bodies = llvm::map_to_vector(registers, [&](const Register &one) {
    return evaluate(kb, one, channel, valid);
  });
  for (auto [index, result] : llvm::enumerate(conv.getBody().getTerminator()->getOperands())) {
    auto storeResult = [&, index = index](Value values, const Register &to) {
      store(kb, index, values, to, channel, valid);
    };
    Value scalar = packs ? packedScalar(result) : Value(), wanted = scalar ? scalar : result;
    auto vectors = llvm::map_to_vector(bodies, [&](const IRMapping &map) { return map.lookupOrDefault(wanted); });
    if (scalar)
      storePacked(kb, vectors, result.getDefiningOp<lowbit::RoundOp>(), registers, storeResult);
    else
      for (auto [values, to] : llvm::zip(vectors, registers))
        storeResult(values, to);
  }
}

void ConvArguments::storePacked(KernelBuilder &kb, SmallVector<Value> reals, lowbit::RoundOp round,
                                ArrayRef<Register> registers,
                                function_ref<void(Value values, const Register &to)> store) {
  int64_t lanes = cast<VectorType>(reals.front().getType()).getNumElements();
  reals.resize(4, reals.back());
  CodePacking packing(kb, lanes);
  Value codes = packing.inOrder(packing.roundAndPack(reals, round));
  for (size_t first = 0, last; first < registers.size(); first = last) {
    for (last = first + 1; last < registers.size() && registers[last].pixel == registers[first].pixel;)
      ++last;
    SmallVector<int64_t> bytes = llvm::to_vector(llvm::seq<int64_t>(first * lanes, last * lanes));
    store(vector::ShuffleOp::create(kb.b, kb.loc, codes, codes, bytes), registers[first]);
  }
}

} // namespace anybit::cpu
