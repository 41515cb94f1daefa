#include "Fold.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

Reduction anybit::onnx::resolveReduction(NodeContext &ctx) {
  Reduction reduction;
  reduction.keeps = ctx.intAttr("keepdims", 1) != 0;
  std::optional<Dims> given = ctx.has(1) ? std::optional<Dims>(ctx.ints(1)) : ctx.intsAttr("axes");
  if (ctx.failed())
    return reduction;
  if (given)
    reduction.axes = ctx.axes(*given, ctx.rank(0));
  bool reducesAll = reduction.axes.empty() && ctx.intAttr("noop_with_empty_axes", 0) == 0;
  for (int64_t d = 0; reducesAll && d < ctx.rank(0); ++d)
    reduction.axes.push_back(d);
  for (int64_t d = 0; d < ctx.rank(0); ++d) {
    bool isReduced = llvm::is_contained(reduction.axes, d);
    if (!isReduced || reduction.keeps)
      reduction.result.push_back(isReduced ? 1 : ctx.dims(0)[d]);
  }
  return reduction;
}

template <typename T> static void accumulate(StringRef op, T &sum, T value) {
  using Wrapping = std::conditional_t<std::is_same_v<T, double>, double, uint64_t>;
  if (op == "ReduceMax")
    sum = std::max(sum, value);
  else if (op == "ReduceMin")
    sum = std::min(sum, value);
  else if (op == "ReduceProd")
    sum = T(Wrapping(sum) * Wrapping(value));
  else
    sum = T(Wrapping(sum) + Wrapping(value));
}

/// Reduces `x`, whose last dimension holds the elements that belong together.
template <typename T> static std::vector<T> reduceRows(StringRef op, const std::vector<T> &x, int64_t length) {
  std::vector<T> result;
  for (size_t begin = 0; begin < x.size(); begin += length) {
    T sum = x[begin];
    for (int64_t i = 1; i < length; ++i)
      accumulate(op, sum, x[begin + i]);
    result.push_back(op == "ReduceMean" ? sum / T(length) : sum);
  }
  return result;
}

LogicalResult anybit::onnx::foldReduce(NodeContext &ctx) {
  Reduction reduction = resolveReduction(ctx);
  if (ctx.failed())
    return failure();
  const Tensor &x = *ctx.constant(0);
  SmallVector<int64_t> order;
  int64_t length = 1;
  for (int64_t d = 0; d < ctx.rank(0); ++d)
    if (!llvm::is_contained(reduction.axes, d))
      order.push_back(d);
  for (int64_t d : reduction.axes) {
    order.push_back(d);
    length *= ctx.dims(0)[d];
  }
  if (x.count() == 0 || elementBytes(x.type) == 0)
    return ctx.unsupported("a reduction of no elements is not implemented");
  Tensor rows = transposed(x, order);
  if (isRealType(x.type))
    ctx.resultConstant(0,
                       tensorOf(x.type, reduction.result, reduceRows(ctx.node.op, elementsOf<double>(rows), length)));
  else
    ctx.resultConstant(0,
                       tensorOf(x.type, reduction.result, reduceRows(ctx.node.op, elementsOf<int64_t>(rows), length)));
  return success();
}
