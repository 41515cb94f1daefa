#include "Fold.h"
#include "Tensors.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace anybit::onnx;

/// Calls `fn` with a default value of the type in which elements of `type` are computed.
template <typename Fn> static void dispatchCompute(ElementType type, Fn &&fn) {
  if (isRealType(type))
    return fn(double());
  return isSignedType(type) ? fn(int64_t()) : fn(uint64_t());
}

//===----------------------------------------------------------------------===//
// One input
//===----------------------------------------------------------------------===//

using RealFunction = double (*)(double);

/// The function of an operator on reals, or null.
static RealFunction realFunction(StringRef op) {
  return llvm::StringSwitch<RealFunction>(op)
      .Case("Abs", [](double x) { return std::fabs(x); })
      .Case("Neg", [](double x) { return -x; })
      .Case("Sqrt", [](double x) { return std::sqrt(x); })
      .Case("Exp", [](double x) { return std::exp(x); })
      .Case("Log", [](double x) { return std::log(x); })
      .Case("Floor", [](double x) { return std::floor(x); })
      .Case("Ceil", [](double x) { return std::ceil(x); })
      .Case("Round", [](double x) { return std::nearbyint(x); })
      .Case("Reciprocal", [](double x) { return 1 / x; })
      .Case("Tanh", [](double x) { return std::tanh(x); })
      .Case("Erf", [](double x) { return std::erf(x); })
      .Case("Sin", [](double x) { return std::sin(x); })
      .Case("Cos", [](double x) { return std::cos(x); })
      .Case("Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); })
      .Case("Relu", [](double x) { return x > 0 || std::isnan(x) ? x : 0; })
      .Default(nullptr);
}

/// The operators that integers have too, modulo 2^64.
static std::optional<uint64_t> integerFunction(StringRef op, uint64_t x) {
  bool isNegative = int64_t(x) < 0;
  if (op == "Neg")
    return 0 - x;
  if (op == "Abs")
    return isNegative ? 0 - x : x;
  if (op == "Relu")
    return isNegative ? 0 : x;
  return std::nullopt;
}

LogicalResult anybit::onnx::foldUnary(NodeContext &ctx) {
  const Tensor &x = *ctx.constant(0);
  if (ctx.node.op == "Not") {
    std::vector<uint64_t> values = elementsOf<uint64_t>(x);
    for (uint64_t &value : values)
      value = value == 0;
    return ctx.resultConstant(0, tensorOf(ElementType::Bool, x.dims, values)), success();
  }
  if (isRealType(x.type)) {
    std::vector<double> values = elementsOf<double>(x);
    RealFunction function = realFunction(ctx.node.op);
    for (double &value : values)
      value = function(value);
    return ctx.resultConstant(0, tensorOf(x.type, x.dims, values)), success();
  }
  std::vector<int64_t> values = elementsOf<int64_t>(x);
  for (int64_t &value : values) {
    std::optional<uint64_t> result = integerFunction(ctx.node.op, value);
    if (!result)
      return ctx.unsupported("the input is " + elementName(x.type) + ", expected a real type");
    value = int64_t(*result);
  }
  return ctx.resultConstant(0, tensorOf(x.type, x.dims, values)), success();
}

//===----------------------------------------------------------------------===//
// Two inputs
//===----------------------------------------------------------------------===//

namespace {
/// `Mod` has the sign of the divisor, `Remainder` (Mod with fmod) that of the dividend.
enum class Arithmetic { Add, Sub, Mul, Div, Pow, Mod, Remainder, Max, Min, None };
} // namespace

static Arithmetic arithmeticOf(StringRef op) {
  return llvm::StringSwitch<Arithmetic>(op)
      .Cases({"Add", "Sum"}, Arithmetic::Add)
      .Case("Sub", Arithmetic::Sub)
      .Case("Mul", Arithmetic::Mul)
      .Case("Div", Arithmetic::Div)
      .Case("Pow", Arithmetic::Pow)
      .Case("Mod", Arithmetic::Mod)
      .Case("Max", Arithmetic::Max)
      .Case("Min", Arithmetic::Min)
      .Default(Arithmetic::None);
}

/// Integer power modulo 2^64; a negative exponent truncates toward zero.
template <typename T> static T integerPower(T base, T exponent) {
  if constexpr (std::is_signed_v<T>)
    if (exponent < 0)
      return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, square = uint64_t(base);
  for (uint64_t rest = exponent; rest; rest >>= 1, square *= square)
    result *= rest & 1 ? square : 1;
  return T(result);
}

/// Quotient toward zero, or a remainder. The divisor is not zero.
template <typename T> static T integerDivide(Arithmetic op, T a, T b) {
  if constexpr (std::is_signed_v<T>)
    if (b == -1)
      return op == Arithmetic::Div ? T(0 - uint64_t(a)) : 0;
  if (op == Arithmetic::Div)
    return a / b;
  T rest = a % b;
  bool isAcross = rest != 0 && (rest < 0) != (b < 0);
  return op == Arithmetic::Mod && isAcross ? rest + b : rest;
}

static double realDivide(Arithmetic op, double a, double b) {
  if (op == Arithmetic::Div)
    return a / b;
  double rest = std::fmod(a, b);
  bool isAcross = rest != 0 && (rest < 0) != (b < 0);
  return op == Arithmetic::Mod && isAcross ? rest + b : rest;
}

template <typename T> static T compute(Arithmetic op, T a, T b) {
  constexpr bool real = std::is_same_v<T, double>;
  using Wrapping = std::conditional_t<real, double, uint64_t>;
  switch (op) {
  case Arithmetic::Add:
    return T(Wrapping(a) + Wrapping(b));
  case Arithmetic::Sub:
    return T(Wrapping(a) - Wrapping(b));
  case Arithmetic::Mul:
    return T(Wrapping(a) * Wrapping(b));
  case Arithmetic::Max:
    return a < b || b != b ? b : a;
  case Arithmetic::Min:
    return b < a || b != b ? b : a;
  default:
    break;
  }
  if constexpr (real)
    return op == Arithmetic::Pow ? std::pow(a, b) : realDivide(op, a, b);
  else
    return op == Arithmetic::Pow ? integerPower(a, b) : integerDivide(op, a, b);
}

/// One step of a chain: `left` op `right` in the type of `left`.
static std::optional<Tensor> foldStep(NodeContext &ctx, Arithmetic op, const Tensor &left, const Tensor &right,
                                      ArrayRef<int64_t> dims) {
  std::optional<Tensor> result;
  dispatchCompute(left.type, [&](auto kind) {
    using T = decltype(kind);
    std::vector<T> a = elementsOf<T>(broadcast(left, dims)), b = elementsOf<T>(broadcast(right, dims));
    bool divides = op == Arithmetic::Div || op == Arithmetic::Mod || op == Arithmetic::Remainder;
    if (!std::is_same_v<T, double> && divides && llvm::is_contained(b, T(0)))
      return (void)ctx.invalid("an integer is divided by zero");
    for (size_t i = 0; i < a.size(); ++i)
      a[i] = compute(op, a[i], b[i]);
    result = tensorOf(left.type, dims, a);
  });
  return result;
}

LogicalResult anybit::onnx::foldArithmetic(NodeContext &ctx) {
  Arithmetic op = arithmeticOf(ctx.node.op);
  if (op == Arithmetic::Mod && ctx.intAttr("fmod", 0) != 0)
    op = Arithmetic::Remainder;
  SmallVector<unsigned> all;
  for (unsigned i = 0; i < ctx.inputs(); ++i) {
    all.push_back(i);
    if (op != Arithmetic::Pow && ctx.type(i) != ctx.type(0))
      return ctx.invalid("its inputs are " + elementName(ctx.type(0)) + " and " + elementName(ctx.type(i)));
  }
  Dims dims = ctx.broadcastDims(all);
  if (ctx.failed() || !ctx.mayFold(dims, ctx.type(0)))
    return failure();
  Tensor result = broadcast(*ctx.constant(0), dims);
  for (unsigned i = 1; i < ctx.inputs(); ++i) {
    std::optional<Tensor> next = foldStep(ctx, op, result, *ctx.constant(i), dims);
    if (!next)
      return failure();
    result = std::move(*next);
  }
  return ctx.resultConstant(0, std::move(result)), success();
}

template <typename T> static bool compareElements(StringRef op, T a, T b) {
  return llvm::StringSwitch<bool>(op)
      .Case("Equal", a == b)
      .Case("Less", a < b)
      .Case("Greater", a > b)
      .Case("LessOrEqual", a <= b)
      .Case("GreaterOrEqual", a >= b)
      .Case("And", a != T(0) && b != T(0))
      .Case("Or", a != T(0) || b != T(0))
      .Default((a != T(0)) != (b != T(0)));
}

LogicalResult anybit::onnx::foldCompare(NodeContext &ctx) {
  Dims dims = ctx.broadcastDims({0, 1});
  if (ctx.failed() || !ctx.mayFold(dims, ctx.type(0)))
    return failure();
  if (ctx.type(0) != ctx.type(1) || elementBytes(ctx.type(0)) == 0)
    return ctx.invalid("its inputs are " + elementName(ctx.type(0)) + " and " + elementName(ctx.type(1)));
  dispatchCompute(ctx.type(0), [&](auto kind) {
    using T = decltype(kind);
    std::vector<T> a = elementsOf<T>(broadcast(*ctx.constant(0), dims));
    std::vector<T> b = elementsOf<T>(broadcast(*ctx.constant(1), dims));
    std::vector<uint64_t> result(a.size());
    for (size_t i = 0; i < a.size(); ++i)
      result[i] = compareElements(ctx.node.op, a[i], b[i]);
    ctx.resultConstant(0, tensorOf(ElementType::Bool, dims, result));
  });
  return success();
}

LogicalResult anybit::onnx::foldWhere(NodeContext &ctx) {
  Dims dims = ctx.broadcastDims({0, 1, 2});
  if (ctx.failed() || !ctx.mayFold(dims, ctx.type(1)))
    return failure();
  if (ctx.type(0) != ElementType::Bool || ctx.type(1) != ctx.type(2) || elementBytes(ctx.type(1)) == 0)
    return ctx.invalid("its inputs are " + elementName(ctx.type(0)) + ", " + elementName(ctx.type(1)) + " and " +
                       elementName(ctx.type(2)));
  std::vector<uint64_t> condition = elementsOf<uint64_t>(broadcast(*ctx.constant(0), dims));
  Tensor yes = broadcast(*ctx.constant(1), dims), no = broadcast(*ctx.constant(2), dims);
  size_t width = elementBytes(yes.type);
  auto bytes = std::make_shared<std::vector<char>>(condition.size() * width);
  for (size_t i = 0; i < condition.size(); ++i)
    std::memcpy(bytes->data() + i * width, (condition[i] ? yes : no).bytes().data() + i * width, width);
  ctx.resultConstant(0, Tensor{yes.type, dims, std::move(bytes)});
  return success();
}
