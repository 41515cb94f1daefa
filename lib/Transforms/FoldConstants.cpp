#include "Constants.h"
#include "FoldBody.h"
#include "Master.h"
#include "anybit/Transforms/Passes.h"

#include "anybit/weights.h"

#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "anybit/Transforms/Passes.h.inc"

namespace {

using Bytes = std::shared_ptr<std::vector<char>>;

/// Evaluates ops of one function in order. Results live as byte buffers until a remaining op needs them as a constant.
class Evaluator {
public:
  Evaluator(func::FuncOp function, bool masters) : function(function), masters(masters) {}

  LogicalResult run();

private:
  Bytes lookup(Value value);
  template <typename T> ArrayRef<T> elements(const Bytes &bytes) {
    return ArrayRef<T>(reinterpret_cast<const T *>(bytes->data()), bytes->size() / sizeof(T));
  }
  Bytes evaluate(Operation &op);
  Bytes evaluateSelect(msq::SelectOp op);
  Bytes evaluateMixBands(msq::MixBandsOp op);
  Bytes evaluateQuantize(msq::QuantizeOp op);
  Bytes evaluateTranspose(linalg::TransposeOp op);
  Bytes evaluateGeneric(linalg::GenericOp op);
  LogicalResult foldBits(Operation &op);
  bool moveBelow(Operation &op);
  bool forwardSelect(linalg::GenericOp op);
  void chooseBranches();
  void materialize();
  LogicalResult rememberMaster(msq::QuantizeOp op);

  func::FuncOp function;
  bool masters;
  llvm::DenseMap<Value, Master> masterOf;
  llvm::DenseMap<Value, Bytes> known;
};

Bytes Evaluator::lookup(Value value) {
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  std::optional<std::vector<char>> bytes = constantBytes(value);
  if (!bytes)
    return nullptr;
  return known[value] = std::make_shared<std::vector<char>>(std::move(*bytes));
}

Bytes Evaluator::evaluateSelect(msq::SelectOp op) {
  Bytes index = lookup(op.getCandidate()), table = index ? lookup(op.getTable()) : nullptr;
  if (!table)
    return nullptr;
  int64_t rows = cast<RankedTensorType>(op.getTable().getType()).getDimSize(0), row = elements<int64_t>(index)[0];
  if (row < 0 || row >= rows)
    return nullptr;
  size_t rowBytes = table->size() / rows;
  return std::make_shared<std::vector<char>>(table->begin() + row * rowBytes, table->begin() + (row + 1) * rowBytes);
}

/// The shape of a weight tensor of rank 2 to 4 (numerics N3: 1-D kernels have height 1).
anybit_weight_shape weightShape(ArrayRef<int64_t> shape, int64_t groups) {
  int64_t height = shape.size() == 4 ? shape[2] : 1, width = shape.size() > 2 ? shape.back() : 1;
  return {shape[0], shape[1], height, width, groups};
}

Bytes Evaluator::evaluateMixBands(msq::MixBandsOp op) {
  Bytes weights = lookup(op.getWeights()), alpha = lookup(op.getAlpha());
  if (!weights || !alpha)
    return nullptr;
  anybit_weight_shape shape = weightShape(cast<RankedTensorType>(op.getWeights().getType()).getShape(), op.getGroups());
  auto result = std::make_shared<std::vector<char>>(weights->size());
  std::vector<float> scratch;
  if (op.getWavelet() == msq::Wavelet::Db2)
    scratch.resize(4 * weights->size() / sizeof(float) + 64);
  anybit_mix_bands(&shape, uint32_t(op.getLayout()), uint32_t(op.getWavelet()), elements<float>(alpha).data(),
                   elements<float>(weights).data(), reinterpret_cast<float *>(result->data()),
                   scratch.empty() ? nullptr : scratch.data());
  return result;
}

Bytes Evaluator::evaluateQuantize(msq::QuantizeOp op) {
  Bytes input = lookup(op.getInput()), scale = lookup(op.getScale()), zero = lookup(op.getZero());
  if (!input || !scale || !zero || op.getBits())
    return nullptr;
  ArrayRef<float> values = elements<float>(input), scales = elements<float>(scale);
  ArrayRef<int32_t> zeros = elements<int32_t>(zero);
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getInput().getType()).getShape();
  int64_t axis = op.getAxis();
  int64_t channels = shape.empty() ? 1 : shape[axis], inner = 1;
  for (int64_t size : shape.drop_front(std::min<size_t>(axis + 1, shape.size())))
    inner *= size;
  auto result = std::make_shared<std::vector<char>>(values.size());
  std::vector<int16_t> codes(inner);
  for (int64_t start = 0, total = values.size(); start < total; start += inner) {
    int64_t channel = start / inner % channels;
    anybit_encode(weightFormat(op.getFormat()), op.getFormat().getBits(),
                  scales[scales.size() == 1 ? 0 : channel], zeros[zeros.size() == 1 ? 0 : channel],
                  values.data() + start, inner, codes.data());
    llvm::copy(codes, result->begin() + start);
  }
  return result;
}

Bytes Evaluator::evaluateTranspose(linalg::TransposeOp op) {
  Bytes input = lookup(op.getInput());
  if (!input)
    return nullptr;
  auto inType = cast<RankedTensorType>(op.getInput().getType());
  auto outType = cast<RankedTensorType>(op.getInit().getType());
  int64_t bytes = constantElementBytes(inType.getElementType()), rank = inType.getRank();
  SmallVector<int64_t> inStrides(rank, bytes), step(rank);
  for (int64_t d = rank - 1; d > 0; --d)
    inStrides[d - 1] = inStrides[d] * inType.getDimSize(d);
  for (int64_t d = 0; d < rank; ++d)
    step[d] = inStrides[op.getPermutation()[d]];
  auto result = std::make_shared<std::vector<char>>(input->size());
  SmallVector<int64_t> index(rank, 0);
  int64_t from = 0;
  for (size_t to = 0; to < result->size(); to += bytes) {
    std::memcpy(result->data() + to, input->data() + from, bytes);
    for (int64_t d = rank - 1; d >= 0; --d) {
      from += step[d];
      if (++index[d] < outType.getDimSize(d))
        break;
      from -= step[d] * index[d];
      index[d] = 0;
    }
  }
  return result;
}

Bytes Evaluator::evaluateGeneric(linalg::GenericOp op) {
  if (op.getNumResults() != 1 || op.getNumParallelLoops() != op.getNumLoops() || op.hasIndexSemantics() ||
      !op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() ||
      !op.getBody()->getArguments().back().use_empty())
    return nullptr;
  SmallVector<Bytes> inputs;
  for (OpOperand *operand : op.getDpsInputOperands()) {
    inputs.push_back(lookup(operand->get()));
    if (!inputs.back() || !op.getMatchingIndexingMap(operand).isProjectedPermutation(true))
      return nullptr;
  }
  auto type = cast<RankedTensorType>(op.getResultTypes()[0]);
  int64_t outBytes = constantElementBytes(type.getElementType());
  auto result = std::make_shared<std::vector<char>>(type.getNumElements() * outBytes);
  SmallVector<int64_t> index(type.getRank(), 0);
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    SmallVector<Attribute> arguments;
    for (auto [operand, bytes] : llvm::zip(op.getDpsInputOperands(), inputs)) {
      auto inType = cast<RankedTensorType>(operand->get().getType());
      SmallVector<int64_t> at = op.getMatchingIndexingMap(operand).compose(index);
      int64_t linear = 0;
      for (auto [coordinate, size] : llvm::zip(at, inType.getShape()))
        linear = linear * size + coordinate;
      arguments.push_back(
          readElement(inType.getElementType(), bytes->data() + linear * constantElementBytes(inType.getElementType())));
    }
    arguments.push_back(readElement(type.getElementType(), result->data()));
    Attribute value = foldBody(*op.getBody(), arguments);
    if (!value)
      return nullptr;
    writeElement(value, result->data() + i * outBytes);
    for (int64_t d = type.getRank() - 1; d >= 0 && ++index[d] == type.getDimSize(d); --d)
      index[d] = 0;
  }
  return result;
}

Bytes Evaluator::evaluate(Operation &op) {
  if (auto select = dyn_cast<msq::SelectOp>(op))
    return evaluateSelect(select);
  if (auto mix = dyn_cast<msq::MixBandsOp>(op))
    return evaluateMixBands(mix);
  if (auto quantize = dyn_cast<msq::QuantizeOp>(op))
    return evaluateQuantize(quantize);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    return evaluateTranspose(transpose);
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
    return lookup(op.getOperand(0));
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return evaluateGeneric(generic);
  return nullptr;
}

/// A width that has become constant moves into the format (numerics N2).
LogicalResult Evaluator::foldBits(Operation &op) {
  auto fold = [&](auto quantizer) -> LogicalResult {
    if (!quantizer.getBits())
      return success();
    Bytes bits = lookup(quantizer.getBits());
    if (!bits)
      return op.emitOpError("has a width that does not fold to a constant");
    int64_t width = elements<int64_t>(bits)[0];
    msq::FormatAttr format = quantizer.getFormat();
    if (width < 1 || width > 8)
      return op.emitOpError("has a width of ") << width << " bits, expected 1 to 8";
    quantizer.setFormatAttr(msq::FormatAttr::get(op.getContext(), format.getKind(), width, format.getNarrow()));
    quantizer.getBitsMutable().clear();
    return success();
  };
  if (auto quantize = dyn_cast<msq::QuantizeOp>(op))
    return fold(quantize);
  if (auto dequantize = dyn_cast<msq::DequantizeOp>(op))
    return fold(dequantize);
  return success();
}

/// The dimension of the result of a reshape that is dimension `axis` of its operand, if it stays one dimension next to
/// others of one element only.
static std::optional<int64_t> axisBehind(Operation &op, int64_t axis) {
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    return llvm::find(transpose.getPermutation(), axis) - transpose.getPermutation().begin();
  auto from = cast<RankedTensorType>(op.getOperand(0).getType()), to = cast<RankedTensorType>(op.getResult(0).getType());
  int64_t outer = 1, reached = 1;
  for (int64_t size : from.getShape().take_front(axis))
    outer *= size;
  for (int64_t d = 0; d < to.getRank(); ++d) {
    if (reached == outer && to.getDimSize(d) == from.getDimSize(axis))
      return d;
    reached *= to.getDimSize(d);
  }
  return std::nullopt;
}

/// reshape(dequantize(constant codes)) => dequantize(reshape(codes)): weights keep their codes through the transposes and
/// reshapes of a matrix product.
bool Evaluator::moveBelow(Operation &op) {
  if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, linalg::TransposeOp>(op))
    return false;
  auto dequantize = op.getOperand(0).getDefiningOp<msq::DequantizeOp>();
  if (!dequantize || dequantize.getBits() || !lookup(dequantize.getCodes()) || !lookup(dequantize.getScale()))
    return false;
  bool perTensor = lookup(dequantize.getScale())->size() == sizeof(float);
  std::optional<int64_t> axis = perTensor ? 0 : axisBehind(op, dequantize.getAxis());
  if (!axis)
    return false;
  OpBuilder builder(&op);
  auto real = cast<RankedTensorType>(op.getResult(0).getType());
  auto codes = RankedTensorType::get(real.getShape(), builder.getI8Type());
  IRMapping map;
  map.map(op.getOperand(0), dequantize.getCodes());
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    map.map(transpose.getInit(),
            tensor::EmptyOp::create(builder, op.getLoc(), codes.getShape(), builder.getI8Type()).getResult());
  Operation *moved = builder.clone(op, map);
  moved->getResult(0).setType(codes);
  known[moved->getResult(0)] = evaluate(*moved);
  // A reshape keeps the order of the weights; through a transpose they stay packed.
  auto master = masterOf.find(dequantize.getCodes());
  if (master != masterOf.end() && !isa<linalg::TransposeOp>(op))
    masterOf[moved->getResult(0)] = Master(master->second);
  Value result = msq::DequantizeOp::create(builder, op.getLoc(), real, moved->getResult(0), dequantize.getScale(),
                                           dequantize.getZero(), Value(), dequantize.getFormat(), *axis);
  op.getResult(0).replaceAllUsesWith(result);
  return true;
}

/// where(constant flag, a, b) => a or b, also for activations (convention C3).
bool Evaluator::forwardSelect(linalg::GenericOp op) {
  Block &body = *op.getBody();
  auto select = dyn_cast<arith::SelectOp>(body.front());
  if (!select || op.getNumResults() != 1 || body.getOperations().size() != 2)
    return false;
  auto operandOf = [&](Value value) -> Value {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == &body ? op->getOperand(argument.getArgNumber()) : Value();
  };
  Value condition = operandOf(select.getCondition());
  Bytes flag = condition ? lookup(condition) : nullptr;
  if (!flag || !llvm::all_equal(*flag))
    return false;
  Value chosen = operandOf(flag->front() ? select.getTrueValue() : select.getFalseValue());
  if (!chosen || chosen.getType() != op.getResultTypes()[0])
    return false;
  op.getResult(0).replaceAllUsesWith(chosen);
  if (Bytes bytes = lookup(chosen))
    known[chosen] = bytes;
  return true;
}

/// Notes what the codes of a constant weight are made from (numerics N3).
LogicalResult Evaluator::rememberMaster(msq::QuantizeOp op) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  if (type.getRank() < 2 || type.getRank() > 4)
    return success();
  Master master;
  Value weights = op.getInput();
  if (auto mix = weights.getDefiningOp<msq::MixBandsOp>()) {
    weights = mix.getWeights();
    master.layout = uint32_t(mix.getLayout());
    master.wavelet = uint32_t(mix.getWavelet());
    llvm::copy(elements<float>(lookup(mix.getAlpha())), master.alpha);
    master.groups = mix.getGroups();
  }
  Bytes values = lookup(weights);
  if (op.getFormat().getKind() == msq::FormatKind::Unsigned) {
    ArrayRef<int32_t> zeros = elements<int32_t>(lookup(op.getZero()));
    if (!llvm::all_equal(zeros))
      return success(); // stays packed: its codes will be others, of one zero point
    if (zeros[0] != int16_t(zeros[0]))
      return op.emitError("unsupported: the master store holds zero points of 16 bits, this weight has ")
             << zeros[0] << "; use --store packed";
  }
  if (!toHalf(elements<float>(values), master.values))
    return op.emitError("invalid: float16 cannot represent a weight of this layer, so the master store would change it; "
                        "use --store packed");
  ArrayRef<float> scales = elements<float>(lookup(op.getScale()));
  master.scales.assign(scales.begin(), scales.end());
  masterOf[op.getCodes()] = std::move(master);
  return success();
}

/// Leaves the branch of every choice by candidate that is taken, so that weights are not folded in formats of others.
void Evaluator::chooseBranches() {
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
    if (auto select = dyn_cast<msq::SelectOp>(op))
      if (Bytes row = evaluateSelect(select))
        known[select] = row;
    if (auto generic = dyn_cast<linalg::GenericOp>(op); generic && forwardSelect(generic))
      op.erase();
  }
  known.clear(); // of values that may be erased
  IRRewriter rewriter(function.getContext());
  (void)runRegionDCE(rewriter, function->getRegions()); // failure means that nothing was dead
}

LogicalResult Evaluator::run() {
  chooseBranches();
  bool failedOnce = false;
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op); generic && forwardSelect(generic)) {
      op.erase();
      continue;
    }
    failedOnce |= failed(foldBits(op));
    if (op.getNumResults() != 1 || moveBelow(op))
      continue;
    Bytes bytes = evaluate(op);
    if (!bytes)
      continue;
    known[op.getResult(0)] = bytes;
    auto quantize = dyn_cast<msq::QuantizeOp>(op);
    if (quantize && masters)
      failedOnce |= failed(rememberMaster(quantize));
    // Reals of whole weights are the largest buffers: those that are constants can be read again.
    if (quantize && quantize.getInput().getDefiningOp<arith::ConstantOp>())
      known.erase(quantize.getInput());
  }
  materialize();
  return failure(failedOnce);
}

/// Constants for evaluated values that a remaining op reads.
void Evaluator::materialize() {
  OpBuilder builder(function.getContext());
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
    if (op.getNumResults() != 1 || isa<arith::ConstantOp>(op) || !known.count(op.getResult(0)))
      continue;
    bool needed = llvm::any_of(op.getUsers(), [&](Operation *user) {
      return user->getNumResults() != 1 || !known.count(user->getResult(0));
    });
    if (!needed)
      continue;
    builder.setInsertionPoint(&op);
    Value constant = createConstant(builder, op.getLoc(), cast<RankedTensorType>(op.getResult(0).getType()),
                                    *known.lookup(op.getResult(0)));
    if (auto master = masterOf.find(op.getResult(0)); master != masterOf.end())
      master->second.attach(constant.getDefiningOp());
    op.getResult(0).replaceAllUsesWith(constant);
    known.erase(op.getResult(0)); // the constant has a copy
  }
}

struct FoldConstants : impl::FoldConstantsBase<FoldConstants> {
  using FoldConstantsBase::FoldConstantsBase;

  void runOnOperation() override {
    if (failed(Evaluator(getOperation(), masters).run()))
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    (void)runRegionDCE(rewriter, getOperation()->getRegions()); // failure means that nothing was dead
  }
};

} // namespace
} // namespace anybit
