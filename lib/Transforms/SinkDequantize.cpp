#include "CodeMatchers.h"
#include "Constants.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_SINKDEQUANTIZE
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// The dequantizer of a value if it is per tensor, so that it commutes with data movement.
msq::DequantizeOp perTensorDequantize(Value value) {
  auto op = value.getDefiningOp<msq::DequantizeOp>();
  if (!op || op.getBits() || constantBytes(op.getCodes()))
    return {};
  for (Value parameter : {op.getScale(), op.getZero()})
    if (cast<RankedTensorType>(parameter.getType()).getNumElements() != 1)
      return {};
  return op;
}

RankedTensorType codesLike(Value real) {
  auto type = cast<RankedTensorType>(real.getType());
  return RankedTensorType::get(type.getShape(), IntegerType::get(type.getContext(), 8));
}

/// A dequantizer of `codes` with the parameters of `model`.
Value dequantizeLike(PatternRewriter &rewriter, msq::DequantizeOp model, Value codes, Type type) {
  return msq::DequantizeOp::create(rewriter, model.getLoc(), type, codes, model.getScale(), model.getZero(), Value(),
                                   model.getFormat(), 0);
}

/// `op`, which moves elements, on the mapped codes of its operands. The result is mapped.
Value moveOntoCodes(PatternRewriter &rewriter, Operation *op, IRMapping &map) {
  Location loc = op->getLoc();
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    Value empty = tensor::EmptyOp::create(rewriter, loc, codesLike(transpose.getInit()).getShape(), rewriter.getI8Type());
    Value moved = linalg::TransposeOp::create(rewriter, loc, map.lookup(transpose.getInput()), empty,
                                              transpose.getPermutation())
                      ->getResult(0);
    map.map(op->getResult(0), moved);
    return moved;
  }
  Operation *moved = rewriter.clone(*op, map);
  moved->getResult(0).setType(codesLike(op->getResult(0)));
  return moved->getResult(0);
}

bool keepsIntegers(Operation *op) {
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp, linalg::TransposeOp>(op))
    return true;
  if (auto pool = dyn_cast<msq::PoolOp>(op))
    return pool.getKind() == msq::PoolKind::Max;
  if (auto resize = dyn_cast<msq::ResizeOp>(op))
    return resize.getMode() == "nearest";
  return false;
}

/// The dimension of the result that `axis` of the operand becomes; nothing if its elements are spread.
std::optional<int64_t> movedAxis(Operation *op, int64_t axis) {
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    return llvm::find(transpose.getPermutation(), axis) - transpose.getPermutation().begin();
  if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
    return std::nullopt;
  auto from = cast<RankedTensorType>(op->getOperand(0).getType()), to = cast<RankedTensorType>(op->getResult(0).getType());
  // Elements keep their order: the axis survives where as many elements lie behind it.
  auto behind = [](RankedTensorType type, int64_t d) {
    int64_t count = 1;
    for (int64_t size : type.getShape().drop_front(d + 1))
      count *= size;
    return count;
  };
  for (int64_t d = 0; d < to.getRank(); ++d)
    if (to.getDimSize(d) == from.getDimSize(axis) && behind(to, d) == behind(from, axis))
      return d;
  return std::nullopt;
}

/// move(dequantize(constant codes)) => dequantize(move(constant codes)), also with a scale per channel
struct SinkConstant : OpRewritePattern<msq::DequantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::DequantizeOp op, PatternRewriter &rewriter) const override {
    if (op.getBits() || !constantBytes(op.getCodes()) || !op->hasOneUse())
      return rewriter.notifyMatchFailure(op, "no constant codes with one use");
    Operation *user = *op->user_begin();
    std::optional<int64_t> axis = movedAxis(user, op.getAxis());
    if (!axis)
      return rewriter.notifyMatchFailure(op, "not moved, or its channels are spread");
    rewriter.setInsertionPoint(user);
    IRMapping map;
    map.map(op.getOutput(), op.getCodes());
    Value moved = moveOntoCodes(rewriter, user, map);
    rewriter.replaceOpWithNewOp<msq::DequantizeOp>(user, user->getResult(0).getType(), moved, op.getScale(), op.getZero(),
                                                   Value(), op.getFormat(), *axis);
    return success();
  }
};

/// Constant codes with a zero point per channel become codes with one, where all integers fit a byte.
struct UnifyZeros : OpRewritePattern<msq::DequantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::DequantizeOp op, PatternRewriter &rewriter) const override {
    std::optional<std::vector<char>> bytes = constantBytes(op.getCodes());
    std::optional<std::vector<int32_t>> zeros = constantIntegers(op.getZero());
    if (op.getBits() || !bytes || !zeros || llvm::all_equal(*zeros) || op.getFormat().getKind() != msq::FormatKind::Unsigned)
      return rewriter.notifyMatchFailure(op, "no zero points that differ");
    auto type = cast<RankedTensorType>(op.getCodes().getType());
    int64_t inner = 1;
    for (int64_t size : type.getShape().drop_front(op.getAxis() + 1))
      inner *= size;
    std::vector<int32_t> integers;
    for (auto [i, byte] : llvm::enumerate(*bytes))
      integers.push_back(int32_t(uint8_t(byte)) - (*zeros)[i / inner % zeros->size()]);
    auto [low, high] = std::minmax_element(integers.begin(), integers.end());
    if (*high - *low > 255)
      return rewriter.notifyMatchFailure(op, "integers of more than a byte");
    int32_t zero = -*low;
    for (auto [byte, integer] : llvm::zip(*bytes, integers))
      byte = char(integer + zero);
    Value codes = createConstant(rewriter, op.getLoc(), type, std::move(*bytes));
    auto scalar = RankedTensorType::get({}, rewriter.getI32Type());
    Value single = arith::ConstantOp::create(rewriter, op.getLoc(), DenseElementsAttr::get(scalar, zero));
    auto format = msq::FormatAttr::get(rewriter.getContext(), msq::FormatKind::Unsigned, 8, false);
    rewriter.replaceOpWithNewOp<msq::DequantizeOp>(op, op.getType(), codes, op.getScale(), single, Value(), format,
                                                   op.getAxis());
    return success();
  }
};

/// move(dequantize(q)) => dequantize(move(q))
struct SinkThroughMovement : RewritePattern {
  explicit SinkThroughMovement(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!keepsIntegers(op))
      return failure();
    msq::DequantizeOp dequantize = perTensorDequantize(op->getOperand(0));
    if (!dequantize)
      return rewriter.notifyMatchFailure(op, "input has no codes of one scale");
    if (isa<msq::PoolOp>(op) && dequantize.getFormat().getKind() == msq::FormatKind::Signed)
      return rewriter.notifyMatchFailure(op, "codes are not ordered as bytes");
    IRMapping map;
    map.map(op->getOperand(0), dequantize.getCodes());
    Value moved = moveOntoCodes(rewriter, op, map);
    rewriter.replaceOp(op, dequantizeLike(rewriter, dequantize, moved, op->getResult(0).getType()));
    return success();
  }
};

/// concat(dequantize(q)...) of equal formats => dequantize(concat(q...))
struct SinkThroughConcat : OpRewritePattern<tensor::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> codes;
    msq::DequantizeOp first;
    for (Value input : op.getInputs()) {
      msq::DequantizeOp dequantize = perTensorDequantize(input);
      if (!dequantize)
        return rewriter.notifyMatchFailure(op, "an input has no codes of one scale");
      if (!first)
        first = dequantize;
      if (dequantize.getFormat() != first.getFormat() || !equalConstants(dequantize.getScale(), first.getScale()) ||
          !equalConstants(dequantize.getZero(), first.getZero()))
        return rewriter.notifyMatchFailure(op, "inputs have different formats");
      codes.push_back(dequantize.getCodes());
    }
    Value joined = tensor::ConcatOp::create(rewriter, op.getLoc(), codesLike(op.getResult()), op.getDim(), codes);
    rewriter.replaceOp(op, dequantizeLike(rewriter, first, joined, op.getType()));
    return success();
  }

  static bool equalConstants(Value a, Value b) {
    std::optional<std::vector<char>> left = constantBytes(a), right = constantBytes(b);
    return left && right && *left == *right;
  }
};

/// pad(dequantize(q), 0) => dequantize(pad(q, zero)), when the format has the code of zero.
struct SinkThroughPad : OpRewritePattern<tensor::PadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::PadOp op, PatternRewriter &rewriter) const override {
    msq::DequantizeOp dequantize = perTensorDequantize(op.getSource());
    std::optional<ActivationCodes> activation = matchActivation(op.getSource());
    Value padding = op.getConstantPaddingValue();
    FloatAttr value;
    if (!dequantize || !activation || !activation->hasZero() || !padding ||
        !matchPattern(padding, m_Constant(&value)) || !value.getValue().isZero())
      return rewriter.notifyMatchFailure(op, "no codes padded with that of zero");
    Value code = arith::ConstantOp::create(rewriter, op.getLoc(),
                                           rewriter.getIntegerAttr(rewriter.getI8Type(), int8_t(activation->zero)));
    auto padded = tensor::PadOp::create(rewriter, op.getLoc(), codesLike(op.getResult()), activation->codes,
                                        op.getMixedLowPad(), op.getMixedHighPad(), code);
    rewriter.replaceOp(op, dequantizeLike(rewriter, dequantize, padded, op.getType()));
    return success();
  }
};

/// quantize(move(x)) => move(quantize(x)) where all uses of the moved value are equal quantizers (numerics G1).
struct HoistQuantize : OpRewritePattern<msq::QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::QuantizeOp op, PatternRewriter &rewriter) const override {
    std::optional<Quantizer> quantizer = matchQuantizer(op);
    Operation *mover = op.getInput().getDefiningOp();
    if (!quantizer || !mover || !isSelecting(mover, *quantizer))
      return rewriter.notifyMatchFailure(op, "not behind an op that selects elements");
    for (Operation *user : op.getInput().getUsers()) {
      std::optional<Quantizer> other = matchQuantizer(user);
      if (!other || !other->equals(*quantizer))
        return rewriter.notifyMatchFailure(op, "the moved value has another use");
    }
    SmallVector<Operation *> cluster = clusterOf(mover);
    if (cluster.empty())
      return rewriter.notifyMatchFailure(op, "one of several results of a node");
    rewriter.setInsertionPointAfter(mover);
    IRMapping map;
    for (Operation *part : cluster)
      moveCodes(rewriter, part, *quantizer, map);
    Value codes = map.lookup(op.getInput());
    for (Operation *user : llvm::make_early_inc_range(llvm::to_vector(op.getInput().getUsers())))
      rewriter.replaceOp(user, codes);
    return success();
  }

private:
  static bool isSelecting(Operation *op, const Quantizer &quantizer) {
    msq::FormatAttr format = quantizer.format;
    bool isByteOrdered = format.getKind() != msq::FormatKind::Signed;
    if (isa<msq::PoolOp>(op) && !isByteOrdered)
      return false;
    if (auto pad = dyn_cast<tensor::PadOp>(op)) {
      FloatAttr value;
      Value padding = pad.getConstantPaddingValue();
      bool hasZero = !quantizer.isOdd() && quantizer.zero >= format.lowestCode() && quantizer.zero <= format.highestCode();
      return hasZero && padding && matchPattern(padding, m_Constant(&value)) && value.getValue().isZero();
    }
    return keepsIntegers(op) || isa<tensor::ConcatOp>(op);
  }

  static SmallVector<Value> dataOf(Operation *op) {
    if (auto concat = dyn_cast<tensor::ConcatOp>(op))
      return SmallVector<Value>(concat.getInputs());
    return {op->getOperand(0)};
  }

  /// The ops of one ONNX node that end in `mover`, producers first. Empty if the node has other results.
  static SmallVector<Operation *> clusterOf(Operation *mover) {
    llvm::SetVector<Operation *> found;
    found.insert(mover);
    for (size_t i = 0; i < found.size(); ++i)
      for (Value operand : dataOf(found[i]))
        if (Operation *source = operand.getDefiningOp();
            source && source->getLoc() == mover->getLoc() && (keepsIntegers(source) || isa<tensor::ConcatOp>(source)))
          found.insert(source);
    for (Operation *part : found) {
      bool isInner = part != mover;
      if (isInner && !llvm::all_of(part->getUsers(), [&](Operation *user) { return found.contains(user); }))
        return {};
      // The parts that Split makes of one value.
      if (isa<tensor::ExtractSliceOp>(part))
        for (Operation *sibling : part->getOperand(0).getUsers())
          if (sibling->getLoc() == mover->getLoc() && !found.contains(sibling))
            return {};
    }
    SmallVector<Operation *> order = found.takeVector();
    llvm::sort(order, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    return order;
  }

  static void moveCodes(PatternRewriter &rewriter, Operation *op, Quantizer &quantizer, IRMapping &map) {
    Location loc = op->getLoc();
    for (Value operand : dataOf(op))
      if (!map.contains(operand))
        map.map(operand, msq::QuantizeOp::create(rewriter, quantizer.op.getLoc(), codesLike(operand), operand,
                                                 quantizer.op.getScale(), quantizer.op.getZero(), Value(),
                                                 quantizer.format, 0));
    if (auto pad = dyn_cast<tensor::PadOp>(op)) {
      Value code = arith::ConstantOp::create(rewriter, loc,
                                             rewriter.getIntegerAttr(rewriter.getI8Type(), int8_t(quantizer.zero)));
      map.map(pad.getResult(), tensor::PadOp::create(rewriter, loc, codesLike(pad.getResult()), map.lookup(pad.getSource()),
                                                     pad.getMixedLowPad(), pad.getMixedHighPad(), code));
      return;
    }
    moveOntoCodes(rewriter, op, map);
  }
};

/// Signed codes q become unsigned codes q + 2^(b-1) with the zero point moved as much.
void makeUnsigned(msq::QuantizeOp op) {
  msq::FormatAttr format = op.getFormat();
  std::optional<int32_t> zero = constantInteger(op.getZero());
  if (op.getBits() || format.getKind() != msq::FormatKind::Signed || !zero ||
      constantBytes(op.getInput()) || cast<RankedTensorType>(op.getScale().getType()).getNumElements() != 1)
    return;
  auto matches = [&](Operation *user) {
    auto dequantize = dyn_cast<msq::DequantizeOp>(user);
    return dequantize && !dequantize.getBits() && dequantize.getFormat() == format &&
           constantInteger(dequantize.getZero()) == zero;
  };
  if (!llvm::all_of(op->getUsers(), matches))
    return;
  OpBuilder builder(op);
  auto type = RankedTensorType::get({}, builder.getI32Type());
  Value moved = arith::ConstantOp::create(builder, op.getLoc(),
                                          DenseElementsAttr::get(type, *zero + (1 << (format.getBits() - 1))));
  auto unsignedFormat = msq::FormatAttr::get(op.getContext(), msq::FormatKind::Unsigned, format.getBits(), format.getNarrow());
  auto update = [&](auto quantizer) {
    quantizer.setFormatAttr(unsignedFormat);
    quantizer.getZeroMutable().assign(moved);
  };
  update(op);
  for (Operation *user : op->getUsers())
    update(cast<msq::DequantizeOp>(user));
}

struct SinkDequantize : impl::SinkDequantizeBase<SinkDequantize> {
  void runOnOperation() override {
    getOperation().walk(makeUnsigned);
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkConstant, UnifyZeros, SinkThroughMovement, SinkThroughConcat, SinkThroughPad, HoistQuantize>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace anybit
