//===- PlanPlaces.cpp - where the tensors of a variant lie ----------------===//

#include "Constants.h"
#include "PlanVariant.h"

using namespace mlir;

namespace anybit {

cpu::Halo haloOf(lowbit::ConvOp op) {
  auto in = cast<RankedTensorType>(op.getInput().getType());
  auto out = cast<RankedTensorType>(op.getOutputs().front().getType());
  int64_t spatial = in.getRank() - 2;
  auto after = [&](int64_t d) {
    int64_t reach = (out.getDimSize(d + 2) - 1) * op.getStrides()[d] + (op.getKernel()[d] - 1) * op.getDilations()[d] + 1;
    return std::max<int64_t>(0, reach - op.getPads()[d] - in.getDimSize(d + 2));
  };
  if (spatial == 1)
    return {0, op.getPads()[0], 0, after(0)};
  return {op.getPads()[0], op.getPads()[1], after(0), after(1)};
}

static TypedAttr fillOf(lowbit::ConvOp op) {
  Builder b(op.getContext());
  if (op.isReal())
    return b.getF32FloatAttr(0);
  return b.getIntegerAttr(b.getI8Type(), int8_t(int32_t(op.getInputZero())));
}

/// The halo of a tensor is what its convolutions need; they agree on its content unless a file is odd, and then the
/// second one gets a copy (asWindowInput).
void VariantPlanner::findHalos() {
  function.walk([&](lowbit::ConvOp op) {
    cpu::Halo need = haloOf(op);
    TypedAttr fill = fillOf(op);
    auto [known, isNew] = fills.try_emplace(op.getInput(), fill);
    if (need.empty() || (!isNew && known->second != fill))
      return;
    cpu::Halo &halo = halos[op.getInput()];
    halo = {std::max(halo.top, need.top), std::max(halo.left, need.left), std::max(halo.bottom, need.bottom),
            std::max(halo.right, need.right)};
  });
}

/// The rows of a tile are positions. Where the lines of the nearest cache between them are a multiple of 16, they share
/// four of its 64 sets and evict each other: one line more spreads them over all (docs/kernels.md, "amx").
void VariantPlanner::findPitches() {
  constexpr int64_t line = 64, sharing = 16 * line;
  function.walk([&](lowbit::ConvOp op) {
    auto packed = cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding());
    int64_t channels = cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
    bool isPoint = llvm::all_of(op.getKernel(), [](int64_t size) { return size == 1; });
    if (packed.getFamily() == lowbit::Family::Amx && isPoint && channels % sharing == 0)
      pitches[op.getInput()] = channels + line;
  });
}

static bool computes(Operation *op) { return op && isa<lowbit::ConvOp, linalg::GenericOp, msq::PoolOp>(op); }

/// A tensor whose only use is a concatenation is computed where the concatenation lies.
void VariantPlanner::findParts() {
  function.walk([&](tensor::ConcatOp op) {
    int64_t position = 0;
    for (Value input : op.getInputs()) {
      auto type = cast<RankedTensorType>(input.getType());
      SmallVector<int64_t> offsets(type.getRank(), 0);
      offsets[op.getDim()] = position;
      position += type.getDimSize(op.getDim());
      bool own = computes(input.getDefiningOp()) || input.getDefiningOp<tensor::ConcatOp>();
      if (own && input.hasOneUse())
        parts[input] = {op, offsets};
    }
  });
}

/// A result that a kernel computes and only the caller reads is computed in the caller's memory.
void VariantPlanner::findOutputs() {
  auto terminator = cast<func::ReturnOp>(function.getBody().front().getTerminator());
  for (OpOperand &operand : terminator->getOpOperands()) {
    auto type = cast<RankedTensorType>(operand.get().getType());
    Operation *op = operand.get().getDefiningOp();
    bool dense = type.getRank() <= 2 || sameStrides(rowMajor(type), channelsLast(type, {}));
    if (computes(op) && operand.get().hasOneUse() && (dense || isa<linalg::GenericOp>(op)))
      outputs[operand.get()] = operand.getOperandNumber();
  }
}

unsigned VariantPlanner::addBuffer(Buffer buffer) {
  buffers.push_back(buffer);
  return buffers.size() - 1;
}

Place VariantPlanner::allocate(RankedTensorType type, const cpu::Halo &halo, int64_t pitch) {
  Place place;
  bool windowed = (type.getRank() == 3 || type.getRank() == 4) && !type.getElementType().isInteger(64);
  place.view = windowed ? channelsLast(type, halo, pitch) : rowMajor(type);
  if (windowed && !halo.empty()) {
    place.halo = halo;
    int64_t row = type.getRank() == 4 ? place.view.strides[2] : 0;
    place.offset = (halo.top * row + halo.left * place.view.strides.back()) * place.view.elementBytes();
  }
  Buffer buffer;
  int64_t dense = place.view.elementBytes();
  if (windowed)
    dense *= type.getDimSize(0) * place.view.strides[0];
  else
    dense *= type.getNumElements();
  buffer.bytes = dense;
  place.buffer = addBuffer(buffer);
  return place;
}

Place VariantPlanner::constantPlace(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto elements = cast<ElementsAttr>(constant.getValue());
  Place place;
  Buffer buffer;
  buffer.kind = plan::ArgumentKind::Constant;
  buffer.symbol = constants.insert(elements);
  auto type = cast<RankedTensorType>(value.getType());
  place.view = rowMajor(RankedTensorType::get(type.getShape(), type.getElementType()));
  buffer.bytes = extentBytes(place.view);
  place.buffer = addBuffer(buffer);
  return place;
}

Place VariantPlanner::placeOf(Value value) {
  auto found = places.find(value);
  if (found != places.end())
    return found->second;
  if (value.getDefiningOp<arith::ConstantOp>())
    return places[value] = constantPlace(value);
  // A tensor.empty that only gives a shape: never read.
  return places[value] = allocate(cast<RankedTensorType>(value.getType()), {});
}

Place VariantPlanner::partPlace(Value value, const Part &part) {
  Value whole = part.whole->getResult(0);
  if (!places.count(whole))
    places[whole] = placeOfResult(whole);
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  return viewOfSlice(places[whole], part.offsets, shape, SmallVector<int64_t>(shape.size(), 1),
                     llvm::SmallBitVector(shape.size()));
}

/// Whether loops write it and only loops that write an output read it: it then lies in their order, not the channels
/// innermost.
bool VariantPlanner::isForOutput(Value value) const {
  auto writesOutput = [&](Operation *user) {
    auto loops = dyn_cast<linalg::GenericOp>(user);
    if (!loops)
      loops = user->getParentOfType<linalg::GenericOp>(); // reads it element by element
    return loops && llvm::all_of(loops.getResults(), [&](Value result) { return outputs.count(result); });
  };
  return !halos.count(value) && value.getDefiningOp<linalg::GenericOp>() && !value.use_empty() &&
         llvm::all_of(value.getUsers(), writesOutput);
}

/// A new place for a value that an op is about to compute.
Place VariantPlanner::placeOfResult(Value value) {
  auto part = parts.find(value);
  if (part != parts.end() && !halos.count(value))
    return places[value] = partPlace(value, Part(part->second));
  auto type = cast<RankedTensorType>(value.getType());
  auto output = outputs.find(value);
  if (output != outputs.end()) {
    Place place;
    Buffer buffer;
    buffer.kind = plan::ArgumentKind::Output;
    buffer.index = output->second;
    place.view = rowMajor(type);
    // One element per channel: rows and channels are the same thing, and convolutions want channels innermost.
    if (type.getRank() > 2 && sameStrides(place.view, channelsLast(type, {})))
      place.view = channelsLast(type, {});
    buffer.bytes = extentBytes(place.view);
    place.buffer = addBuffer(buffer);
    return places[value] = place;
  }
  Place place = allocate(type, halos.lookup(value), pitches.lookup(value));
  if (isForOutput(value))
    place.view = rowMajor(type);
  places[value] = place;
  fillHalo(value, place);
  return place;
}

void VariantPlanner::fillHalo(Value value, const Place &place) {
  if (place.halo.empty())
    return;
  OpBuilder builder = kernels.builder();
  addDispatch(cpu::buildHaloKernel(builder, place.view, place.halo, fills.lookup(value)), value.getLoc(), {&place});
}

Place VariantPlanner::asWindowInput(Value value, const cpu::Halo &halo, TypedAttr fill, bool adjacentPixels,
                                    Location loc) {
  Place place = placeOf(value);
  auto type = cast<RankedTensorType>(value.getType());
  bool channelsInside = type.getDimSize(1) == 1 || place.view.strides[1] == 1;
  bool roomy = place.halo.top >= halo.top && place.halo.left >= halo.left && place.halo.bottom >= halo.bottom &&
               place.halo.right >= halo.right && (halo.empty() || fills.lookup(value) == fill);
  bool adjacent = !adjacentPixels || place.view.strides.back() == type.getDimSize(1);
  // Byte kernels read whole steps, up to three bytes past a position: the caller's memory has no room for that.
  bool ours = buffers[place.buffer].kind == plan::ArgumentKind::Arena || !type.getElementType().isInteger(8);
  if (channelsInside && roomy && adjacent && ours)
    return place;
  Place own = allocate(type, halo, adjacentPixels ? 0 : pitches.lookup(value));
  copy(place, own, loc);
  if (!halo.empty()) {
    OpBuilder builder = kernels.builder();
    addDispatch(cpu::buildHaloKernel(builder, own.view, halo, fill), loc, {&own});
  }
  return own;
}

} // namespace anybit
