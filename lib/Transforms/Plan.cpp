#include "PlanVariant.h"

#include "anybit/abi.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_PLAN
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// Names and types of the caller's tensors, from the attributes that the importer left.
void addSignature(ModuleOp module, func::FuncOp function) {
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto name = [&](Attribute given, const Twine &otherwise) -> Attribute {
    return given ? given : Attribute(builder.getStringAttr(otherwise));
  };
  SmallVector<Attribute> inputs, inputTypes, outputs, outputTypes;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    inputs.push_back(name(function.getArgAttr(i, "anybit.name"), "input" + Twine(i)));
    inputTypes.push_back(TypeAttr::get(function.getArgumentTypes()[i]));
  }
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    outputs.push_back(name(function.getResultAttr(i, "anybit.name"), "output" + Twine(i)));
    outputTypes.push_back(TypeAttr::get(function.getResultTypes()[i]));
  }
  plan::SignatureOp::create(builder, module.getLoc(), builder.getArrayAttr(inputs), builder.getArrayAttr(inputTypes),
                            builder.getArrayAttr(outputs), builder.getArrayAttr(outputTypes));
}

/// Named linalg ops other than the ones that the planner knows, as generics.
LogicalResult generalize(func::FuncOp function) {
  IRRewriter rewriter(function.getContext());
  SmallVector<linalg::LinalgOp> named;
  function.walk([&](linalg::LinalgOp op) {
    if (!isa<linalg::GenericOp, linalg::FillOp, linalg::TransposeOp>(op))
      named.push_back(op);
  });
  for (linalg::LinalgOp op : named) {
    rewriter.setInsertionPoint(op);
    if (failed(linalg::generalizeNamedOp(rewriter, op)))
      return op.emitOpError("has no kernel");
  }
  return success();
}

/// The planner gives places to tensors of known size, nothing else.
LogicalResult checkCandidate(func::FuncOp function) {
  if (function.isDeclaration())
    return function.emitOpError("is a candidate without a body");
  for (Type type : llvm::concat<const Type>(function.getArgumentTypes(), function.getResultTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape())
      return function.emitOpError("takes or returns ") << type << ", expected tensors of static shape";
    if (tensor.getRank() > int64_t(ANYBIT_MAX_RANK))
      return function.emitOpError("unsupported: takes or returns ")
             << type << " of rank " << tensor.getRank() << ", artifacts hold up to " << ANYBIT_MAX_RANK;
  }
  return success();
}

struct Plan : impl::PlanBase<Plan> {
  using PlanBase::PlanBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> candidates;
    for (auto function : module.getOps<func::FuncOp>())
      if (function->hasAttr("anybit.candidate"))
        candidates.push_back(function);
    if (candidates.empty())
      return;
    bool legal = true;
    for (func::FuncOp function : candidates)
      legal &= succeeded(checkCandidate(function));
    if (!legal)
      return signalPassFailure();
    addSignature(module, candidates.front());
    KernelPool kernels(module);
    ConstantPool constants(module);
    for (func::FuncOp function : candidates) {
      if (failed(generalize(function)) ||
          failed(VariantPlanner(function, target.cpu(), !noHalide, kernels, constants).run()))
        return signalPassFailure();
      function.erase();
    }
  }
};

} // namespace
} // namespace anybit
