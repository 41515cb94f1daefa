//===- IntegerPools.cpp - average pools of codes --------------------------===//
//
// docs/numerics.md G5 and N6: the exact integer total of every window, one multiplication, clips, quantizers. The total
// over a whole image is a pool; that over windows is a depthwise convolution with weights 1.
//
//===----------------------------------------------------------------------===//

#include "CodeMatchers.h"
#include "Constants.h"
#include "IntegerGroups.h"
#include "anybit/Transforms/Passes.h"

using namespace mlir;

namespace anybit {
namespace {

class Average {
public:
  Average(msq::PoolOp op, const ActivationCodes &input)
      : op(op), input(input), in(cast<RankedTensorType>(op.getInput().getType())),
        out(cast<RankedTensorType>(op.getOutput().getType())), tail(matchTail(op.getOutput())) {}

  bool isGlobal() { return in.getShape().drop_front(2) == op.getKernel() && in.getRank() == 4 && !isPadded(); }
  bool fits();
  void replace(IRRewriter &rewriter);

private:
  int64_t spatial() const { return in.getRank() - 2; }
  Value sumOfImage(OpBuilder &b);
  Value sumOfWindows(OpBuilder &b);
  SmallVector<int64_t> counts(int64_t dim, bool withPadding);
  SmallVector<int64_t> counts(bool withPadding);
  float multiplier(int64_t count) const;
  Value emitPerPosition(OpBuilder &b, ArrayRef<int64_t> counts, llvm::function_ref<float(int64_t)> valueOf);
  SmallVector<Value> scale(OpBuilder &b, Value totals);
  bool isScaled() const { return tail && tail->quantizers.size() == 1; }
  /// Whether the zero point is the padding of windows, and their totals are those of code - zero.
  bool padsWithZero() const { return input.hasZero() || (!isPadded() && input.factor == 1); }
  bool isPadded() const {
    msq::PoolOp pool = op;
    return llvm::any_of(pool.getPads(), [](int64_t pad) { return pad != 0; });
  }

  msq::PoolOp op;
  ActivationCodes input;
  RankedTensorType in, out;
  std::optional<Tail> tail;
};

/// Totals and their parts stay in int32; where reals are subtracted, in what float32 holds exactly.
bool Average::fits() {
  int64_t count = 1, most = isGlobal() || padsWithZero() ? INT32_MAX : 1 << 24;
  for (int64_t size : op.getKernel())
    count *= size;
  int64_t largest = std::max({int64_t(255 * input.factor), std::abs(input.integer(input.low)),
                              std::abs(input.integer(input.high))});
  return count <= most / largest && (spatial() == 1 || spatial() == 2) && out.getNumElements() > 0;
}

/// Totals [N, C] of codes, int32.
Value Average::sumOfImage(OpBuilder &b) {
  auto type = RankedTensorType::get(out.getShape(), b.getI32Type());
  auto total = msq::PoolOp::create(b, op.getLoc(), type, input.codes, msq::PoolKind::Total, op.getKernel(), op.getStrides(),
                                   op.getPads(), op.getDilations(), /*count_include_pad=*/false);
  return emitReshape(b, op.getLoc(), total.getOutput(), out.getShape().take_front(2));
}

/// Totals over the windows, as float32: of code - zero, or where padding has no code for 0 of the codes alone.
Value Average::sumOfWindows(OpBuilder &b) {
  Location loc = op.getLoc();
  SmallVector<int64_t> shape{in.getDimSize(1), 1}, pads(op.getPads());
  llvm::append_range(shape, op.getKernel());
  // Windows that end before or behind the declared padding.
  for (int64_t d = 0; d < spatial(); ++d) {
    int64_t reach = (out.getDimSize(d + 2) - 1) * op.getStrides()[d] + (op.getKernel()[d] - 1) * op.getDilations()[d] + 1;
    pads[spatial() + d] = std::max<int64_t>(0, reach - pads[d] - in.getDimSize(d + 2));
  }
  auto type = RankedTensorType::get(shape, b.getI8Type());
  Value ones = createConstant(b, loc, type, std::vector<char>(type.getNumElements(), 1));
  auto format = msq::FormatAttr::get(b.getContext(), msq::FormatKind::Signed, 2, false);
  int32_t padding = padsWithZero() ? input.zero : 0;
  auto conv = lowbit::ConvOp::create(b, loc, TypeRange{out}, input.codes, ones, Value(), ValueRange(),
                                     op.getStrides(), pads, op.getDilations(), in.getDimSize(1), op.getKernel(),
                                     padding, format, 0, input.high);
  Block &body = conv.getEpilogue().emplaceBlock();
  Value accumulator = body.addArgument(b.getI32Type(), loc);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&body);
  Value total = arith::SIToFPOp::create(b, loc, b.getF32Type(), accumulator);
  lowbit::YieldOp::create(b, loc, total);
  return conv.getResult(0);
}

/// How many positions of every window count, along one dimension.
SmallVector<int64_t> Average::counts(int64_t d, bool withPadding) {
  int64_t before = op.getPads()[d], after = op.getPads()[spatial() + d], size = in.getDimSize(d + 2);
  int64_t low = withPadding ? -before : 0, high = size + (withPadding ? after : 0);
  SmallVector<int64_t> result;
  for (int64_t i = 0; i < out.getDimSize(d + 2); ++i) {
    int64_t count = 0;
    for (int64_t k = 0; k < op.getKernel()[d]; ++k) {
      int64_t at = i * op.getStrides()[d] - before + k * op.getDilations()[d];
      count += at >= low && at < high;
    }
    result.push_back(count);
  }
  return result;
}

/// The same for every output position.
SmallVector<int64_t> Average::counts(bool withPadding) {
  SmallVector<int64_t> all{1};
  for (int64_t d = 0; d < spatial(); ++d) {
    SmallVector<int64_t> next;
    for (int64_t outer : all)
      for (int64_t inner : counts(d, withPadding))
        next.push_back(outer * inner);
    all = next;
  }
  return all;
}

/// numerics N6, the product and the quotient in double.
float Average::multiplier(int64_t count) const {
  double divisor = double(count) * (isScaled() ? double(tail->quantizers[0].scale) : 1.0);
  return float(double(input.scale) / divisor);
}

/// A number that depends on the count: a scalar, or a tensor over output positions where counts differ.
Value Average::emitPerPosition(OpBuilder &b, ArrayRef<int64_t> counts, llvm::function_ref<float(int64_t)> valueOf) {
  if (llvm::all_equal(counts))
    return arith::ConstantOp::create(b, op.getLoc(), b.getF32FloatAttr(valueOf(counts[0])));
  std::vector<float> values;
  for (int64_t count : counts)
    values.push_back(valueOf(count));
  auto type = RankedTensorType::get(out.getShape().drop_front(2), b.getF32Type());
  const char *data = reinterpret_cast<const char *>(values.data());
  return createConstant(b, op.getLoc(), type, std::vector<char>(data, data + values.size() * sizeof(float)));
}

/// Totals times multipliers, and the tail.
SmallVector<Value> Average::scale(OpBuilder &b, Value totals) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(totals.getType());
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<Value> operands{totals}, empties;
  SmallVector<AffineMap> maps{identity};
  Value multipliers =
      emitPerPosition(b, counts(op.getCountIncludePad()), [&](int64_t count) { return multiplier(count); });
  bool isWhole = type.getElementType().isInteger(32);
  Value zeros;
  if (!isWhole && !padsWithZero())
    zeros = emitPerPosition(b, counts(/*withPadding=*/false), [&](int64_t count) { return float(count * input.zero); });
  for (Value perPosition : {multipliers, zeros})
    if (perPosition && isa<RankedTensorType>(perPosition.getType())) {
      operands.push_back(perPosition);
      maps.push_back(identity.getMinorSubMap(spatial()));
    }
  SmallVector<Type> types;
  for (size_t i = 0; i < (tail ? tail->quantizers.size() : 1); ++i) {
    Type element = tail ? Type(b.getI8Type()) : b.getF32Type();
    empties.push_back(tensor::EmptyOp::create(b, loc, type.getShape(), element));
    types.push_back(empties.back().getType());
    maps.push_back(identity);
  }
  int64_t count = counts(/*withPadding=*/false)[0];
  auto body = [&](OpBuilder &inner, Location loc, ValueRange arguments) {
    auto read = [&](Value perPosition) -> Value {
      auto found = llvm::find(operands, perPosition);
      return found == operands.end() ? perPosition : arguments[found - operands.begin()];
    };
    Value total = arguments[0];
    if (isWhole) {
      Value zero = arith::ConstantOp::create(inner, loc, inner.getI32IntegerAttr(count * input.zero));
      total = emitInteger(inner, loc, total, input.factor, zero);
      total = arith::SIToFPOp::create(inner, loc, inner.getF32Type(), total);
    } else if (zeros) {
      Value factor = arith::ConstantOp::create(inner, loc, inner.getF32FloatAttr(input.factor));
      total = arith::SubFOp::create(inner, loc, arith::MulFOp::create(inner, loc, total, factor), read(zeros));
    }
    Value real = arith::MulFOp::create(inner, loc, total, read(multipliers));
    SmallVector<Value> results{real};
    if (tail)
      results = emitTail(inner, loc, real, *tail, isScaled());
    linalg::YieldOp::create(inner, loc, results);
  };
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto scaled = linalg::GenericOp::create(b, loc, types, operands, empties, maps, iterators, body);
  return SmallVector<Value>(scaled.getResults());
}

void Average::replace(IRRewriter &rewriter) {
  rewriter.setInsertionPointAfter(tail ? tail->end.getDefiningOp() : op.getOperation());
  SmallVector<Value> results = scale(rewriter, isGlobal() ? sumOfImage(rewriter) : sumOfWindows(rewriter));
  for (Value &result : results)
    result = emitReshape(rewriter, op.getLoc(), result, out.getShape());
  if (!tail)
    return rewriter.replaceOp(op, results[0]);
  for (auto &[quantizer, index] : tail->replaced)
    rewriter.replaceOp(quantizer, results[index]);
}

} // namespace

void integerizeAverage(IRRewriter &rewriter, msq::PoolOp op) {
  std::optional<ActivationCodes> input =
      op.getKind() == msq::PoolKind::Average ? matchActivation(op.getInput()) : std::nullopt;
  if (!input)
    return;
  Average average(op, *input);
  if (average.fits())
    average.replace(rewriter);
}

} // namespace anybit
