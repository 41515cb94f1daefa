//===- MathExpansion.cpp - transcendental functions as arithmetic ---------===//
//
// Sine and cosine for all of float32, logarithms of subnormals; the rest are MLIR's polynomials.
//
//===----------------------------------------------------------------------===//

#include "MathExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace anybit::cpu {
namespace {

/// 26 zeros, then the bits of 2/π behind its binary point.
constexpr uint32_t twoOverPi[] = {0x00000028, 0xBE60DB93, 0x91054A7F, 0x09D5F47D,
                                  0x4D377036, 0xD8A5664F, 0x10E4107F, 0x9458EAF7};
constexpr unsigned leadingZeros = 26;

/// Arithmetic on values of one type, float32 and its companions.
class Arithmetic {
public:
  Arithmetic(OpBuilder &builder, Location location) : builder(builder), location(location) {}

  template <typename Op, typename... Operands> Value make(Operands... operands) const {
    return Op::create(builder, location, operands...);
  }
  Value word(uint64_t value) const { return make<arith::ConstantIntOp>(int64_t(value), 64u); }
  Value real(double value) const { return make<arith::ConstantOp>(builder.getF64FloatAttr(value)); }
  Value single(float value) const { return make<arith::ConstantOp>(builder.getF32FloatAttr(value)); }
  Value select(Value condition, Value yes, Value no) const { return make<arith::SelectOp>(condition, yes, no); }
  Value shiftLeft(Value value, Value by) const { return make<arith::ShLIOp>(value, by); }
  Value shiftRight(Value value, Value by) const { return make<arith::ShRUIOp>(value, by); }
  Value bitAnd(Value a, Value b) const { return make<arith::AndIOp>(a, b); }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) const { return make<arith::CmpIOp>(predicate, a, b); }
  Value compare(arith::CmpFPredicate predicate, Value a, Value b) const { return make<arith::CmpFOp>(predicate, a, b); }

  /// c[0] + x·(c[1] + x·…)
  Value polynomial(Value x, ArrayRef<double> coefficients) const {
    Value sum = real(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back()))
      sum = make<arith::AddFOp>(make<arith::MulFOp>(sum, x), real(coefficient));
    return sum;
  }

private:
  OpBuilder &builder;
  Location location;
};

/// |x| = quadrant·π/2 + rest, the quadrant modulo 4 (i64), the rest (f64) in [-π/4, π/4].
struct Reduced {
  Value quadrant, rest;
};

/// 64 bits of `twoOverPi` from bit 32·`first` on.
Value tableWords(const Arithmetic &a, Value first, unsigned offset) {
  Value found;
  for (unsigned i = offset; i + 1 < std::size(twoOverPi); ++i) {
    Value words = a.word(uint64_t(twoOverPi[i]) << 32 | twoOverPi[i + 1]);
    found = found ? a.select(a.compare(arith::CmpIPredicate::eq, first, a.word(i - offset)), words, found) : words;
  }
  return found;
}

/// Payne and Hanek: the bits of 2/π that make multiples of 4 of the product are left out of it, and those that float32
/// cannot feel. With |x| = m·2^s, m of 24 bits, bit j behind the point of 2/π adds m·2^(s-j); j = s - 1 is the first
/// that matters. 96 bits leave an error of 2^-70 quadrants, and no float32 is closer than 2^-34 to a multiple of π/2.
Reduced reduce(const Arithmetic &a, Value bits) {
  Value exponent = a.shiftRight(bits, a.word(23));
  Value mantissa = a.make<arith::OrIOp>(a.bitAnd(bits, a.word(0x7fffff)), a.word(0x800000));
  // From 2^-1 on, where s = -24: smaller ones are their own rest.
  Value start = a.make<arith::SubIOp>(exponent, a.word(150 - (leadingZeros - 2)));
  Value first = a.shiftRight(start, a.word(5)), by = a.bitAnd(start, a.word(31));
  Value high = tableWords(a, first, 0), low = tableWords(a, first, 2);
  Value over = a.shiftRight(a.shiftRight(low, a.word(1)), a.make<arith::SubIOp>(a.word(63), by));
  Value window = a.make<arith::OrIOp>(a.shiftLeft(high, by), over);
  Value tail = a.shiftRight(a.shiftLeft(low, by), a.word(32));
  Value product = a.make<arith::AddIOp>(a.make<arith::MulIOp>(mantissa, window),
                                        a.shiftRight(a.make<arith::MulIOp>(mantissa, tail), a.word(32)));
  Value quadrant = a.shiftRight(a.make<arith::AddIOp>(product, a.word(uint64_t(1) << 61)), a.word(62));
  Value rest = a.make<arith::SubIOp>(product, a.shiftLeft(quadrant, a.word(62)));
  Value real = a.make<arith::MulFOp>(a.make<arith::SIToFPOp>(a.real(0).getType(), rest),
                                     a.real(llvm::numbers::pi / 2 / double(uint64_t(1) << 62)));
  return {quadrant, real};
}

/// Taylor's polynomials in double: at π/4 the first term left out is 2e-14 of the sine, 3e-13 of the cosine.
Value sineOf(const Arithmetic &a, Value x) {
  Value z = a.make<arith::MulFOp>(x, x);
  return a.make<arith::MulFOp>(
      x, a.polynomial(z, {1, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800}));
}
Value cosineOf(const Arithmetic &a, Value x) {
  Value z = a.make<arith::MulFOp>(x, x);
  return a.polynomial(z, {1, -1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600});
}

/// sin(x + turn·π/2), turn 0 or 1, not a number where x is infinite or none.
Value circular(const Arithmetic &a, Value x, unsigned turn) {
  Value i32 = a.make<arith::BitcastOp>(IntegerType::get(x.getContext(), 32), x);
  Value wide = a.make<arith::ExtUIOp>(a.word(0).getType(), i32);
  Value bits = a.bitAnd(wide, a.word(0x7fffffff));
  Reduced reduced = reduce(a, bits);
  Value isSmall = a.compare(arith::CmpIPredicate::ult, bits, a.word(0x3f000000)); // below 0.5
  Value magnitude = a.make<arith::ExtFOp>(a.real(0).getType(), a.make<math::AbsFOp>(x));
  Value rest = a.select(isSmall, magnitude, reduced.rest);
  Value quadrant = a.make<arith::AddIOp>(a.select(isSmall, a.word(0), reduced.quadrant), a.word(turn));
  Value isOdd = a.compare(arith::CmpIPredicate::ne, a.bitAnd(quadrant, a.word(1)), a.word(0));
  Value result = a.select(isOdd, cosineOf(a, rest), sineOf(a, rest));
  Value negative = a.compare(arith::CmpIPredicate::ne, a.bitAnd(quadrant, a.word(2)), a.word(0));
  if (turn == 0) // the sine is odd
    negative = a.make<arith::XOrIOp>(negative, a.compare(arith::CmpIPredicate::ne, wide, bits));
  result = a.select(negative, a.make<arith::NegFOp>(result), result);
  Value isFinite = a.compare(arith::CmpIPredicate::ult, bits, a.word(0x7f800000));
  return a.select(isFinite, a.make<arith::TruncFOp>(x.getType(), result),
                  a.single(std::numeric_limits<float>::quiet_NaN()));
}

/// MLIR's logarithm takes subnormal numbers for the least normal one.
Value normalLogarithm(const Arithmetic &a, Value x) {
  constexpr float scale = 1 << 25;
  Value isSubnormal = a.compare(arith::CmpFPredicate::OLT, x, a.single(std::numeric_limits<float>::min()));
  Value scaled = a.select(isSubnormal, a.make<arith::MulFOp>(x, a.single(scale)), x);
  Value result = a.make<math::LogOp>(scaled);
  Value lower = a.make<arith::SubFOp>(result, a.single(25 * llvm::numbers::ln2f));
  return a.select(isSubnormal, lower, result);
}

} // namespace

LogicalResult expandMath(func::FuncOp function) {
  function.walk([&](Operation *op) {
    if (!isa<math::SinOp, math::CosOp, math::LogOp>(op) || !op->getResult(0).getType().isF32())
      return;
    OpBuilder builder(op);
    Arithmetic a(builder, op->getLoc());
    Value x = op->getOperand(0);
    Value result = isa<math::LogOp>(op) ? normalLogarithm(a, x) : circular(a, x, isa<math::CosOp>(op));
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
  });
  RewritePatternSet patterns(function.getContext());
  populateMathPolynomialApproximationPatterns(patterns, MathPolynomialApproximationOptions{});
  return applyPatternsGreedily(function, std::move(patterns));
}

} // namespace anybit::cpu
