#include "Emit.h"
#include "OpTable.h"
#include "Window.h"

#include "anybit/Dialect/Msq/IR/Msq.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

static LogicalResult checkConvShapes(NodeContext &ctx, int64_t groups) {
  ArrayRef<int64_t> x = ctx.dims(0), w = ctx.dims(1);
  if (x.size() < 3 || w.size() != x.size())
    return ctx.invalid("the input " + formatDims(x) + " and the weights " + formatDims(w) +
                       " must have one rank of at least 3");
  if (groups < 1 || w[0] % groups != 0 || x[1] % groups != 0 || x[1] / groups != w[1])
    return ctx.invalid("the input " + formatDims(x) + " does not fit the weights " + formatDims(w) + " in " +
                       Twine(groups) + " groups");
  std::optional<Dims> kernel = ctx.intsAttr("kernel_shape");
  if (kernel && ArrayRef<int64_t>(*kernel) != w.drop_front(2))
    return ctx.invalid("kernel_shape is " + formatDims(*kernel) + ", but the weights are " + formatDims(w));
  if (ctx.has(2) && (ctx.rank(2) != 1 || ctx.dims(2)[0] != w[0]))
    return ctx.invalid("the bias is " + formatDims(ctx.dims(2)) + ", expected [" + Twine(w[0]) + "]");
  return success(!ctx.failed());
}

static LogicalResult importConv(NodeContext &ctx) {
  int64_t groups = ctx.intAttr("group", 1);
  if (failed(checkConvShapes(ctx, groups)))
    return failure();
  ArrayRef<int64_t> w = ctx.dims(1);
  std::optional<Window> window = resolveWindow(ctx, Dims(w.begin() + 2, w.end()));
  if (!window)
    return failure();
  Dims dims = {ctx.dims(0)[0], w[0]};
  dims.append(window->outputs);
  if (ctx.checkedCount(dims); ctx.failed())
    return failure();
  Value y = msq::ConvOp::create(ctx.b, RankedTensorType::get(dims, ctx.b.getF32Type()), ctx.value(0), ctx.value(1),
                                window->strides, window->pads, window->dilations, groups);
  if (ctx.has(2))
    y = emitMapAlong(ctx.b, y, ctx.value(2), 1, [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
      return arith::AddFOp::create(b, x[0], x[1]);
    });
  ctx.result(0, y, ElementType::Float);
  return success();
}

/// Reports statistics that no later stage folds into a factor and an offset (numerics N7).
static void checkStatistics(NodeContext &ctx) {
  for (unsigned i = 1; i < 5; ++i) {
    // What else depends on the candidate alone is a constant when the model is imported for each.
    if (ctx.constant(i) || ctx.storedValue(i).getDefiningOp<msq::SelectOp>())
      continue;
    ctx.unsupportedButKnown("input " + Twine(i) + " (" + ctx.node.inputs[i] +
                            ") is computed; statistics must be constants or rows of tables that `candidate` selects; "
                            "fold it, or write the node as Sub, Mul and Add");
    return;
  }
}

static LogicalResult importBatchNormalization(NodeContext &ctx) {
  if (ctx.intAttr("training_mode", 0) != 0)
    return ctx.unsupported("training_mode is 1; export the model for inference");
  if (ctx.opset() < 9 && ctx.intAttr("spatial", 1) != 1)
    return ctx.unsupported("spatial is 0; only statistics per channel are implemented");
  double epsilon = ctx.floatAttr("epsilon", 1e-5f);
  if (ctx.rank(0) < 2)
    return ctx.invalid("the input " + formatDims(ctx.dims(0)) + " has no channels");
  for (unsigned i = 1; i < 5; ++i)
    if (ctx.rank(i) != 1 || ctx.dims(i)[0] != ctx.dims(0)[1])
      return ctx.invalid("input " + Twine(i) + " is " + formatDims(ctx.dims(i)) + ", expected [" +
                         Twine(ctx.dims(0)[1]) + "]");
  checkStatistics(ctx);
  Value x = ctx.value(0);
  ctx.result(0,
             msq::BatchNormOp::create(ctx.b, x.getType(), x, ctx.value(1), ctx.value(2), ctx.value(3), ctx.value(4),
                                      ctx.b.getF64FloatAttr(epsilon)),
             ElementType::Float);
  return success();
}

void anybit::onnx::addConvOps(OpTable &table) {
  table.add("Conv", {1, 11, 22}).inputs(2, 3).real(allInputs).emit(importConv).notes("1-D and 2-D");
  table.add("BatchNormalization", {7, 9, 14, 15})
      .inputs(5, 5)
      .outputs(5)
      .real(allInputs)
      .emit(importBatchNormalization)
      .notes("inference only; statistics that are constants or selected by the candidate");
}
