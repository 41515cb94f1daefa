#include "Constants.h"
#include "Master.h"
#include "anybit/Target/CPU/CostTable.h"
#include "anybit/Target/CPU/DepthwiseLayout.h"
#include "anybit/Target/CPU/Kernels.h"
#include "anybit/Transforms/Passes.h"

#include "anybit/weights.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// A kernel loads whole registers of per-channel parameters: at most this many elements past the last channel.
constexpr int64_t parameterPadding = 64;

/// The values of the channels in `order`, 0 where it has none.
std::vector<int32_t> inOrder(const std::vector<int64_t> &order, const std::vector<int32_t> &values) {
  std::vector<int32_t> result;
  for (int64_t channel : order)
    result.push_back(channel < 0 ? 0 : values[channel]);
  return result;
}

class Packer {
public:
  Packer(lowbit::ConvOp op, const CpuTarget &target, const cpu::WantedChoice &wanted)
      : op(op), target(target), wanted(wanted), b(op), weights(cast<RankedTensorType>(op.getWeights().getType())) {
    bool flat = weights.getRank() == 3;
    shape = {weights.getDimSize(0), weights.getDimSize(1), flat ? 1 : weights.getDimSize(2), weights.getShape().back(),
             int64_t(op.getGroups())};
  }

  LogicalResult run();

private:
  bool isDepthwise() const { return shape.groups > 1 && shape.inputs == 1 && shape.outputs == shape.groups; }
  LogicalResult choose();
  anybit_packing choosePacking();
  lowbit::ChoiceAttr chosen() const { return lowbit::ConvOp(op).getChoice(); }
  int64_t chosenColumns() const { return target.lanes32() * int64_t(chosen().getVectors()); }
  unsigned provenPairSteps(ArrayRef<char> packed, const anybit_packing &packing);
  unsigned tapsInRun();
  std::vector<int16_t> codes(ArrayRef<char> bytes);
  void packCodes(ArrayRef<char> bytes);
  void packReal(ArrayRef<char> bytes);
  std::vector<int8_t> decodedWeights(ArrayRef<char> bytes);
  void packDepthwise(ArrayRef<char> bytes);
  bool depthwiseFits();
  bool usesDepthwiseLayout() { return isDepthwise() && cpu::DepthwiseLayout::applies(op, target) && depthwiseFits(); }
  void packAtRunTime();
  void replace(std::vector<char> bytes, lowbit::PackedAttr packed, std::vector<int32_t> initial);
  void padParameters();

  lowbit::ConvOp op;
  const CpuTarget &target;
  const cpu::WantedChoice &wanted;
  OpBuilder b;
  RankedTensorType weights;
  anybit_weight_shape shape;
};

/// Kernel columns lie side by side in the input when nothing is between them; one run of all saves padding where the
/// channels do not fill steps of four.
unsigned Packer::tapsInRun() {
  bool adjacent = shape.groups == 1 && op.getDilations().back() == 1 && shape.kernel_width > 1;
  return adjacent && shape.inputs % 4 != 0 && !op.isReal() ? shape.kernel_width : 1;
}

/// Writes down how the layer is computed. A choice from outside must be one that there is.
LogicalResult Packer::choose() {
  cpu::LayerShape layer = cpu::LayerShape::of(op);
  if (lowbit::ChoiceAttr given = op.getChoice()) {
    cpu::KernelChoice choice = cpu::fromAttribute(given);
    if (llvm::is_contained(cpu::enumerateChoices(layer, target), choice))
      return success();
    return op.emitOpError("is to be computed by ") << cpu::toString(choice) << ", which it has not on this target";
  }
  cpu::ChosenKernel chosen = cpu::chooseKernel(layer, target, wanted);
  op.setChoice(cpu::toAttribute(op.getContext(), chosen.choice, chosen.reason, chosen.nanoseconds));
  return success();
}

/// How many steps of VPMADDUBSW may be added in int16 (recipe R9): from the weights themselves where they are bytes,
/// else, and where the weights are rebuilt at run time, from the range of their format. A power of two, so that layers
/// share kernels; 0: not even one.
unsigned Packer::provenPairSteps(ArrayRef<char> packed, const anybit_packing &packing) {
  constexpr int64_t mostSteps = 256;
  msq::FormatAttr format = *op.getWeightFormat();
  auto decode = [&](int64_t code) -> int64_t {
    return anybit_decode(uint32_t(format.getKind()), format.getBits(), int32_t(op.getWeightZero()), int32_t(code));
  };
  int64_t low = 2 * std::min<int64_t>(0, decode(format.lowestCode()));
  int64_t high = 2 * std::max<int64_t>(0, decode(format.highestCode()));
  if (packing.planes > 1)
    return 0;
  if (packing.storage_bits == 8 && !Master::of(op.getWeights())) {
    low = high = 0;
    for (size_t i = 0; i + 1 < packed.size(); i += 2) {
      int64_t first = int8_t(packed[i]), second = int8_t(packed[i + 1]);
      low = std::min(low, std::min<int64_t>(first, 0) + std::min<int64_t>(second, 0));
      high = std::max(high, std::max<int64_t>(first, 0) + std::max<int64_t>(second, 0));
    }
  }
  int64_t largest = std::max<int64_t>(1, std::max(-low, high) * int32_t(op.getInputHigh()));
  return llvm::bit_floor(uint64_t(std::min(mostSteps, INT16_MAX / largest)));
}

anybit_packing Packer::choosePacking() {
  anybit_packing packing;
  packing.column_block = chosenColumns();
  packing.taps_in_run = tapsInRun();
  packing.order = ANYBIT_ORDER_STEPS;
  packing.input_bits = 0;
  msq::FormatAttr format = *op.getWeightFormat();
  unsigned bits = format.getBits();
  if (lowbit::isInPlanes(chosen().getFamily())) {
    packing.order = ANYBIT_ORDER_PLANES;
    packing.input_bits = cpu::inputBits(op);
    packing.storage_bits = bits;
    packing.taps_in_run = packing.planes = 1;
    return packing;
  }
  packing.storage_bits = bits > 4 || chosen().getBytes() ? 8 : bits > 2 ? 4 : bits;
  // Padding of a run needs an index whose weight is zero, which `odd` does not have (weights.h).
  bool padded = packing.taps_in_run * shape.inputs % 4 != 0;
  bool hasZero = format.getKind() == msq::FormatKind::Signed ||
                 (format.getKind() == msq::FormatKind::Unsigned && int32_t(op.getWeightZero()) >= 0 &&
                  int32_t(op.getWeightZero()) <= format.highestCode());
  // The columns of a step fill whole words (weights.h).
  if (packing.storage_bits == 1 && packing.column_block % 8 != 0)
    packing.storage_bits = 2;
  if (padded && !hasZero)
    packing.storage_bits = 8;
  packing.planes = packing.storage_bits == 8
                       ? anybit_weight_planes(uint32_t(format.getKind()), bits, int32_t(op.getWeightZero()))
                       : 1;
  return packing;
}

std::vector<int16_t> Packer::codes(ArrayRef<char> bytes) {
  bool isSigned = op.getWeightFormat()->getKind() == msq::FormatKind::Signed;
  std::vector<int16_t> result;
  for (char byte : bytes)
    result.push_back(isSigned ? int16_t(int8_t(byte)) : int16_t(uint8_t(byte)));
  return result;
}

void Packer::packCodes(ArrayRef<char> bytes) {
  anybit_packing packing = choosePacking();
  msq::FormatAttr format = *op.getWeightFormat();
  std::vector<int16_t> q = codes(bytes);
  std::vector<char> packed(anybit_packed_bytes(&shape, &packing));
  std::vector<int32_t> initial(anybit_padded_outputs(&shape, &packing));
  anybit_pack(&shape, &packing, uint32_t(format.getKind()), format.getBits(), int32_t(op.getWeightZero()),
              int32_t(op.getInputZero()), q.data(), reinterpret_cast<uint8_t *>(packed.data()), initial.data());
  lowbit::Family family = chosen().getFamily();
  bool inPairs = target.dot == DotForm::Madd && family == lowbit::Family::Dot4;
  auto layout =
      lowbit::PackedAttr::get(op.getContext(), family, packing.column_block, packing.storage_bits, packing.taps_in_run,
                              packing.planes, inPairs ? provenPairSteps(packed, packing) : 0);
  replace(std::move(packed), layout, std::move(initial));
}

/// Weights that another op computes are gathered into the same order at run time. Columns past the last output repeat
/// it: their sums are never stored.
void Packer::packAtRunTime() {
  int64_t perGroup = shape.outputs / shape.groups, columns = chosenColumns();
  int64_t blocks = llvm::divideCeil(perGroup, columns);
  bool depthwise = isDepthwise();
  auto packed = lowbit::PackedAttr::get(op.getContext(), depthwise ? lowbit::Family::Depthwise : lowbit::Family::Real,
                                        depthwise ? target.lanes32() : columns, 32, 1, 1);
  SmallVector<int64_t> sizes{shape.groups * blocks, shape.kernel_height, shape.kernel_width, shape.inputs, columns};
  if (depthwise)
    sizes = {1, shape.kernel_height, shape.kernel_width, 1, shape.outputs};
  Value weights = op.getWeights();
  int64_t rank = cast<RankedTensorType>(weights.getType()).getRank();
  auto body = [&](OpBuilder &b, Location loc, ValueRange) {
    SmallVector<Value> at;
    for (int64_t d = 0; d < 5; ++d)
      at.push_back(linalg::IndexOp::create(b, loc, d));
    auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, loc, value); };
    auto mul = [&](Value x, int64_t y) -> Value { return arith::MulIOp::create(b, loc, x, constant(y)); };
    Value output = at[4];
    if (!depthwise) {
      Value group = arith::DivUIOp::create(b, loc, at[0], constant(blocks));
      Value block = arith::RemUIOp::create(b, loc, at[0], constant(blocks));
      Value column = arith::AddIOp::create(b, loc, mul(block, columns), at[4]);
      Value inside = arith::MinUIOp::create(b, loc, column, constant(perGroup - 1));
      output = arith::AddIOp::create(b, loc, mul(group, perGroup), inside);
    }
    SmallVector<Value> index{output, at[3]};
    if (rank == 4)
      index.push_back(at[1]);
    index.push_back(at[2]);
    Value element = tensor::ExtractOp::create(b, loc, weights, index);
    linalg::YieldOp::create(b, loc, element);
  };
  Value empty = tensor::EmptyOp::create(b, op.getLoc(), sizes, b.getF32Type(), packed);
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(5)};
  SmallVector<utils::IteratorType> iterators(5, utils::IteratorType::parallel);
  op.getWeightsMutable().assign(
      linalg::GenericOp::create(b, op.getLoc(), empty.getType(), ValueRange(), empty, maps, iterators, body)
          .getResult(0));
}

/// [group][column block][run][value][column] float32
void Packer::packReal(ArrayRef<char> bytes) {
  const float *in = reinterpret_cast<const float *>(bytes.data());
  int64_t perGroup = shape.outputs / shape.groups, columns = chosenColumns();
  int64_t blocks = llvm::divideCeil(perGroup, columns), taps = shape.kernel_height * shape.kernel_width;
  std::vector<float> packed(shape.groups * blocks * columns * taps * shape.inputs, 0.0f);
  for (int64_t o = 0; o < shape.outputs; ++o) {
    int64_t block = o / perGroup * blocks + o % perGroup / columns, column = o % perGroup % columns;
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t i = 0; i < shape.inputs; ++i)
        packed[((block * taps + tap) * shape.inputs + i) * columns + column] = in[(o * shape.inputs + i) * taps + tap];
  }
  const char *data = reinterpret_cast<const char *>(packed.data());
  replace(std::vector<char>(data, data + packed.size() * sizeof(float)),
          lowbit::PackedAttr::get(op.getContext(), lowbit::Family::Real, columns, 32, 1, 1), {});
}

/// Whether every weight is an int8.
bool Packer::depthwiseFits() {
  msq::FormatAttr format = *op.getWeightFormat();
  return anybit_weight_planes(uint32_t(format.getKind()), format.getBits(), int32_t(op.getWeightZero())) == 1;
}

/// Weights of codes as integers, in the order of the model.
std::vector<int8_t> Packer::decodedWeights(ArrayRef<char> bytes) {
  msq::FormatAttr format = *op.getWeightFormat();
  std::vector<int8_t> decoded;
  for (int16_t q : codes(bytes))
    decoded.push_back(anybit_decode(uint32_t(format.getKind()), format.getBits(), int32_t(op.getWeightZero()), q));
  return decoded;
}

/// [tap][channel], int8 or float32; the layout of dot products where the target has one.
void Packer::packDepthwise(ArrayRef<char> bytes) {
  int64_t taps = shape.kernel_height * shape.kernel_width, size = op.isReal() ? 4 : 1;
  std::vector<int8_t> decoded = op.isReal() ? std::vector<int8_t>() : decodedWeights(bytes);
  std::vector<int32_t> initial;
  for (auto first = decoded.begin(); first != decoded.end(); first += taps)
    initial.push_back(-int32_t(op.getInputZero()) * std::accumulate(first, first + taps, int32_t(0)));
  if (cpu::DepthwiseLayout::applies(op, target)) {
    cpu::DepthwiseLayout layout(op, target);
    int64_t columns = cpu::DepthwiseLayout::registers * target.lanes32();
    auto packed = lowbit::PackedAttr::get(op.getContext(), lowbit::Family::Depthwise, columns, 8 * layout.parts, 1, 1);
    return replace(layout.packWeights(decoded), packed, inOrder(layout.channelOrder(), initial));
  }
  const char *from = op.isReal() ? bytes.data() : reinterpret_cast<const char *>(decoded.data());
  std::vector<char> packed(bytes.size());
  for (int64_t c = 0; c < shape.outputs; ++c)
    for (int64_t tap = 0; tap < taps; ++tap)
      std::memcpy(packed.data() + (tap * shape.outputs + c) * size, from + (c * taps + tap) * size, size);
  replace(std::move(packed),
          lowbit::PackedAttr::get(op.getContext(), lowbit::Family::Depthwise, target.lanes32(), 8 * size, 1, 1),
          std::move(initial));
}

void Packer::replace(std::vector<char> bytes, lowbit::PackedAttr packed, std::vector<int32_t> initial) {
  Location loc = op.getLoc();
  std::optional<Master> master = Master::of(op.getWeights());
  Type element = weights.getElementType();
  int64_t count = bytes.size() / constantElementBytes(element);
  ElementsAttr value = constantAttribute(RankedTensorType::get({count}, element, packed), std::move(bytes));
  Operation *constant = arith::ConstantOp::create(b, loc, value);
  // Depthwise weights are small and have an order of their own: they stay packed in every store.
  if (master && packed.getFamily() != lowbit::Family::Depthwise)
    master->attach(constant);
  op.getWeightsMutable().assign(constant->getResult(0));
  if (!initial.empty())
    op.getInitialMutable().assign(createConstant(b, loc, ArrayRef<int32_t>(initial)));
}

void Packer::padParameters() {
  for (OpOperand &parameter : op.getParametersMutable()) {
    auto type = cast<RankedTensorType>(parameter.get().getType());
    if (type.getRank() != 1 || type.getDimSize(0) != op.getOutputChannels())
      continue;
    // float32 or int32, moved as words.
    std::vector<char> bytes = *constantBytes(parameter.get());
    std::vector<int32_t> values(bytes.size() / sizeof(int32_t));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    if (usesDepthwiseLayout())
      values = inOrder(cpu::DepthwiseLayout(op, target).channelOrder(), values);
    values.resize(llvm::alignTo(values.size(), parameterPadding) + parameterPadding);
    bytes.resize(values.size() * sizeof(int32_t));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    parameter.set(createConstant(b, op.getLoc(), type.clone({int64_t(values.size())}), std::move(bytes)));
  }
}

LogicalResult Packer::run() {
  std::optional<std::vector<char>> bytes = constantBytes(op.getWeights());
  if (!bytes && !op.isReal())
    return op.emitOpError("has codes as weights that are not constant");
  for (Value parameter : op.getParameters())
    if (cast<RankedTensorType>(parameter.getType()).getRank() == 1 && !constantBytes(parameter))
      return op.emitOpError("has a per-channel parameter that is not constant");
  if (failed(choose()))
    return failure();
  padParameters();
  if (!bytes)
    packAtRunTime();
  else if (isDepthwise() && (op.isReal() || depthwiseFits()))
    packDepthwise(*bytes);
  else if (op.isReal())
    packReal(*bytes);
  else
    packCodes(*bytes);
  return success();
}

struct PackWeights : impl::PackWeightsBase<PackWeights> {
  using PackWeightsBase::PackWeightsBase;

  void runOnOperation() override {
    llvm::Expected<cpu::WantedChoice> wanted = cpu::parseWantedChoice(kernel);
    if (!wanted) {
      getOperation().emitError(llvm::toString(wanted.takeError()));
      return signalPassFailure();
    }
    wanted->narrow = narrowWeights;
    WalkResult result = getOperation().walk([&](lowbit::ConvOp op) {
      bool packed = cast<RankedTensorType>(op.getWeights().getType()).getEncoding() != nullptr;
      return packed || succeeded(Packer(op, target.cpu(), *wanted).run()) ? WalkResult::advance()
                                                                          : WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
} // namespace anybit
