//===- RequantizeThresholds.cpp - codes by comparing sums -----------------===//
//
// Numerics N5: where a code is a function of the accumulator and of constants per channel, that function is monotone
// and equals a count of integer thresholds. They are found by bisection with the epilogue's own arithmetic.
//
//===----------------------------------------------------------------------===//

#include "CodeMatchers.h"
#include "Constants.h"
#include "StepFunction.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_REQUANTIZETHRESHOLDS
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// code = lowest + #{k : levels[k][c] <= (sum xor flips[c])} in channel c.
struct Thresholds {
  int32_t lowest = 0;
  SmallVector<std::vector<int32_t>> levels; ///< Ascending in k.
  std::vector<int32_t> flips;               ///< -1 where the code falls: ~sum falls as well; else 0.
};

/// The ends of a sum, both inside of int32.
struct SumRange {
  int32_t first, last;
};

/// Sums of every channel over all byte codes, with 0 in their range (numerics N4): more than occur is harmless. Nothing
/// where the ends leave no room in int32 for a threshold that no sum reaches.
std::optional<std::vector<SumRange>> sumRanges(lowbit::ConvOp op) {
  std::vector<int32_t> weights =
      WeightCodes{op.getWeights(), *op.getWeightFormat(), int32_t(op.getWeightZero()), {}}.integers();
  int64_t zero = int32_t(op.getInputZero()), channels = op.getOutputChannels();
  if (channels == 0)
    return std::nullopt;
  int64_t perChannel = weights.size() / channels;
  std::vector<SumRange> ranges;
  for (int64_t c = 0; c < channels; ++c) {
    auto [first, last] = accumulatorRange(ArrayRef(weights).slice(c * perChannel, perChannel), -zero, 255 - zero);
    if (first <= INT32_MIN || last >= INT32_MAX)
      return std::nullopt;
    ranges.push_back({int32_t(first), int32_t(last)});
  }
  return ranges;
}

/// The thresholds of one code; nothing where it is no step function of at most `most` steps.
std::optional<Thresholds> findThresholds(StepFunction &function, ArrayRef<SumRange> ranges, int64_t most) {
  Thresholds found;
  int32_t lowest = INT32_MAX, highest = INT32_MIN;
  for (auto [c, range] : llvm::enumerate(ranges)) {
    std::optional<Trend> trend = function.trend(c, range.first, range.last);
    if (!trend)
      return std::nullopt;
    found.flips.push_back(*trend == Trend::Falling ? -1 : 0);
    auto [least, greatest] = std::minmax({function.code(c, range.first), function.code(c, range.last)});
    lowest = std::min(lowest, least);
    highest = std::max(highest, greatest);
  }
  if (int64_t(highest) - lowest > most)
    return std::nullopt;
  found.lowest = lowest;
  for (int32_t wanted = lowest + 1; wanted <= highest; ++wanted) {
    std::vector<int32_t> &level = found.levels.emplace_back();
    for (auto [c, range] : llvm::enumerate(ranges)) {
      int32_t flip = found.flips[c];
      int64_t first = flip ? ~range.last : range.first, last = flip ? ~range.first : range.last;
      // The least n whose code is at least `wanted`; one past the last if none is.
      for (++last; first < last;) {
        int64_t middle = first + (last - first) / 2;
        if (function.code(c, int32_t(middle) ^ flip) >= wanted)
          last = middle;
        else
          first = middle + 1;
      }
      level.push_back(int32_t(first));
    }
  }
  return found;
}

/// A per-channel parameter and its argument of the epilogue.
Value addParameter(OpBuilder &b, lowbit::ConvOp op, ArrayRef<int32_t> values) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op);
  op.getParametersMutable().append(createConstant(b, op.getLoc(), values));
  return op.getBody().addArgument(b.getI32Type(), op.getLoc());
}

/// The count, in i32: vectors of compares add up without a conversion each.
Value emitCode(OpBuilder &b, lowbit::ConvOp op, const Thresholds &thresholds) {
  Location loc = op.getLoc();
  Type i32 = b.getI32Type();
  Value sum = op.getBody().getArgument(0), code;
  if (llvm::is_contained(thresholds.flips, -1))
    sum = arith::XOrIOp::create(b, loc, sum, addParameter(b, op, thresholds.flips));
  for (ArrayRef<int32_t> level : thresholds.levels) {
    Value threshold = addParameter(b, op, level);
    Value isReached = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, sum, threshold);
    Value step = arith::ExtUIOp::create(b, loc, i32, isReached);
    code = code ? arith::AddIOp::create(b, loc, code, step) : step;
  }
  if (!code || thresholds.lowest != 0) {
    Value lowest = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(thresholds.lowest));
    code = code ? arith::AddIOp::create(b, loc, code, lowest) : lowest;
  }
  return arith::TruncIOp::create(b, loc, b.getI8Type(), code);
}

/// Ops of the epilogue that nothing reads, and then parameters that it does not read.
void eraseUnused(IRRewriter &rewriter, lowbit::ConvOp op) {
  (void)runRegionDCE(rewriter, op.getEpilogue());
  for (unsigned i = op.getParameters().size(); i-- > 0;) {
    if (!op.getBody().getArgument(i + 1).use_empty())
      continue;
    Operation *constant = op.getParameters()[i].getDefiningOp<arith::ConstantOp>();
    op.getBody().eraseArgument(i + 1);
    op.getParametersMutable().erase(i);
    if (constant && constant->use_empty())
      rewriter.eraseOp(constant);
  }
}

void useThresholds(IRRewriter &rewriter, lowbit::ConvOp op, int64_t most) {
  if (op.isReal() || !constantBytes(op.getWeights()) || cast<RankedTensorType>(op.getWeights().getType()).getEncoding())
    return;
  std::optional<std::vector<SumRange>> ranges = sumRanges(op);
  if (!ranges)
    return;
  bool isChanged = false;
  for (auto round : llvm::make_early_inc_range(op.getBody().getOps<lowbit::RoundOp>())) {
    std::optional<StepFunction> function = StepFunction::of(op, round);
    std::optional<Thresholds> thresholds = function ? findThresholds(*function, *ranges, most) : std::nullopt;
    if (!thresholds)
      continue;
    rewriter.setInsertionPoint(round);
    rewriter.replaceOp(round, emitCode(rewriter, op, *thresholds));
    isChanged = true;
  }
  if (isChanged)
    eraseUnused(rewriter, op);
}

struct RequantizeThresholds : impl::RequantizeThresholdsBase<RequantizeThresholds> {
  using RequantizeThresholdsBase::RequantizeThresholdsBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation().walk([&](lowbit::ConvOp op) { useThresholds(rewriter, op, compares); });
  }
};

} // namespace
} // namespace anybit
