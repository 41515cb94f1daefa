#include "Emit.h"
#include "Expansion.h"
#include "Fold.h"
#include "OpTable.h"
#include "Quantizer.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

/// Width of the codes of a type, 0 for a type that has none of at most 8 bits.
static unsigned widthOf(ElementType type) {
  switch (type) {
  case ElementType::Int8:
  case ElementType::UInt8:
    return 8;
  case ElementType::Int4:
  case ElementType::UInt4:
    return 4;
  case ElementType::Int2:
  case ElementType::UInt2:
    return 2;
  default:
    return 0;
  }
}

/// Whether scale and zero point fit input 0: one number, or one per slice of `axis`. Reports. Sets `axis` then.
static bool checkParameters(NodeContext &ctx, std::optional<int64_t> &axis) {
  for (unsigned i : {1u, 2u}) {
    if (!ctx.has(i) || countOf(ctx.dims(i)) == 1)
      continue;
    if (ctx.rank(i) != 1 || ctx.opset() < 13)
      return (void)ctx.unsupported("the parameter " + ctx.node.inputs[i] + " is " + formatDims(ctx.dims(i)) +
                                   "; expected one number, one per slice of axis, or blocks of block_size"),
             false;
    axis = ctx.axis(ctx.intAttr("axis", 1), ctx.rank(0));
    if (ctx.failed())
      return false;
    if (ctx.dims(i)[0] != ctx.dims(0)[*axis])
      return succeeded(ctx.invalid("the parameter " + ctx.node.inputs[i] + " has " + Twine(ctx.dims(i)[0]) +
                                   " elements, but dimension " + Twine(*axis) + " of the input is " +
                                   Twine(ctx.dims(0)[*axis])));
  }
  return true;
}

/// A scale or zero point that `checkParameters` accepted, as a scalar or vector.
static Dims parameterDims(NodeContext &ctx, unsigned i) {
  int64_t count = countOf(ctx.dims(i)).value_or(0);
  return count == 1 ? Dims() : Dims{count};
}

/// Whether every zero point is the constant 0.
static bool isSymmetric(NodeContext &ctx) {
  if (!ctx.has(2))
    return true;
  const Tensor *zero = ctx.constant(2);
  return zero && llvm::all_of(elementsOf<int64_t>(*zero), [](int64_t z) { return z == 0; });
}

/// The zero point as i32, plus `bias`. Null after a report.
static Value emitZeroPoint(NodeContext &ctx, bool isUnsigned, int64_t bias) {
  if (!ctx.has(2))
    return emitZero(ctx, bias);
  if (const Tensor *constant = ctx.constant(2)) {
    std::vector<int64_t> values = elementsOf<int64_t>(*constant);
    for (int64_t &value : values)
      value += bias;
    return ctx.materialise(tensorOf(ElementType::Int32, parameterDims(ctx, 2), values), ctx.node.inputs[2]);
  }
  if (bias == 0)
    return emitToI32(ctx.b, emitReshape(ctx.b, ctx.value(2), parameterDims(ctx, 2)), isUnsigned);
  (void)ctx.unsupported("the zero point " + ctx.node.inputs[2] + " of a signed type must be constant");
  return {};
}

/// The quantizer of codes of `bits` bits; codes are shifted by `bias`. Nothing after a report.
static std::optional<Quantizer> makeQuantizer(NodeContext &ctx, bool isSigned, unsigned bits, bool isNarrow,
                                              int64_t bias) {
  Quantizer quantizer;
  std::optional<int64_t> axis;
  if (!checkParameters(ctx, axis))
    return std::nullopt;
  quantizer.scale = emitReshape(ctx.b, ctx.value(1), parameterDims(ctx, 1));
  quantizer.zero = emitZeroPoint(ctx, !isSigned, bias);
  if (!quantizer.zero)
    return std::nullopt;
  bool staysSigned = isSigned && bias == 0;
  quantizer.format =
      msq::FormatAttr::get(ctx.b.getContext(), staysSigned ? msq::FormatKind::Signed : msq::FormatKind::Unsigned, bits,
                           isNarrow && staysSigned);
  quantizer.axis = axis.value_or(0);
  return quantizer;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// A parameter of the shape of the input: broadcast from a scalar, along `axis`, or in blocks along it.
static std::optional<Tensor> spreadParameter(NodeContext &ctx, unsigned i, int64_t axis, int64_t block) {
  const Tensor &tensor = *ctx.constant(i);
  ArrayRef<int64_t> x = ctx.dims(0);
  if (tensor.count() == 1)
    return broadcast(reshaped(tensor, {}), x);
  bool isBlocked = block > 0 && ctx.rank(i) == ctx.rank(0) && tensor.dims[axis] == (x[axis] + block - 1) / block;
  if (isBlocked) {
    Dims indices, shape(tensor.dims);
    for (int64_t k = 0; k < x[axis]; ++k)
      indices.push_back(k / block);
    shape[axis] = x[axis];
    if (ArrayRef<int64_t>(shape) == x)
      return takeSlices(tensor, axis, indices);
  }
  if (block == 0 && tensor.dims.size() == 1 && tensor.dims[0] == x[axis]) {
    Dims line(x.size(), 1);
    line[axis] = x[axis];
    return broadcast(reshaped(tensor, line), x);
  }
  (void)ctx.invalid("the parameter " + ctx.node.inputs[i] + " " + formatDims(tensor.dims) + " does not fit the input " +
                    formatDims(x) + " along axis " + Twine(axis));
  return std::nullopt;
}

namespace {
/// Names of the scales and zero points of a blocked quantizer, each spread to the shape of the input.
struct Blocks {
  std::string scale, zero;
};
} // namespace

/// The blocks of a computed tensor; nothing after a report. They are float ops: numerics N2 has no such format.
static std::optional<Blocks> spreadBlocks(NodeContext &ctx, Expansion &e, int64_t block) {
  if (block < 0 || !ctx.constant(1) || (ctx.has(2) && !ctx.constant(2)) || ctx.type(1) != ElementType::Float)
    return (void)ctx.unsupported("block_size is " + Twine(block) +
                                 "; blocks need float scales and zero points that are constant"),
           std::nullopt;
  int64_t axis = ctx.axis(ctx.intAttr("axis", 1), ctx.rank(0));
  if (ctx.failed() || !ctx.mayFold(ctx.dims(0), ElementType::Float))
    return std::nullopt;
  std::optional<Tensor> scale = spreadParameter(ctx, 1, axis, block);
  std::optional<Tensor> zero = ctx.has(2) && scale ? spreadParameter(ctx, 2, axis, block) : std::nullopt;
  if (ctx.failed())
    return std::nullopt;
  return Blocks{e.constant(*scale), zero ? e.constant(castTensor(*zero, ElementType::Float)) : e.number(0)};
}

static LogicalResult importBlockedQuantize(NodeContext &ctx, ElementType type, int64_t block) {
  if (type != ElementType::Int8 && type != ElementType::UInt8)
    return ctx.unsupported("it quantizes to blocks of " + elementName(type) + ", expected int8 or uint8");
  Expansion e(ctx);
  std::optional<Blocks> blocks = spreadBlocks(ctx, e, block);
  if (!blocks)
    return failure();
  double low = type == ElementType::Int8 ? -128 : 0;
  std::string codes = e.op("Add", {e.op("Round", {e.op("Div", {e.input(0), blocks->scale})}), blocks->zero});
  e.cast(e.op("Clip", {codes, e.number(low), e.number(low + 255)}), type, e.result());
  return e.finish();
}

static LogicalResult importBlockedDequantize(NodeContext &ctx, int64_t block) {
  Expansion e(ctx);
  std::optional<Blocks> blocks = spreadBlocks(ctx, e, block);
  if (!blocks)
    return failure();
  std::string whole = e.op("Sub", {e.cast(e.input(0), ElementType::Float), blocks->zero});
  e.op("Mul", {whole, blocks->scale}, {}, e.result());
  return e.finish();
}

//===----------------------------------------------------------------------===//
// QuantizeLinear
//===----------------------------------------------------------------------===//

static LogicalResult importQuantizeLinear(NodeContext &ctx) {
  ElementType type = ctx.has(2) ? ctx.type(2) : ElementType(ctx.intAttr("output_dtype", int64_t(ElementType::UInt8)));
  if (type == ElementType::Undefined)
    type = ElementType::UInt8;
  if (!checkScales(ctx, 1, /*quantizes=*/true))
    return failure();
  unsigned bits = widthOf(type);
  if (ctx.failed() || bits == 0)
    return ctx.unsupported("it quantizes to " + elementName(type) + ", expected an integer of at most 8 bits");
  if (int64_t block = ctx.intAttr("block_size", 0))
    return importBlockedQuantize(ctx, type, block);
  bool isSigned = isSignedType(type);
  // Numerics N2 has no signed format with a zero point: the codes are stored as unsigned ones.
  int64_t bias = isSigned && !isSymmetric(ctx) ? int64_t(1) << (bits - 1) : 0;
  std::optional<Quantizer> quantizer = makeQuantizer(ctx, isSigned, bits, /*isNarrow=*/false, bias);
  if (!quantizer)
    return failure();
  ctx.result(0, emitQuantize(ctx.b, ctx.value(0), *quantizer), type);
  ctx.resultEntry(0).bias = bias;
  return success();
}

//===----------------------------------------------------------------------===//
// DequantizeLinear
//===----------------------------------------------------------------------===//

/// The reals of constant codes that no format holds: biases of 32 bits, blocks.
static LogicalResult setDequantizedConstant(NodeContext &ctx, int64_t axis, int64_t block) {
  std::optional<Tensor> scales = spreadParameter(ctx, 1, axis, block);
  std::optional<Tensor> zeros = ctx.has(2) && scales ? spreadParameter(ctx, 2, axis, block) : std::nullopt;
  if (!scales || ctx.failed())
    return failure();
  std::vector<int64_t> codes = elementsOf<int64_t>(*ctx.constant(0));
  std::vector<float> scale = elementsOf<float>(*scales), values(codes.size());
  std::vector<int64_t> zero = zeros ? elementsOf<int64_t>(*zeros) : std::vector<int64_t>(codes.size(), 0);
  for (size_t i = 0; i < codes.size(); ++i)
    values[i] = float(codes[i] - zero[i]) * scale[i];
  return ctx.resultConstant(0, tensorOf(ElementType::Float, ctx.dims(0), values)), success();
}

static LogicalResult foldDequantizeLinear(NodeContext &ctx) {
  int64_t block = ctx.intAttr("block_size", 0);
  if (!checkScales(ctx, 1, /*quantizes=*/false))
    return failure();
  bool isInteger = !isRealType(ctx.type(0)) && ctx.type(0) != ElementType::Bool && elementBytes(ctx.type(0)) != 0;
  if (!isInteger || ctx.type(1) != ElementType::Float || block < 0)
    return ctx.unsupported("it dequantizes " + elementName(ctx.type(0)) + " with scales of type " +
                           elementName(ctx.type(1)) + ", expected integers and float");
  if (widthOf(ctx.type(0)) != 0 && block == 0)
    return success(); // Codes stay codes.
  bool isScalar = countOf(ctx.dims(1)) == 1;
  int64_t axis = isScalar ? 0 : ctx.axis(ctx.intAttr("axis", 1), ctx.rank(0));
  return ctx.failed() ? failure() : setDequantizedConstant(ctx, axis, block);
}

/// The codes of input 0, shifted by `bias`.
static Value emitShiftedCodes(NodeContext &ctx, int64_t bias) {
  if (const Tensor *constant = ctx.constant(0)) {
    std::vector<int64_t> codes = elementsOf<int64_t>(*constant);
    for (int64_t &code : codes)
      code += bias;
    Tensor shifted = tensorOf(bias ? ElementType::UInt8 : constant->type, constant->dims, codes);
    return ctx.materialise(bias ? shifted : *constant, ctx.node.inputs[0]);
  }
  Value codes = ctx.storedValue(0);
  if (ctx.entry(0).bias == bias)
    return codes;
  return emitMap(ctx.b, {codes}, tensorType(codes), [&](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    return arith::AddIOp::create(b, x[0], emitScalar(b, x[0].getType(), double(bias)));
  });
}

static LogicalResult importDequantizeLinear(NodeContext &ctx) {
  if (!checkScales(ctx, 1, /*quantizes=*/false))
    return failure();
  unsigned bits = widthOf(ctx.type(0));
  if (bits == 0)
    return ctx.unsupported("it dequantizes computed " + elementName(ctx.type(0)) +
                           ", expected integers of at most 8 bits");
  if (ctx.has(2) && ctx.type(2) != ctx.type(0))
    return ctx.invalid("the zero point is " + elementName(ctx.type(2)) + ", but the input is " +
                       elementName(ctx.type(0)));
  if (int64_t block = ctx.intAttr("block_size", 0))
    return importBlockedDequantize(ctx, block);
  const Entry &codes = ctx.entry(0);
  bool isSigned = isSignedType(ctx.type(0));
  int64_t bias = codes.bias;
  if (bias == 0 && isSigned && !isSymmetric(ctx))
    bias = int64_t(1) << (bits - 1);
  bool isNarrowed = codes.bits != 0 && bias == 0;
  std::optional<Quantizer> quantizer =
      makeQuantizer(ctx, isSigned, isNarrowed ? codes.bits : bits, isNarrowed && codes.narrow, bias);
  if (!quantizer)
    return failure();
  ctx.result(0, emitDequantize(ctx.b, emitShiftedCodes(ctx, bias), *quantizer), ElementType::Float);
  return success();
}

void anybit::onnx::addQuantizeOps(OpTable &table) {
  table.add("QuantizeLinear", {10, 13, 19, 21, 23, 24, 25, 28})
      .inputs(2, 3)
      .real(3)
      .emit(importQuantizeLinear)
      .notes("integers of at most 8 bits; signed ones with constant zero points; "
             "blocks with constant scales, to int8 or uint8");
  table.add("DequantizeLinear", {10, 13, 19, 21, 23, 24, 25, 28})
      .inputs(2, 3)
      .real(2)
      .raw(5)
      .emit(importDequantizeLinear)
      .fold(foldDequantizeLinear)
      .notes("integers of at most 8 bits, constants of any width; signed ones with constant zero points; blocks with "
             "constant scales");
}
