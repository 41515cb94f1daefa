#include "OpTable.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

template <typename T>
static LogicalResult setNumbers(NodeContext &ctx, ElementType type, ArrayRef<int64_t> dims, std::vector<T> values) {
  if (ctx.failed())
    return failure();
  return ctx.resultConstant(0, tensorOf(type, dims, values)), success();
}

static LogicalResult foldConstant(NodeContext &ctx) {
  if (const Tensor *tensor = ctx.tensorAttr("value"))
    return ctx.resultConstant(0, *tensor), success();
  if (ctx.hasAttribute("value_float"))
    return setNumbers<float>(ctx, ElementType::Float, {}, {ctx.floatAttr("value_float", 0)});
  if (ctx.hasAttribute("value_int"))
    return setNumbers<int64_t>(ctx, ElementType::Int64, {}, {ctx.intAttr("value_int", 0)});
  if (std::optional<Dims> ints = ctx.intsAttr("value_ints"))
    return setNumbers<int64_t>(ctx, ElementType::Int64, {int64_t(ints->size())}, {ints->begin(), ints->end()});
  if (std::optional<std::vector<float>> floats = ctx.floatsAttr("value_floats"))
    return setNumbers<float>(ctx, ElementType::Float, {int64_t(floats->size())}, *floats);
  return ctx.unsupported("it has no value of numbers; sparse tensors and strings are not implemented");
}

static LogicalResult foldConstantOfShape(NodeContext &ctx) {
  Dims dims = ctx.ints(0);
  const Tensor *value = ctx.tensorAttr("value");
  std::vector<float> zero = {0};
  Tensor element = value ? *value : tensorOf(ElementType::Float, {}, zero);
  if (ctx.failed() || !ctx.mayFold(dims, element.type))
    return failure();
  if (element.count() != 1)
    return ctx.invalid("its value has " + Twine(element.count()) + " elements, expected 1");
  ctx.resultConstant(0, broadcast(reshaped(element, {}), dims));
  return success();
}

/// max(ceil((limit - start) / delta), 0) numbers; nothing if they are not countable.
template <typename T> static std::optional<std::vector<T>> rangeOf(T start, T limit, T delta) {
  std::vector<T> values;
  double count = delta == T(0) ? -1 : std::ceil((double(limit) - double(start)) / double(delta));
  if (delta == T(0) || !(count <= double(maxConstantBytes / int64_t(sizeof(T)))))
    return std::nullopt;
  // The product may leave the range of T where the sum does not: integers are computed modulo 2^64.
  using Wide = std::conditional_t<isReal<T>, T, uint64_t>;
  for (int64_t i = 0; i < int64_t(std::max(count, 0.0)); ++i)
    values.push_back(T(Wide(start) + Wide(i) * Wide(delta)));
  return values;
}

static LogicalResult foldRange(NodeContext &ctx) {
  for (unsigned i = 0; i < 3; ++i)
    if (!ctx.scalar(i) || ctx.type(i) != ctx.type(0))
      return ctx.invalid("its inputs must be three numbers of one type");
  auto make = [&](auto kind) -> LogicalResult {
    using T = decltype(kind);
    auto at = [&](unsigned i) { return elementsOf<T>(*ctx.constant(i))[0]; };
    std::optional<std::vector<T>> values = rangeOf<T>(at(0), at(1), at(2));
    if (!values)
      return ctx.invalid("the range does not end");
    return setNumbers<T>(ctx, ctx.type(0), {int64_t(values->size())}, *values);
  };
  return isRealType(ctx.type(0)) ? make(double()) : make(int64_t());
}

void anybit::onnx::addConstantOps(OpTable &table) {
  table.add("Constant", {1, 9, 11, 12, 13, 19, 21, 23, 24, 25}).inputs(0, 0).fold(foldConstant).notes("numbers only");
  table.add("ConstantOfShape", {9, 20, 21, 23, 24, 25}).fold(foldConstantOfShape).notes("constants only");
  table.add("Range", {11, 27}).inputs(3, 3).fold(foldRange).notes("constants only");
}
