#include "Emit.h"
#include "Fold.h"
#include "OpTable.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace anybit::onnx;

/// Checks that all inputs have one element type, and reports.
static bool checkSameType(NodeContext &ctx, unsigned first) {
  for (unsigned i = first + 1; i < ctx.inputs(); ++i)
    if (ctx.type(i) != ctx.type(first))
      return succeeded(
          ctx.invalid("its inputs are " + elementName(ctx.type(first)) + " and " + elementName(ctx.type(i))));
  return true;
}

static SmallVector<unsigned> allInputsOf(NodeContext &ctx) {
  return llvm::to_vector(llvm::seq<unsigned>(0, ctx.inputs()));
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// x / y toward zero. Division by zero yields x, where hardware might trap; the smallest number over -1 wraps.
static Value emitSignedDivision(ImplicitLocOpBuilder &b, Value x, Value y) {
  Value zero = emitScalar(b, x.getType(), 0), one = emitScalar(b, x.getType(), 1),
        minus = emitScalar(b, x.getType(), -1);
  using P = arith::CmpIPredicate;
  Value isMinus = arith::CmpIOp::create(b, P::eq, y, minus), isZero = arith::CmpIOp::create(b, P::eq, y, zero);
  Value isSpecial = arith::OrIOp::create(b, isMinus, isZero);
  Value quotient = arith::DivSIOp::create(b, x, arith::SelectOp::create(b, isSpecial, one, y));
  return arith::SelectOp::create(b, isMinus, arith::SubIOp::create(b, zero, x), quotient);
}

static Value emitUnsignedDivision(ImplicitLocOpBuilder &b, Value x, Value y) {
  Value zero = emitScalar(b, x.getType(), 0), one = emitScalar(b, x.getType(), 1);
  Value isZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, y, zero);
  return arith::DivUIOp::create(b, x, arith::SelectOp::create(b, isZero, one, y));
}

static Value emitRealArithmetic(ImplicitLocOpBuilder &b, StringRef op, Value x, Value y) {
  if (op == "Add" || op == "Sum")
    return arith::AddFOp::create(b, x, y);
  if (op == "Sub")
    return arith::SubFOp::create(b, x, y);
  if (op == "Mul")
    return arith::MulFOp::create(b, x, y);
  if (op == "Div")
    return arith::DivFOp::create(b, x, y);
  return op == "Max" ? Value(arith::MaximumFOp::create(b, x, y)) : Value(arith::MinimumFOp::create(b, x, y));
}

static Value emitIntegerArithmetic(ImplicitLocOpBuilder &b, StringRef op, Value x, Value y, bool isUnsigned) {
  if (op == "Add" || op == "Sum")
    return arith::AddIOp::create(b, x, y);
  if (op == "Sub")
    return arith::SubIOp::create(b, x, y);
  if (op == "Mul")
    return arith::MulIOp::create(b, x, y);
  if (op == "Div")
    return isUnsigned ? emitUnsignedDivision(b, x, y) : emitSignedDivision(b, x, y);
  if (op == "Max")
    return isUnsigned ? Value(arith::MaxUIOp::create(b, x, y)) : Value(arith::MaxSIOp::create(b, x, y));
  return isUnsigned ? Value(arith::MinUIOp::create(b, x, y)) : Value(arith::MinSIOp::create(b, x, y));
}

static LogicalResult importArithmetic(NodeContext &ctx) {
  if (!checkSameType(ctx, 0))
    return failure();
  if (ctx.type(0) == ElementType::Bool)
    return ctx.unsupported("its inputs are bool, expected numbers");
  bool isUnsigned = ctx.type(0) == ElementType::UInt8;
  StringRef op = ctx.node.op;
  return emitElementwise(ctx, allInputsOf(ctx), ctx.type(0), [&](ImplicitLocOpBuilder &b, ValueRange x) {
    Value result = x[0];
    for (Value next : x.drop_front())
      result = isa<FloatType>(next.getType()) ? emitRealArithmetic(b, op, result, next)
                                              : emitIntegerArithmetic(b, op, result, next, isUnsigned);
    return result;
  });
}

static LogicalResult importPow(NodeContext &ctx) {
  if (ctx.type(1) == ElementType::Bool || ctx.type(1) == ElementType::UInt8)
    return ctx.unsupported("the exponent is " + elementName(ctx.type(1)) + ", expected float, int64, int32 or int8");
  return emitElementwise(ctx, {0, 1}, ElementType::Float, [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    Value exponent = x[1];
    if (isa<IntegerType>(exponent.getType()))
      exponent = arith::SIToFPOp::create(b, b.getF32Type(), exponent);
    return math::PowFOp::create(b, x[0], exponent);
  });
}

//===----------------------------------------------------------------------===//
// Comparisons and logic
//===----------------------------------------------------------------------===//

static arith::CmpFPredicate realPredicate(StringRef op) {
  using P = arith::CmpFPredicate;
  return llvm::StringSwitch<P>(op)
      .Case("Equal", P::OEQ)
      .Case("Less", P::OLT)
      .Case("Greater", P::OGT)
      .Case("LessOrEqual", P::OLE)
      .Default(P::OGE);
}

static arith::CmpIPredicate integerPredicate(StringRef op, bool isUnsigned) {
  using P = arith::CmpIPredicate;
  return llvm::StringSwitch<P>(op)
      .Case("Equal", P::eq)
      .Case("Less", isUnsigned ? P::ult : P::slt)
      .Case("Greater", isUnsigned ? P::ugt : P::sgt)
      .Case("LessOrEqual", isUnsigned ? P::ule : P::sle)
      .Default(isUnsigned ? P::uge : P::sge);
}

static LogicalResult importCompare(NodeContext &ctx) {
  if (!checkSameType(ctx, 0))
    return failure();
  bool isUnsigned = ctx.type(0) == ElementType::UInt8 || ctx.type(0) == ElementType::Bool;
  StringRef op = ctx.node.op;
  return emitElementwise(ctx, {0, 1}, ElementType::Bool, [&](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    if (isa<FloatType>(x[0].getType()))
      return arith::CmpFOp::create(b, realPredicate(op), x[0], x[1]);
    return arith::CmpIOp::create(b, integerPredicate(op, isUnsigned), x[0], x[1]);
  });
}

static LogicalResult importLogic(NodeContext &ctx) {
  for (unsigned i = 0; i < ctx.inputs(); ++i)
    if (ctx.type(i) != ElementType::Bool)
      return ctx.invalid("input " + Twine(i) + " is " + elementName(ctx.type(i)) + ", expected bool");
  StringRef op = ctx.node.op;
  return emitElementwise(ctx, allInputsOf(ctx), ElementType::Bool, [&](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    if (op == "Not")
      return arith::XOrIOp::create(b, x[0], emitScalar(b, x[0].getType(), 1));
    if (op == "And")
      return arith::AndIOp::create(b, x[0], x[1]);
    return op == "Or" ? Value(arith::OrIOp::create(b, x[0], x[1])) : Value(arith::XOrIOp::create(b, x[0], x[1]));
  });
}

static LogicalResult importWhere(NodeContext &ctx) {
  if (!checkSameType(ctx, 1))
    return failure();
  if (ctx.type(0) != ElementType::Bool)
    return ctx.invalid("the condition is " + elementName(ctx.type(0)) + ", expected bool");
  return emitElementwise(ctx, {0, 1, 2}, ctx.type(1), [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    return arith::SelectOp::create(b, x[0], x[1], x[2]);
  });
}

//===----------------------------------------------------------------------===//
// Cast
//===----------------------------------------------------------------------===//

/// A real as an integer: truncated, clamped to the range, NaN as 0.
static Value emitRealToInteger(ImplicitLocOpBuilder &b, Value x, Type to, bool isUnsigned) {
  unsigned bits = to.getIntOrFloatBitWidth() - (isUnsigned ? 0 : 1);
  // The largest float below 2^bits: one step of the 24-bit mantissa less, or the integer itself.
  double top = bits > 24 ? std::ldexp(1.0, bits) - std::ldexp(1.0, bits - 24) : std::ldexp(1.0, bits) - 1;
  double bottom = isUnsigned ? 0 : -std::ldexp(1.0, bits);
  Value isNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, x, x);
  Value number = arith::SelectOp::create(b, isNumber, x, emitScalar(b, x.getType(), 0));
  Value above = arith::MaximumFOp::create(b, number, emitScalar(b, x.getType(), bottom));
  Value inside = arith::MinimumFOp::create(b, above, emitScalar(b, x.getType(), top));
  return isUnsigned ? Value(arith::FPToUIOp::create(b, to, inside)) : Value(arith::FPToSIOp::create(b, to, inside));
}

static Value emitIntegerToInteger(ImplicitLocOpBuilder &b, Value x, Type to, bool isUnsigned) {
  unsigned from = x.getType().getIntOrFloatBitWidth(), width = to.getIntOrFloatBitWidth();
  if (from == width)
    return x;
  if (from > width)
    return arith::TruncIOp::create(b, to, x);
  return isUnsigned ? Value(arith::ExtUIOp::create(b, to, x)) : Value(arith::ExtSIOp::create(b, to, x));
}

static Value emitCast(ImplicitLocOpBuilder &b, Value x, ElementType from, ElementType to) {
  Type type = elementTypeOf(b.getContext(), to);
  bool fromUnsigned = from == ElementType::UInt8 || from == ElementType::Bool;
  bool isReal = from == ElementType::Float;
  if (to == ElementType::Bool && isReal)
    return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, x, emitScalar(b, x.getType(), 0));
  if (to == ElementType::Bool)
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x, emitScalar(b, x.getType(), 0));
  if (isReal)
    return emitRealToInteger(b, x, type, to == ElementType::UInt8);
  if (to != ElementType::Float)
    return emitIntegerToInteger(b, x, type, fromUnsigned);
  return fromUnsigned ? Value(arith::UIToFPOp::create(b, type, x)) : Value(arith::SIToFPOp::create(b, type, x));
}

static LogicalResult importCast(NodeContext &ctx) {
  ElementType from = ctx.type(0);
  ElementType to = ctx.node.op == "CastLike" ? ctx.type(1) : ElementType(ctx.intAttr("to", 0));
  if (ctx.failed())
    return failure();
  if (from == to)
    return ctx.resultAlias(0, ctx.node.inputs[0]), success();
  static constexpr ElementType known[] = {ElementType::Float, ElementType::Int64, ElementType::Int32,
                                          ElementType::Int8,  ElementType::UInt8, ElementType::Bool};
  if (!llvm::is_contained(known, to) || !llvm::is_contained(known, from))
    return ctx.unsupported("it casts a computed tensor from " + elementName(from) + " to " + elementName(to) +
                           ", expected float, int64, int32, int8, uint8 or bool");
  return emitElementwise(ctx, {0}, to,
                         [&](ImplicitLocOpBuilder &b, ValueRange x) { return emitCast(b, x[0], from, to); });
}

void anybit::onnx::addElementwiseOps(OpTable &table) {
  for (StringRef name : {"Add", "Sub", "Mul", "Div"})
    table.add(name, {7, 13, 14}).inputs(2, 2).emit(importArithmetic).fold(foldArithmetic);
  for (StringRef name : {"Max", "Min", "Sum"})
    table.add(name, {8, 12, 13}).inputs(1, anyNumber).emit(importArithmetic).fold(foldArithmetic);
  table.add("Mod", {10, 13, 28}).inputs(2, 2).fold(foldArithmetic).notes("constants only");
  table.add("Pow", {7, 12, 13, 15}).inputs(2, 2).real(1).emit(importPow).fold(foldArithmetic).notes("a base of float");
  table.add("Equal", {7, 11, 13, 19}).inputs(2, 2).emit(importCompare).fold(foldCompare);
  for (StringRef name : {"Less", "Greater"})
    table.add(name, {7, 9, 13}).inputs(2, 2).emit(importCompare).fold(foldCompare);
  for (StringRef name : {"LessOrEqual", "GreaterOrEqual"})
    table.add(name, {12, 16}).inputs(2, 2).emit(importCompare).fold(foldCompare);
  for (StringRef name : {"And", "Or", "Xor"})
    table.add(name, {7}).inputs(2, 2).emit(importLogic).fold(foldCompare);
  table.add("Not", {1}).emit(importLogic).fold(foldUnary);
  table.add("Where", {9, 16}).inputs(3, 3).emit(importWhere).fold(foldWhere);
  table.add("Cast", {6, 9, 13, 19, 21, 23, 24, 25, 28})
      .emit(importCast)
      .fold(foldCast)
      .notes("no float8 and sub-byte types");
  table.add("CastLike", {15, 19, 21, 23, 24, 25}).inputs(2, 2).raw(2).emit(importCast).fold(foldCast).notes("as Cast");
}
