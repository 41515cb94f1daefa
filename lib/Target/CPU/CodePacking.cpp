#include "CodePacking.h"

#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;

namespace anybit::cpu {

/// `value` is select(x predicate c, x, c) with a constant c.
static bool matchClip(Value value, arith::CmpFPredicate predicate, Value &x, double &bound) {
  auto select = value.getDefiningOp<arith::SelectOp>();
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  APFloat constant(0.0f);
  if (!compare || compare.getPredicate() != predicate || compare.getLhs() != select.getTrueValue() ||
      compare.getRhs() != select.getFalseValue() || !matchPattern(compare.getRhs(), m_ConstantFloat(&constant)))
    return false;
  x = compare.getLhs();
  bound = constant.convertToDouble();
  return true;
}

Value CodePacking::roundedScalar(lowbit::RoundOp round) {
  if (!round->hasOneUse() || !(*round->user_begin())->hasTrait<OpTrait::IsTerminator>())
    return Value();
  int64_t low = int32_t(round.getLow()) - int32_t(round.getZero());
  int64_t high = int32_t(round.getHigh()) - int32_t(round.getZero());
  Value value = round.getValue(), lowered, raised;
  double least = 0, most = 0;
  // NaN becomes the bound of the first clip, and here the lowest code: an upper clip goes only with the lower one.
  bool upper = matchClip(value, arith::CmpFPredicate::OLT, lowered, most);
  bool lower = matchClip(upper ? lowered : value, arith::CmpFPredicate::OGT, raised, least);
  if (lower && std::nearbyint(least) <= low && (!upper || std::nearbyint(most) >= high))
    return raised;
  return value;
}

Value CodePacking::narrow(Pack pack, Value low, Value high) {
  static constexpr StringLiteral names[4][3] = {
      {"llvm.x86.sse2.packssdw.128", "llvm.x86.avx2.packssdw", "llvm.x86.avx512.packssdw.512"},
      {"llvm.x86.sse41.packusdw", "llvm.x86.avx2.packusdw", "llvm.x86.avx512.packusdw.512"},
      {"llvm.x86.sse2.packsswb.128", "llvm.x86.avx2.packsswb", "llvm.x86.avx512.packsswb.512"},
      {"llvm.x86.sse2.packuswb.128", "llvm.x86.avx2.packuswb", "llvm.x86.avx512.packuswb.512"}};
  bool toWords = pack == Pack::SignedWords || pack == Pack::UnsignedWords;
  auto type = toWords ? VectorType::get({2 * lanes}, kb.i16) : VectorType::get({4 * lanes}, kb.i8);
  return kb.intrinsic(names[int(pack)][lanes == 16 ? 2 : lanes == 8 ? 1 : 0], type, {low, high});
}

Value CodePacking::pack(ArrayRef<Value> codes) {
  auto dword = [&](Value code) { return arith::ExtUIOp::create(kb.b, kb.loc, VectorType::get({lanes}, kb.i32), code); };
  Value low = narrow(Pack::UnsignedWords, dword(codes[0]), dword(codes[1]));
  Value high = narrow(Pack::UnsignedWords, dword(codes[2]), dword(codes[3]));
  return narrow(Pack::UnsignedBytes, low, high);
}

Value CodePacking::toInteger(Value real, double most) {
  Value limit = kb.real(real.getType(), most);
  Value above = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::OLT, limit, real);
  real = arith::SelectOp::create(kb.b, kb.loc, above, limit, real); // NaN stays
  auto type = VectorType::get({lanes}, kb.i32);
  if (lanes == 16) {
    Value all = kb.integer(kb.i16, -1), currentDirection = kb.integer(kb.i32, 4);
    return kb.intrinsic("llvm.x86.avx512.mask.cvtps2dq.512", type, {real, kb.integer(type, 0), all, currentDirection});
  }
  return kb.intrinsic(lanes == 8 ? "llvm.x86.avx.cvt.ps2dq.256" : "llvm.x86.sse2.cvtps2dq", type, real);
}

Value CodePacking::roundAndPack(ArrayRef<Value> reals, lowbit::RoundOp round) {
  int64_t low = int32_t(round.getLow()), high = int32_t(round.getHigh()), zero = int32_t(round.getZero());
  SmallVector<Value> words;
  for (int64_t i = 0; i < 4; i += 2) {
    Value integers[] = {toInteger(reals[i], double(high - zero)), toInteger(reals[i + 1], double(high - zero))};
    Value packed = narrow(Pack::SignedWords, integers[0], integers[1]);
    // Saturated, so that what lies far below zero stays there.
    if (zero)
      packed = kb.intrinsic("llvm.sadd.sat", packed.getType(), {packed, kb.integer(packed.getType(), zero)});
    words.push_back(packed);
  }
  bool isSigned = low < 0;
  Value codes = narrow(isSigned ? Pack::SignedBytes : Pack::UnsignedBytes, words[0], words[1]);
  // Nothing is above `high`, as no real was. A comparison that is not needed would also keep LLVM from seeing which lanes
  // are not stored.
  if (low == (isSigned ? -128 : 0))
    return codes;
  Value limit = kb.integer(codes.getType(), low);
  return isSigned ? Value(arith::MaxSIOp::create(kb.b, kb.loc, codes, limit))
                  : Value(arith::MaxUIOp::create(kb.b, kb.loc, codes, limit));
}

Value CodePacking::inOrder(Value packed) {
  if (lanes == 4)
    return packed;
  SmallVector<int64_t> order;
  for (int64_t byte = 0; byte < 4 * lanes; ++byte)
    order.push_back(byte % lanes / 4 * 16 + byte / lanes * 4 + byte % 4);
  return vector::ShuffleOp::create(kb.b, kb.loc, packed, packed, order);
}

} // namespace anybit::cpu
