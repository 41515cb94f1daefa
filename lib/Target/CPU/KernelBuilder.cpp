#include "KernelBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {

KernelBuilder::KernelBuilder(OpBuilder &builder, Location loc, unsigned arguments) : b(builder), loc(loc) {
  i8 = b.getI8Type();
  i16 = b.getI16Type();
  i32 = b.getI32Type();
  i64 = b.getI64Type();
  f32 = b.getF32Type();
  pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<Type> inputs(arguments, pointer);
  inputs.append({i64, i64, pointer});
  function = func::FuncOp::create(b, loc, "kernel", b.getFunctionType(inputs, {}));
  for (unsigned i = 0; i < arguments; ++i)
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
  b.setInsertionPointToStart(function.addEntryBlock());
}

func::FuncOp KernelBuilder::finish() {
  func::ReturnOp::create(b, loc);
  b.setInsertionPointAfter(function);
  return function;
}

Value KernelBuilder::index(int64_t value) { return integer(i64, value); }

Value KernelBuilder::constant(Type type, TypedAttr scalar) {
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc, SplatElementsAttr::get(vector, Attribute(scalar)));
  return arith::ConstantOp::create(b, loc, scalar);
}

Value KernelBuilder::integer(Type type, int64_t value) {
  return constant(type, b.getIntegerAttr(getElementTypeOrSelf(type), value));
}

Value KernelBuilder::real(Type type, double value) {
  return constant(type, b.getFloatAttr(getElementTypeOrSelf(type), value));
}

Value KernelBuilder::add(Value lhs, Value rhs) { return b.createOrFold<arith::AddIOp>(loc, lhs, rhs); }

Value KernelBuilder::mul(Value lhs, int64_t rhs) {
  if (rhs == 1)
    return lhs;
  return b.createOrFold<arith::MulIOp>(loc, lhs, index(rhs));
}

Value KernelBuilder::divide(Value lhs, int64_t rhs) { return b.createOrFold<arith::DivUIOp>(loc, lhs, index(rhs)); }
Value KernelBuilder::remainder(Value lhs, int64_t rhs) { return b.createOrFold<arith::RemUIOp>(loc, lhs, index(rhs)); }
Value KernelBuilder::min(Value lhs, Value rhs) { return b.createOrFold<arith::MinSIOp>(loc, lhs, rhs); }
Value KernelBuilder::max(Value lhs, Value rhs) { return b.createOrFold<arith::MaxSIOp>(loc, lhs, rhs); }

Value KernelBuilder::at(Value base, Value bytes) {
  return LLVM::GEPOp::create(b, loc, pointer, i8, base, ValueRange{bytes});
}

Value KernelBuilder::at(Value base, int64_t bytes) {
  if (bytes == 0)
    return base;
  return LLVM::GEPOp::create(b, loc, pointer, i8, base, ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
}

/// An empty asm statement from `value` to itself.
static Value throughAsm(KernelBuilder &kb, Value value, StringRef constraints, bool hasSideEffects) {
  auto dialect = LLVM::AsmDialectAttr::get(kb.b.getContext(), LLVM::AsmDialect::AD_ATT);
  return LLVM::InlineAsmOp::create(kb.b, kb.loc, TypeRange{value.getType()}, ValueRange{value}, /*asm_string=*/"",
                                   constraints, hasSideEffects, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                   dialect, /*operand_attrs=*/ArrayAttr())
      .getResult(0);
}

Value KernelBuilder::opaque(Value pointer) { return throughAsm(*this, pointer, "=r,0,~{memory}", true); }

Value KernelBuilder::opaqueVector(Value vector) { return throughAsm(*this, vector, "=v,0", false); }

/// Natural alignment of an element: nothing is known of vectors.
static unsigned elementAlignment(Type type) {
  return std::max(1u, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8);
}

Value KernelBuilder::load(Type type, Value from) {
  // Dwords of byte codes are read at any address.
  unsigned alignment = isa<VectorType>(type) || !type.isInteger(32) ? elementAlignment(type) : 1;
  return LLVM::LoadOp::create(b, loc, type, from, alignment);
}

void KernelBuilder::store(Value value, Value to) {
  LLVM::StoreOp::create(b, loc, value, to, elementAlignment(value.getType()));
}

void KernelBuilder::prefetch(Value pointer) {
  LLVM::Prefetch::create(b, loc, pointer, /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

Value KernelBuilder::lanesMask(VectorType type, int64_t valid) {
  SmallVector<bool> bits(type.getNumElements());
  std::fill(bits.begin(), bits.begin() + valid, true);
  auto maskType = VectorType::get(type.getShape(), b.getI1Type());
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(maskType, bits));
}

Value KernelBuilder::loadLanes(VectorType type, Value from, int64_t valid) {
  if (valid >= type.getNumElements())
    return load(type, from);
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  return LLVM::MaskedLoadOp::create(b, loc, type, from, lanesMask(type, valid), zero, elementAlignment(type));
}

void KernelBuilder::storeLanes(Value value, Value to, int64_t valid) {
  auto type = cast<VectorType>(value.getType());
  if (valid >= type.getNumElements())
    return store(value, to);
  // LLVM 22 writes a dword where a masked store of one truncated lane is a byte.
  if (valid == 1)
    return store(vector::ExtractOp::create(b, loc, value, int64_t(0)), to);
  LLVM::MaskedStoreOp::create(b, loc, value, to, lanesMask(type, valid), elementAlignment(type));
}

void KernelBuilder::storeLanesIf(Value condition, Value value, Value to, int64_t valid) {
  auto type = cast<VectorType>(value.getType());
  int64_t lanes = type.getNumElements();
  // Chosen as an integer, which one move makes a mask.
  Type bits = b.getIntegerType(unsigned(lanes));
  int64_t some =
      llvm::SignExtend64(llvm::maskTrailingOnes<uint64_t>(unsigned(std::min(valid, lanes))), unsigned(lanes));
  Value mask = arith::SelectOp::create(b, loc, condition, integer(bits, some), integer(bits, 0));
  Value lanesMask = LLVM::BitcastOp::create(b, loc, VectorType::get({lanes}, b.getI1Type()), mask);
  LLVM::MaskedStoreOp::create(b, loc, value, to, lanesMask, elementAlignment(type));
}

Value KernelBuilder::splat(VectorType type, Value scalar) { return vector::BroadcastOp::create(b, loc, type, scalar); }

SmallVector<Value> KernelBuilder::loop(Value from, Value to, int64_t step, ValueRange carried, Body body) {
  auto loop = scf::ForOp::create(b, loc, from, to, index(step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(b, loc, next);
  return loop.getResults();
}

SmallVector<Value> KernelBuilder::loop(int64_t count, ValueRange carried, Body body) {
  if (count == 1)
    return body(index(0), carried);
  return loop(index(0), index(count), 1, carried, body);
}

void KernelBuilder::loop(Value from, Value to, function_ref<void(Value)> body) {
  loop(from, to, 1, {}, [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

void KernelBuilder::loop(int64_t count, function_ref<void(Value)> body) {
  if (count == 1)
    return body(index(0));
  loop(index(0), index(count), body);
}

void KernelBuilder::branch(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
  if (!otherwise)
    return;
  b.setInsertionPointToStart(branch.elseBlock());
  otherwise();
}

Value KernelBuilder::intrinsic(StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name), operands).getResult(0);
}

Value KernelBuilder::shuffleBytes(Value table, Value indices) {
  int64_t registerBytes = cast<VectorType>(indices.getType()).getNumElements();
  StringRef name = registerBytes == 64   ? "llvm.x86.avx512.pshuf.b.512"
                   : registerBytes == 32 ? "llvm.x86.avx2.pshuf.b"
                                         : "llvm.x86.ssse3.pshuf.b.128";
  return intrinsic(name, indices.getType(), {table, indices});
}

Value KernelBuilder::permuteBytes(Value table, Value indices) {
  return intrinsic("llvm.x86.avx512.permvar.qi.512", indices.getType(), {table, indices});
}

Value buildRound(KernelBuilder &kb, Value value, int64_t low, int64_t high, int64_t zero) {
  OpBuilder &b = kb.b;
  Type real = value.getType();
  auto like = [&](Type element) -> Type {
    auto vector = dyn_cast<VectorType>(real);
    return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
  };
  auto clamp = [&](arith::CmpFPredicate predicate, double bound) {
    Value limit = kb.real(real, bound);
    Value keep = arith::CmpFOp::create(b, kb.loc, predicate, value, limit);
    value = arith::SelectOp::create(b, kb.loc, keep, value, limit);
  };
  clamp(arith::CmpFPredicate::OGT, double(low - zero)); // NaN fails the comparison and becomes the lowest code
  clamp(arith::CmpFPredicate::OLT, double(high - zero));
  constexpr double magic = 12582912.0; // 1.5 * 2^23
  constexpr int64_t magicBits = 0x4B400000;
  Value shifted = arith::AddFOp::create(b, kb.loc, value, kb.real(real, magic));
  Value bits = arith::BitcastOp::create(b, kb.loc, like(kb.i32), shifted);
  Value code = arith::SubIOp::create(b, kb.loc, bits, kb.integer(like(kb.i32), magicBits - zero));
  return arith::TruncIOp::create(b, kb.loc, like(kb.i8), code);
}

/// The clone of a scalar elementwise op on mapped operands.
static Value expandOp(KernelBuilder &kb, Operation &op, IRMapping &map, int64_t lanes) {
  auto vectorOf = [&](Type type) -> Type { return lanes == 1 ? type : Type(VectorType::get({lanes}, type)); };
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return kb.constant(vectorOf(constant.getType()), constant.getValue());
  if (auto round = dyn_cast<lowbit::RoundOp>(op))
    return buildRound(kb, map.lookup(round.getValue()), int32_t(round.getLow()), int32_t(round.getHigh()),
                      int32_t(round.getZero()));
  Operation *clone = kb.b.clone(op, map);
  for (OpResult result : clone->getResults())
    result.setType(vectorOf(result.getType()));
  return clone->getResult(0);
}

IRMapping mapBody(KernelBuilder &kb, Block &body, ValueRange arguments, int64_t lanes) {
  IRMapping map;
  map.map(body.getArguments(), arguments);
  for (Operation &op : body.without_terminator()) {
    for (Value operand : op.getOperands()) {
      auto outer = operand.getDefiningOp<arith::ConstantOp>();
      if (outer && !map.contains(operand))
        map.map(operand, expandOp(kb, *outer, map, lanes));
    }
    map.map(op.getResult(0), expandOp(kb, op, map, lanes));
  }
  return map;
}

SmallVector<Value> expandBody(KernelBuilder &kb, Block &body, ValueRange arguments, int64_t lanes) {
  IRMapping map = mapBody(kb, body, arguments, lanes);
  return llvm::map_to_vector(body.getTerminator()->getOperands(), [&](Value v) { return map.lookupOrDefault(v); });
}

} // namespace anybit::cpu
