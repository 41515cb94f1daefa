#include "StepFunction.h"
#include "Constants.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace anybit {

/// Steps from the ops of an epilogue.
class StepFunction::Builder {
public:
  Builder(lowbit::ConvOp op, StepFunction &function) : op(op), function(function) {}

  bool build(lowbit::RoundOp round);

private:
  SmallVector<Operation *> opsBehind(Value value);
  std::optional<unsigned> valueOf(Value value);
  std::optional<unsigned> parameterOf(BlockArgument argument);
  unsigned addValue(float value = 0) {
    function.values.push_back(value);
    return function.values.size() - 1;
  }
  bool add(Operation *inner);
  bool addSelect(arith::SelectOp select);
  bool convertsSum(Value integer);
  static std::optional<Kind> kindOf(Operation *inner);

  lowbit::ConvOp op;
  StepFunction &function;
  DenseMap<Value, unsigned> known;
};

/// The ops of the epilogue that `value` depends on, in order.
SmallVector<Operation *> StepFunction::Builder::opsBehind(Value value) {
  DenseSet<Value> read{value};
  SmallVector<Operation *> ops;
  for (Operation &inner : llvm::reverse(op.getBody().without_terminator())) {
    if (inner.getNumResults() != 1 || !read.contains(inner.getResult(0)))
      continue;
    read.insert(inner.operand_begin(), inner.operand_end());
    ops.push_back(&inner);
  }
  std::reverse(ops.begin(), ops.end());
  return ops;
}

std::optional<unsigned> StepFunction::Builder::parameterOf(BlockArgument argument) {
  if (argument.getOwner() != &op.getBody() || argument.getArgNumber() == 0)
    return std::nullopt;
  Value parameter = op.getParameters()[argument.getArgNumber() - 1];
  bool isPerChannel = cast<RankedTensorType>(parameter.getType()).getRank() == 1;
  std::optional<std::vector<float>> channels = isPerChannel ? constantReals(parameter) : std::nullopt;
  if (!channels)
    return std::nullopt;
  unsigned index = addValue();
  function.parameters.push_back({index, std::move(*channels)});
  return index;
}

/// Where a float operand lies in `values`.
std::optional<unsigned> StepFunction::Builder::valueOf(Value value) {
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  std::optional<unsigned> index;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    index = parameterOf(argument);
  } else if (auto constant = value.getDefiningOp<arith::ConstantOp>()) {
    auto real = dyn_cast<FloatAttr>(constant.getValue());
    if (real && real.getType().isF32())
      index = addValue(real.getValue().convertToFloat());
  }
  if (index)
    known[value] = *index;
  return index;
}

std::optional<StepFunction::Kind> StepFunction::Builder::kindOf(Operation *inner) {
  return llvm::TypeSwitch<Operation *, std::optional<Kind>>(inner)
      .Case<arith::AddFOp>([](auto) { return Kind::Add; })
      .Case<arith::SubFOp>([](auto) { return Kind::Subtract; })
      .Case<arith::MulFOp>([](auto) { return Kind::Multiply; })
      .Case<arith::DivFOp>([](auto) { return Kind::Divide; })
      .Case<arith::NegFOp>([](auto) { return Kind::Negate; })
      .Case<math::FloorOp>([](auto) { return Kind::Floor; })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>([](auto) { return Kind::Maximum; })
      .Case<arith::MinimumFOp, arith::MinNumFOp>([](auto) { return Kind::Minimum; })
      .Default([](Operation *) { return std::nullopt; });
}

/// select(x > y, x, y) and its kin, and select(x is a number, x, _). No value is NaN (`trend` sees to it), and the sign
/// of a zero decides nothing here.
bool StepFunction::Builder::addSelect(arith::SelectOp select) {
  using Predicate = arith::CmpFPredicate;
  auto compare = select.getCondition().getDefiningOp<arith::CmpFOp>();
  if (!compare)
    return false;
  Value lhs = compare.getLhs(), rhs = compare.getRhs(), chosen = select.getTrueValue(), other = select.getFalseValue();
  Predicate predicate = compare.getPredicate();
  std::optional<unsigned> left = valueOf(lhs), right = valueOf(rhs);
  if (!left || !right)
    return false;
  if (predicate == Predicate::ORD && lhs == rhs && lhs == chosen) {
    known[select.getResult()] = *left;
    return true;
  }
  bool isGreater = predicate == Predicate::OGT || predicate == Predicate::OGE || predicate == Predicate::UGT ||
                   predicate == Predicate::UGE;
  bool isLess = predicate == Predicate::OLT || predicate == Predicate::OLE || predicate == Predicate::ULT ||
                predicate == Predicate::ULE;
  bool isStraight = lhs == chosen && rhs == other, isCrossed = lhs == other && rhs == chosen;
  if (isGreater == isLess || isStraight == isCrossed)
    return false;
  Kind kind = isGreater == isStraight ? Kind::Maximum : Kind::Minimum;
  known[select.getResult()] = addValue();
  function.steps.push_back({kind, known[select.getResult()], *left, *right});
  return true;
}

/// The accumulator, or accumulator + accumulator - zeros with a constant per channel; every conversion of the same.
bool StepFunction::Builder::convertsSum(Value integer) {
  Value sum = op.getBody().getArgument(0);
  bool isFirst = function.steps.empty();
  if (integer == sum)
    return isFirst || !function.isDoubled;
  auto difference = integer.getDefiningOp<arith::SubIOp>();
  auto twice = difference ? difference.getLhs().getDefiningOp<arith::AddIOp>() : arith::AddIOp();
  auto zero = difference ? dyn_cast<BlockArgument>(difference.getRhs()) : BlockArgument();
  if (!twice || twice.getLhs() != sum || twice.getRhs() != sum || !zero || zero.getArgNumber() == 0)
    return false;
  Value parameter = op.getParameters()[zero.getArgNumber() - 1];
  bool isPerChannel = cast<RankedTensorType>(parameter.getType()).getRank() == 1;
  std::optional<std::vector<int32_t>> zeros = isPerChannel ? constantIntegers(parameter) : std::nullopt;
  if (!zeros || (!isFirst && (!function.isDoubled || function.zeros != *zeros)))
    return false;
  function.isDoubled = true;
  function.zeros = std::move(*zeros);
  return true;
}

bool StepFunction::Builder::add(Operation *inner) {
  if (isa<arith::ConstantOp, arith::CmpFOp, arith::AddIOp, arith::SubIOp>(inner))
    return true; // read by the ops that use them
  if (auto select = dyn_cast<arith::SelectOp>(inner))
    return addSelect(select);
  Step step{Kind::FromSum, 0};
  if (auto convert = dyn_cast<arith::SIToFPOp>(inner)) {
    if (!convertsSum(convert.getIn()) || !convert.getType().isF32())
      return false;
  } else {
    std::optional<Kind> kind = kindOf(inner);
    std::optional<unsigned> lhs = kind ? valueOf(inner->getOperand(0)) : std::nullopt;
    std::optional<unsigned> rhs = kind ? valueOf(inner->getOperands().back()) : std::nullopt;
    if (!lhs || !rhs)
      return false;
    step = {*kind, 0, *lhs, *rhs};
  }
  step.result = known[inner->getResult(0)] = addValue();
  function.steps.push_back(step);
  return true;
}

bool StepFunction::Builder::build(lowbit::RoundOp round) {
  for (Operation *inner : opsBehind(round.getValue()))
    if (!add(inner))
      return false;
  std::optional<unsigned> rounded = valueOf(round.getValue());
  if (!rounded)
    return false;
  function.rounded = *rounded;
  function.low = int32_t(round.getLow());
  function.high = int32_t(round.getHigh());
  function.zero = int32_t(round.getZero());
  // Beyond this the rounding of kernels has no unit in the last place of one.
  constexpr int64_t reach = 1 << 22;
  return function.low - function.zero >= -reach && function.high - function.zero <= reach;
}

std::optional<StepFunction> StepFunction::of(lowbit::ConvOp op, lowbit::RoundOp round) {
  StepFunction function;
  if (op.isReal() || !Builder(op, function).build(round))
    return std::nullopt;
  return function;
}

float StepFunction::apply(const Step &step, float lhs, float rhs) {
  switch (step.kind) {
  case Kind::FromSum:
    return lhs;
  case Kind::Add:
    return lhs + rhs;
  case Kind::Subtract:
    return lhs - rhs;
  case Kind::Multiply:
    return lhs * rhs;
  case Kind::Divide:
    return lhs / rhs;
  case Kind::Negate:
    return -lhs;
  case Kind::Floor:
    return std::floor(lhs);
  case Kind::Maximum:
    return std::max(lhs, rhs);
  case Kind::Minimum:
    return std::min(lhs, rhs);
  }
  llvm_unreachable("every kind of step is above");
}

float StepFunction::wholeSum(int64_t channel, int32_t sum) const {
  return float(isDoubled ? 2 * int64_t(sum) - zeros[channel] : sum);
}

void StepFunction::evaluate(int64_t channel, int32_t sum) {
  for (const Parameter &parameter : parameters)
    values[parameter.value] = parameter.channels[channel];
  for (const Step &step : steps)
    values[step.result] =
        step.kind == Kind::FromSum ? wholeSum(channel, sum) : apply(step, values[step.lhs], values[step.rhs]);
}

int32_t StepFunction::code(int64_t channel, int32_t sum) {
  evaluate(channel, sum);
  float inside = std::min(std::max(values[rounded], float(low - zero)), float(high - zero));
  return int32_t(int64_t(std::nearbyint(inside)) + zero);
}

static Trend opposite(Trend trend) {
  return trend == Trend::Constant ? trend : trend == Trend::Rising ? Trend::Falling : Trend::Rising;
}

/// The trend of a step; rounding to nearest keeps it. Nothing where operands move against each other.
std::optional<Trend> StepFunction::trendOf(const Step &step, ArrayRef<Trend> trends) const {
  if (step.kind == Kind::FromSum)
    return Trend::Rising;
  Trend lhs = trends[step.lhs], rhs = trends[step.rhs];
  if (step.kind == Kind::Negate)
    return opposite(lhs);
  if (step.kind == Kind::Floor)
    return lhs;
  if (step.kind == Kind::Multiply || step.kind == Kind::Divide) {
    if (step.kind == Kind::Multiply && lhs == Trend::Constant)
      return values[step.lhs] < 0 ? opposite(rhs) : rhs;
    if (rhs != Trend::Constant)
      return std::nullopt;
    return values[step.rhs] < 0 ? opposite(lhs) : lhs;
  }
  if (step.kind == Kind::Subtract)
    rhs = opposite(rhs);
  if (lhs != rhs && lhs != Trend::Constant && rhs != Trend::Constant)
    return std::nullopt;
  return lhs == Trend::Constant ? rhs : lhs;
}

std::optional<Trend> StepFunction::trend(int64_t channel, int32_t first, int32_t last) {
  // Finite at both ends and monotone: finite everywhere between, so no NaN breaks the order.
  for (int32_t end : {first, last}) {
    evaluate(channel, end);
    if (!llvm::all_of(values, [](float value) { return std::isfinite(value); }))
      return std::nullopt;
  }
  std::vector<Trend> trends(values.size(), Trend::Constant);
  for (const Step &step : steps) {
    std::optional<Trend> moved = trendOf(step, trends);
    if (!moved)
      return std::nullopt;
    trends[step.result] = *moved;
  }
  return trends[rounded];
}

} // namespace anybit
