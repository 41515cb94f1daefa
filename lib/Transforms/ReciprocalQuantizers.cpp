//===- ReciprocalQuantizers.cpp - quantizers without division -------------===//
//
// A quantizer divides by its scale (numerics N1), and a division takes as long as a dozen multiplications. x * h + x * l,
// with h + l the reciprocal of the scale to twice the precision, is rarely another float and more rarely another code:
// both forms are monotone in x, so that they are equal for every x if they rise to each code at the same float.
//
//===----------------------------------------------------------------------===//

#include "anybit/Dialect/Lowbit/IR/Lowbit.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_RECIPROCALQUANTIZERS
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// 1 / scale as the sum of two floats, neither negative, so that infinities stay what they are.
struct Reciprocal {
  explicit Reciprocal(float scale) {
    double exact = 1.0 / double(scale);
    high = float(exact);
    if (double(high) > exact)
      high = std::nextafter(high, 0.0f);
    low = float(exact - double(high));
  }
  float times(float x) const { return low == 0 ? x * high : std::fma(x, high, x * low); }

  float high, low;
};

/// `round` of `x` / `scale`, where nothing else reads the quotient.
struct Quantizer {
  static std::optional<Quantizer> of(lowbit::RoundOp round);
  bool equals(const Reciprocal &reciprocal) const;

  arith::DivFOp quotient;
  lowbit::RoundOp round;
  float scale;
};

/// The number behind select(x is a number, x, _), else the value itself.
Value behindSelect(Value value) {
  auto select = value.getDefiningOp<arith::SelectOp>();
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  bool keepsNumbers = compare && compare.getPredicate() == arith::CmpFPredicate::ORD &&
                      compare.getLhs() == compare.getRhs() && compare.getLhs() == select.getTrueValue();
  return keepsNumbers ? select.getTrueValue() : value;
}

std::optional<Quantizer> Quantizer::of(lowbit::RoundOp round) {
  auto quotient = behindSelect(round.getValue()).getDefiningOp<arith::DivFOp>();
  if (!quotient || !quotient.getType().isF32())
    return std::nullopt;
  auto reads = [&](Operation *user) {
    return user == round || user == round.getValue().getDefiningOp() || isa<arith::CmpFOp>(user);
  };
  auto divisor = quotient.getRhs().getDefiningOp<arith::ConstantOp>();
  auto value = divisor ? dyn_cast<FloatAttr>(divisor.getValue()) : FloatAttr();
  if (!value || !llvm::all_of(quotient->getUsers(), reads))
    return std::nullopt;
  float scale = value.getValue().convertToFloat();
  // Beyond these a product with the reciprocal could leave the normal floats where the quotient does not.
  if (!(scale >= 0x1p-60f && scale <= 0x1p60f))
    return std::nullopt;
  return Quantizer{quotient, round, scale};
}

/// Float number `n` in their order; 0 is zero.
float nthFloat(int32_t n) { return n < 0 ? -llvm::bit_cast<float>(-n) : llvm::bit_cast<float>(n); }

/// The least float that `isReached`, which never falls, holds for; infinity if none does.
template <typename Predicate>
int32_t leastFloat(Predicate isReached) {
  int32_t infinity = llvm::bit_cast<int32_t>(HUGE_VALF);
  int64_t first = -infinity, last = infinity;
  while (first < last) {
    int64_t middle = first + ((last - first) >> 1);
    if (isReached(nthFloat(int32_t(middle))))
      last = middle;
    else
      first = middle + 1;
  }
  return int32_t(first);
}

bool Quantizer::equals(const Reciprocal &reciprocal) const {
  lowbit::RoundOp op = round;
  double zero = int32_t(op.getZero()), low = int32_t(op.getLow()) - zero, high = int32_t(op.getHigh()) - zero;
  auto code = [&](float real) { return std::nearbyint(std::clamp(double(real), low, high)); };
  for (double wanted = low + 1; wanted <= high; ++wanted) {
    int32_t divided = leastFloat([&](float x) { return code(x / scale) >= wanted; });
    if (divided != leastFloat([&](float x) { return code(reciprocal.times(x)) >= wanted; }))
      return false;
  }
  return true;
}

void multiply(OpBuilder &b, const Quantizer &quantizer, const Reciprocal &reciprocal) {
  arith::DivFOp quotient = quantizer.quotient;
  b.setInsertionPoint(quotient);
  Location loc = quotient.getLoc();
  Value x = quotient.getLhs();
  Value high = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(reciprocal.high)), product;
  if (reciprocal.low == 0) {
    product = arith::MulFOp::create(b, loc, x, high);
  } else {
    Value low = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(reciprocal.low));
    product = math::FmaOp::create(b, loc, x, high, arith::MulFOp::create(b, loc, x, low));
  }
  quotient.replaceAllUsesWith(product);
  quotient.erase();
}

struct ReciprocalQuantizers : impl::ReciprocalQuantizersBase<ReciprocalQuantizers> {
  using ReciprocalQuantizersBase::ReciprocalQuantizersBase;

  void runOnOperation() override {
    OpBuilder b(&getContext());
    getOperation().walk([&](lowbit::RoundOp round) {
      std::optional<Quantizer> quantizer = Quantizer::of(round);
      if (!quantizer)
        return;
      Reciprocal reciprocal(quantizer->scale);
      if ((target.cpu().fma || reciprocal.low == 0) && quantizer->equals(reciprocal))
        multiply(b, *quantizer, reciprocal);
    });
  }
};

} // namespace
} // namespace anybit
