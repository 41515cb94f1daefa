#include "DotProduct.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <numeric>

using namespace mlir;

namespace anybit::cpu {

Value multiplyAdd(KernelBuilder &kb, const CpuTarget &target, Value a, Value b, Value c) {
  if (target.fma)
    return math::FmaOp::create(kb.b, kb.loc, a, b, c);
  return arith::AddFOp::create(kb.b, kb.loc, arith::MulFOp::create(kb.b, kb.loc, a, b), c);
}

DotProduct::DotProduct(KernelBuilder &kb, const CpuTarget &target, int64_t lanes, StepForm form)
    : kb(kb), lanes(lanes), form(form), shuffles(target.shufflesBytes), permutes(target.permutesBytes && lanes == 16) {
  dwords = VectorType::get({lanes}, kb.i32);
  words = VectorType::get({2 * lanes}, kb.i16);
  bytes = VectorType::get({4 * lanes}, kb.i8);
}

/// A register of more bytes than a step of `stepBytes` U has: position p lies in byte p % U of the step, in the field
/// p / U, so every repetition of the step is shifted by a field more. `position` is the first one of the register.
Value DotProduct::loadRepeated(Value pointer, int64_t position, int64_t bits, int64_t stepBytes) {
  int64_t words = stepBytes / 4;
  SmallVector<int64_t> repeated;
  SmallVector<int32_t> shifts;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    repeated.push_back(lane % words);
    shifts.push_back(int32_t((position / 4 + lane) / words * bits));
  }
  Value stored = kb.load(VectorType::get({words}, kb.i32), pointer);
  Value all = vector::ShuffleOp::create(kb.b, kb.loc, stored, stored, repeated);
  Value by = arith::ConstantOp::create(kb.b, kb.loc, DenseElementsAttr::get(dwords, ArrayRef<int32_t>(shifts)));
  return vector::BitCastOp::create(kb.b, kb.loc, bytes, arith::ShRUIOp::create(kb.b, kb.loc, all, by));
}

/// Register `vector`: the indices of narrow weights are the lower bits of each byte, the others are those of
/// neighbours.
Value DotProduct::loadBytes(Value pointer, lowbit::PackedAttr packed, int64_t vector) {
  int64_t bits = packed.getBits(), registerBytes = 4 * lanes, first = vector * registerBytes;
  if (bits == 8)
    return kb.load(bytes, kb.at(pointer, first));
  int64_t stepBytes = packed.getColumns() * 4 * bits / 8;
  // SSE2 shifts all lanes alike.
  if (stepBytes < registerBytes && registerBytes % stepBytes == 0 && stepBytes % 4 == 0 && lanes > 4)
    return loadRepeated(pointer, first, bits, stepBytes);
  // A chunk ends where a register or the bytes of a step end.
  int64_t chunk = std::gcd(stepBytes, registerBytes);
  auto chunkBytes = VectorType::get({chunk}, kb.i8);
  // Shifts of dwords are cheaper than those of bytes.
  auto shifting = chunk % 4 == 0 ? VectorType::get({chunk / 4}, kb.i32) : chunkBytes;
  Value joined = chunk == registerBytes ? Value() : kb.integer(bytes, 0);
  for (int64_t position = first; position < first + registerBytes; position += chunk) {
    Value stored = kb.load(shifting, kb.at(pointer, position % stepBytes));
    Value shifted = arith::ShRUIOp::create(kb.b, kb.loc, stored, kb.integer(shifting, position / stepBytes * bits));
    Value fields = shifting == chunkBytes ? shifted : vector::BitCastOp::create(kb.b, kb.loc, chunkBytes, shifted);
    if (chunk == registerBytes)
      return fields;
    joined = vector::InsertStridedSliceOp::create(kb.b, kb.loc, fields, joined, ArrayRef<int64_t>{position - first},
                                                  ArrayRef<int64_t>{1});
  }
  return joined;
}

/// weight = step * index + offset (numerics N2): signed q' - 2^(b-1), odd 2q - (2^b-1), unsigned q - z.
static std::pair<int64_t, int64_t> weightOfIndex(msq::FormatAttr format, int64_t zero) {
  int64_t bits = format.getBits();
  if (format.getKind() == msq::FormatKind::Odd)
    return {2, 1 - (int64_t(1) << bits)};
  return {1, format.getKind() == msq::FormatKind::Unsigned ? -zero : -(int64_t(1) << (bits - 1))};
}

/// The weight of every index, in each of 16 bytes (PSHUFB looks there) or of 64, whatever the bits above the index are.
Value DotProduct::weightTable(int64_t storedBits, msq::FormatAttr format, int64_t zero) {
  auto [step, offset] = weightOfIndex(format, zero);
  SmallVector<int8_t> table;
  for (int64_t i = 0; i < 4 * lanes; ++i)
    table.push_back(int8_t(step * (i % (int64_t(1) << storedBits)) + offset));
  return arith::ConstantOp::create(kb.b, kb.loc, DenseElementsAttr::get(bytes, ArrayRef<int8_t>(table)));
}

/// The integer weights of indices that have bits of others above them.
Value DotProduct::decode(Value fields, int64_t storedBits, msq::FormatAttr format, int64_t zero) {
  if (permutes)
    return kb.permuteBytes(weightTable(storedBits, format, zero), fields);
  Value indices = arith::AndIOp::create(kb.b, kb.loc, fields, kb.integer(bytes, (1 << storedBits) - 1));
  auto [step, offset] = weightOfIndex(format, zero);
  if (step != 1 && shuffles)
    return kb.shuffleBytes(weightTable(storedBits, format, zero), indices);
  if (step != 1)
    indices = arith::AddIOp::create(kb.b, kb.loc, indices, indices);
  return arith::AddIOp::create(kb.b, kb.loc, indices, kb.integer(bytes, offset));
}

/// Bytes as `accumulate` needs them.
DotProduct::Weights DotProduct::widen(Value weights) {
  if (takesBytes())
    return {weights};
  if (takesWords()) {
    Value pairs = vector::BitCastOp::create(kb.b, kb.loc, words, weights), eight = kb.integer(words, 8);
    Value raised = arith::ShLIOp::create(kb.b, kb.loc, pairs, eight);
    return {arith::ShRSIOp::create(kb.b, kb.loc, raised, eight), arith::ShRSIOp::create(kb.b, kb.loc, pairs, eight)};
  }
  Value quads = vector::BitCastOp::create(kb.b, kb.loc, dwords, weights);
  Weights four;
  for (int64_t k = 0; k < 4; ++k) {
    Value raised = arith::ShLIOp::create(kb.b, kb.loc, quads, kb.integer(dwords, 24 - 8 * k));
    four.push_back(arith::ShRSIOp::create(kb.b, kb.loc, raised, kb.integer(dwords, 24)));
  }
  return four;
}

SmallVector<DotProduct::Weights> DotProduct::loadWeights(Value pointer, lowbit::PackedAttr packed,
                                                         msq::FormatAttr format, int64_t zero, int64_t vectors) {
  SmallVector<Weights> result;
  for (int64_t v = 0; v < vectors; ++v) {
    Value weights = loadBytes(pointer, packed, v);
    if (packed.getBits() < 8)
      weights = decode(weights, packed.getBits(), format, zero);
    result.push_back(widen(weights));
  }
  return result;
}

int64_t DotProduct::preparedBytes() const { return 4 * lanes * (takesBytes() ? 1 : takesWords() ? 2 : 4); }

DotProduct::Weights DotProduct::loadPrepared(Value pointer) {
  VectorType type = takesBytes() ? bytes : takesWords() ? words : dwords;
  Weights result;
  for (int64_t offset = 0; offset < preparedBytes(); offset += 4 * lanes)
    result.push_back(kb.load(type, kb.at(pointer, offset)));
  return result;
}

void DotProduct::storePrepared(const Weights &weights, Value pointer) {
  for (auto [part, value] : llvm::enumerate(weights))
    kb.store(value, kb.at(pointer, int64_t(part) * 4 * lanes));
}

SmallVector<Value> DotProduct::widenCodes(Value codes) {
  Value pairs = vector::BitCastOp::create(kb.b, kb.loc, words, codes);
  return {arith::AndIOp::create(kb.b, kb.loc, pairs, kb.integer(words, 255)),
          arith::ShRUIOp::create(kb.b, kb.loc, pairs, kb.integer(words, 8))};
}

DotProduct::Activations DotProduct::prepareLanes(Value codes) {
  if (takesBytes())
    return {vector::BitCastOp::create(kb.b, kb.loc, bytes, codes)};
  return widenCodes(codes);
}

DotProduct::Activations DotProduct::prepare(Value dword) {
  if (form != StepForm::Dwords)
    return prepareLanes(kb.splat(dwords, dword));
  Activations four;
  for (int64_t k = 0; k < 4; ++k) {
    Value shifted = arith::ShRUIOp::create(kb.b, kb.loc, dword, kb.integer(kb.i32, 8 * k));
    four.push_back(kb.splat(dwords, arith::AndIOp::create(kb.b, kb.loc, shifted, kb.integer(kb.i32, 255))));
  }
  return four;
}

Value DotProduct::maddPairs(Value a, Value b) {
  StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                   : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                : "llvm.x86.sse2.pmadd.wd";
  return kb.intrinsic(name, dwords, {a, b});
}

Value DotProduct::accumulate(Value sum, const Activations &codes, const Weights &weights) {
  if (form == StepForm::Dot) {
    StringRef name = lanes == 16  ? "llvm.x86.avx512.vpdpbusd.512"
                     : lanes == 8 ? "llvm.x86.avx512.vpdpbusd.256"
                                  : "llvm.x86.avx512.vpdpbusd.128";
    return kb.intrinsic(name, dwords, {sum, codes[0], weights[0]});
  }
  if (form == StepForm::Pairs) {
    StringRef name = lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw";
    return arith::AddIOp::create(kb.b, kb.loc, sum, kb.intrinsic(name, words, {codes[0], weights[0]}));
  }
  for (size_t k = 0; k < codes.size(); ++k) {
    Value products =
        takesWords() ? maddPairs(codes[k], weights[k]) : arith::MulIOp::create(kb.b, kb.loc, codes[k], weights[k]);
    sum = arith::AddIOp::create(kb.b, kb.loc, sum, products);
  }
  return sum;
}

Value DotProduct::accumulateWords(Value sum, Value twoCodes, Value weights) {
  Value codes = vector::BitCastOp::create(kb.b, kb.loc, words, kb.splat(dwords, twoCodes));
  return arith::AddIOp::create(kb.b, kb.loc, sum, maddPairs(codes, weights));
}

Value DotProduct::addPairs(Value sum, Value pairs) {
  return arith::AddIOp::create(kb.b, kb.loc, sum, maddPairs(pairs, kb.integer(words, 1)));
}

} // namespace anybit::cpu
