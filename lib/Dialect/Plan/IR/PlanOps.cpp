#include "anybit/Dialect/Plan/IR/Plan.h"

#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace anybit::plan;

/// Whether `symbol` names an `Op` of the module around `user`; `what` says what it should name.
template <class Op>
static LogicalResult verifySymbol(Operation *user, FlatSymbolRefAttr symbol, StringRef what,
                                  SymbolTableCollection &symbols) {
  if (symbols.lookupNearestSymbolFrom<Op>(user, symbol))
    return success();
  return user->emitOpError("uses ") << symbol << ", which is no " << what << " of the module";
}

LogicalResult SignatureOp::verify() {
  if (getInputNames().size() != getInputTypes().size() || getOutputNames().size() != getOutputTypes().size())
    return emitOpError("needs a name for every tensor");
  for (ArrayAttr types : {getInputTypes(), getOutputTypes()})
    for (Type type : types.getAsValueRange<TypeAttr>())
      if (auto tensor = dyn_cast<RankedTensorType>(type); !tensor || !tensor.hasStaticShape())
        return emitOpError("has the type ") << type << ", expected a tensor of static shape";
  return success();
}

void VariantOp::build(OpBuilder &builder, OperationState &state, StringRef name, int64_t arenaBytes,
                      int64_t slotBytes) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getArenaBytesAttrName(state.name), builder.getI64IntegerAttr(arenaBytes));
  state.addAttribute(getSlotBytesAttrName(state.name), builder.getI64IntegerAttr(slotBytes));
  state.addRegion()->emplaceBlock();
}

LogicalResult VariantOp::verify() {
  if (int64_t(getArenaBytes()) < 0)
    return emitOpError("has an arena of ") << int64_t(getArenaBytes()) << " bytes";
  for (Operation &op : getBody().front())
    if (!isa<DispatchOp, RebuildOp>(op))
      return emitOpError("holds dispatches and rebuilds only").attachNote(op.getLoc()) << "this is neither";
  return success();
}

LogicalResult DispatchOp::verify() {
  if (int64_t(getGrid()) < 0 || int64_t(getMacs()) < 0)
    return emitOpError("has a negative grid or a negative count of multiply-accumulates");
  if (getClaim() && (int64_t(*getClaim()) < 1 || *getClaim() > getGrid()))
    return emitOpError("has a claim of ") << int64_t(*getClaim()) << " of a grid of " << getGrid();
  uint64_t arena = (*this)->getParentOfType<VariantOp>().getArenaBytes();
  for (auto argument : getArguments().getAsRange<ArgumentAttr>()) {
    if (argument.getKind() == ArgumentKind::Arena && argument.getOffset() > arena)
      return emitOpError("has an argument at byte ") << argument.getOffset() << " of an arena of " << arena;
    if ((argument.getKind() == ArgumentKind::Constant) != bool(argument.getSymbol()))
      return emitOpError("needs a symbol for constants, and for constants only");
  }
  return success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(verifySymbol<FunctionOpInterface>(*this, getKernelAttr(), "kernel", symbols)))
    return failure();
  for (auto argument : getArguments().getAsRange<ArgumentAttr>())
    if (argument.getSymbol() && failed(verifySymbol<ConstantOp>(*this, argument.getSymbol(), "constant", symbols)))
      return failure();
  return success();
}

LogicalResult MasterOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifySymbol<ConstantOp>(*this, getValuesAttr(), "constant", symbols);
}

LogicalResult MasterOp::verify() {
  if (getShape().size() != 5)
    return emitOpError("has a shape of ") << getShape().size() << " numbers, expected outputs, inputs, height, width, groups";
  if (llvm::any_of(getShape(), [](int64_t size) { return size < 1; }))
    return emitOpError("has a size below 1");
  return success();
}

LogicalResult RebuildOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(verifySymbol<MasterOp>(*this, getMasterAttr(), "master", symbols)))
    return failure();
  return verifySymbol<ConstantOp>(*this, getScalesAttr(), "constant", symbols);
}

LogicalResult RebuildOp::verify() {
  if (getAlpha().size() != 4)
    return emitOpError("needs 4 band factors, got ") << getAlpha().size(); // numerics N3
  if (getBits() < 1 || getBits() > 8)
    return emitOpError("has a width of ") << getBits() << " bits, expected 1 to 8"; // numerics N2
  uint64_t slot = (*this)->getParentOfType<VariantOp>().getSlotBytes();
  if (getWeightOffset() >= slot || getInitialOffset() >= slot)
    return emitOpError("writes past a slot of ") << slot << " bytes";
  return success();
}
