#include "Emit.h"
#include "OpTable.h"
#include "Tensors.h"

#include "anybit/Dialect/Msq/IR/Msq.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

/// The constant input `i` times `factor`, as a value.
static Value scaledConstant(NodeContext &ctx, const Tensor &tensor, unsigned i, float factor) {
  std::vector<float> values = elementsOf<float>(tensor);
  for (float &value : values)
    value *= factor;
  Tensor scaled = factor == 1 ? tensor : tensorOf(ElementType::Float, tensor.dims, values);
  return ctx.materialise(scaled, ctx.node.inputs[i]);
}

/// Input 1 as weights [N, K], times `factor` if it is constant; `isTransposed` says that it is stored so already.
static Value weightsOf(NodeContext &ctx, ArrayRef<int64_t> dims, bool isTransposed, float factor) {
  if (const Tensor *constant = ctx.constant(1)) {
    Tensor matrix = reshaped(*constant, dims);
    return scaledConstant(ctx, isTransposed ? matrix : transposed(matrix, {1, 0}), 1, factor);
  }
  Value matrix = emitReshape(ctx.b, ctx.value(1), dims);
  return isTransposed ? matrix : emitTranspose(ctx.b, matrix, {1, 0});
}

/// Rows [M, K] times weights [N, K], as a convolution of one position.
static Value emitRowsTimesWeights(ImplicitLocOpBuilder &b, Value rows, Value weights) {
  int64_t m = shapeOf(rows)[0], k = shapeOf(rows)[1], n = shapeOf(weights)[0];
  Value x = emitReshape(b, rows, {m, k, 1});
  Value w = emitReshape(b, weights, {n, k, 1});
  int64_t ones[] = {1}, zeros[] = {0, 0};
  Value y = msq::ConvOp::create(b, RankedTensorType::get({m, n, 1}, b.getF32Type()), x, w, ones, zeros, ones, 1);
  return emitReshape(b, y, {m, n});
}

/// `value` [..., r, c] as [count, r, c], its leading dimensions broadcast to `batch`.
static Value flattenBatch(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> batch, int64_t count) {
  Dims whole(batch.begin(), batch.end());
  whole.append(shapeOf(value).take_back(2).begin(), shapeOf(value).end());
  if (shapeOf(value) != ArrayRef<int64_t>(whole) && *countOf(shapeOf(value)) != *countOf(whole))
    value = emitMap(b, {value}, RankedTensorType::get(whole, b.getF32Type()),
                    [](ImplicitLocOpBuilder &, ValueRange x) { return x[0]; });
  return emitReshape(b, value, {count, whole[whole.size() - 2], whole.back()});
}

static Value emitBatchMatmul(ImplicitLocOpBuilder &b, Value left, Value right, ArrayRef<int64_t> batch) {
  int64_t count = countOf(batch).value_or(0);
  Value l = flattenBatch(b, left, batch, count), r = flattenBatch(b, right, batch, count);
  auto type = RankedTensorType::get({count, shapeOf(l)[1], shapeOf(r)[2]}, b.getF32Type());
  return linalg::BatchMatmulOp::create(b, ValueRange{l, r}, ValueRange{emitFill(b, type, 0)}).getResult(0);
}

namespace {
/// A MatMul whose vectors have become matrices.
struct Product {
  Dims left, right, batch; ///< Shapes of rank >= 2; the broadcast leading dimensions.
  Dims result;             ///< Shape of the ONNX result.
};
} // namespace

static std::optional<Product> resolveProduct(NodeContext &ctx) {
  Product product;
  product.left.assign(ctx.dims(0).begin(), ctx.dims(0).end());
  product.right.assign(ctx.dims(1).begin(), ctx.dims(1).end());
  bool isRow = product.left.size() == 1, isColumn = product.right.size() == 1;
  if (isRow)
    product.left.insert(product.left.begin(), 1);
  if (isColumn)
    product.right.push_back(1);
  Dims left(product.left), right(product.right);
  bool fits = left.size() >= 2 && right.size() >= 2 && left.back() == right[right.size() - 2];
  size_t lead = std::max(left.size(), right.size());
  left.insert(left.begin(), lead - left.size(), 1);
  right.insert(right.begin(), lead - right.size(), 1);
  for (size_t d = 0; fits && d + 2 < lead; ++d) {
    fits = left[d] == right[d] || left[d] == 1 || right[d] == 1;
    product.batch.push_back(left[d] == 1 ? right[d] : left[d]);
  }
  if (!fits) {
    (void)ctx.invalid("the matrices " + formatDims(ctx.dims(0)) + " and " + formatDims(ctx.dims(1)) + " do not fit");
    return std::nullopt;
  }
  product.result = product.batch;
  if (!isRow)
    product.result.push_back(left[lead - 2]);
  if (!isColumn)
    product.result.push_back(right[lead - 1]);
  ctx.checkedCount(product.result);
  return product;
}

static LogicalResult importMatMul(NodeContext &ctx) {
  std::optional<Product> product = resolveProduct(ctx);
  if (!product || ctx.failed())
    return failure();
  ImplicitLocOpBuilder &b = ctx.b;
  ArrayRef<int64_t> right = product->right;
  int64_t k = product->left.back(), n = right.back();
  bool isOneMatrix = llvm::all_of(right.drop_back(2), [](int64_t dim) { return dim == 1; });
  Value y;
  if (!ctx.entry(1).fromInput && isOneMatrix && k > 0) {
    int64_t rows = *countOf(ctx.dims(0)) / k;
    Value w = weightsOf(ctx, {k, n}, /*isTransposed=*/false, 1);
    y = emitRowsTimesWeights(b, emitReshape(b, ctx.value(0), {rows, k}), w);
  } else {
    y = emitBatchMatmul(b, emitReshape(b, ctx.value(0), product->left), emitReshape(b, ctx.value(1), right),
                        product->batch);
  }
  ctx.result(0, emitReshape(b, y, product->result), ElementType::Float);
  return success();
}

/// y * factor.
static Value emitTimes(ImplicitLocOpBuilder &b, Value y, float factor) {
  if (factor == 1)
    return y;
  return emitMap(b, {y}, tensorType(y), [&](ImplicitLocOpBuilder &body, ValueRange x) -> Value {
    return arith::MulFOp::create(body, x[0], emitScalar(body, x[0].getType(), factor));
  });
}

/// Adds input 2 of a Gemm, which broadcasts to [M, N].
static Value emitGemmBias(NodeContext &ctx, Value y, float beta) {
  if (!ctx.has(2) || beta == 0)
    return y;
  if (std::optional<double> same = ctx.scalar(2))
    return emitMap(ctx.b, {y}, tensorType(y), [&](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
      return arith::AddFOp::create(b, x[0], emitScalar(b, x[0].getType(), float(*same) * beta));
    });
  const Tensor *constant = ctx.constant(2);
  Value bias = constant ? scaledConstant(ctx, *constant, 2, beta) : emitTimes(ctx.b, ctx.value(2), beta);
  // A row of biases is a vector, whatever its leading dimensions.
  if (shapeOf(bias).size() == 2 && shapeOf(bias)[0] == 1)
    bias = emitReshape(ctx.b, bias, shapeOf(bias).drop_front());
  return emitMap(ctx.b, {y, bias}, tensorType(y),
                 [](ImplicitLocOpBuilder &b, ValueRange x) -> Value { return arith::AddFOp::create(b, x[0], x[1]); });
}

static LogicalResult checkGemm(NodeContext &ctx, int64_t transA, int64_t transB) {
  if (ctx.rank(0) != 2 || ctx.rank(1) != 2 || ctx.dims(0)[transA ? 0 : 1] != ctx.dims(1)[transB ? 1 : 0])
    return ctx.invalid("the matrices " + formatDims(ctx.dims(0)) + " and " + formatDims(ctx.dims(1)) + " do not fit");
  if (!ctx.has(2))
    return success(!ctx.failed());
  int64_t whole[] = {ctx.dims(0)[transA ? 1 : 0], ctx.dims(1)[transB ? 0 : 1]};
  ArrayRef<int64_t> bias = ctx.dims(2);
  bool fits = bias.size() <= 2;
  for (size_t d = 0; fits && d < bias.size(); ++d)
    fits = bias[d] == 1 || bias[d] == whole[2 - bias.size() + d];
  if (!fits)
    return ctx.invalid("the bias " + formatDims(bias) + " does not broadcast to " + formatDims(whole));
  return success(!ctx.failed());
}

static LogicalResult importGemm(NodeContext &ctx) {
  bool transA = ctx.intAttr("transA", 0) != 0, transB = ctx.intAttr("transB", 0) != 0;
  float alpha = ctx.floatAttr("alpha", 1), beta = ctx.floatAttr("beta", 1);
  if (failed(checkGemm(ctx, transA, transB)))
    return failure();
  ImplicitLocOpBuilder &b = ctx.b;
  Value a = transA ? emitTranspose(b, ctx.value(0), {1, 0}) : ctx.value(0);
  Value y;
  if (!ctx.entry(1).fromInput) {
    y = emitRowsTimesWeights(b, a, weightsOf(ctx, ctx.dims(1), transB, alpha));
  } else {
    Value right = transB ? emitTranspose(b, ctx.value(1), {1, 0}) : ctx.value(1);
    y = emitReshape(b, emitBatchMatmul(b, a, right, {}), {shapeOf(a)[0], shapeOf(right)[1]});
  }
  if (!ctx.constant(1))
    y = emitTimes(b, y, alpha);
  ctx.result(0, emitGemmBias(ctx, y, beta), ElementType::Float);
  return success();
}

void anybit::onnx::addMatMulOps(OpTable &table) {
  table.add("MatMul", {1, 9, 13}).inputs(2, 2).real(allInputs).emit(importMatMul).notes("of float");
  table.add("Gemm", {7, 9, 11, 13}).inputs(2, 3).real(allInputs).emit(importGemm).notes("of float");
}
