#include "anybit/Transforms/Passes.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_SPECIALIZE
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// All candidates of the module, in the order of the file.
SmallVector<std::string> moduleCandidates(ModuleOp module) {
  SmallVector<std::string> names;
  if (auto list = module->getAttrOfType<ArrayAttr>("anybit.candidates"))
    for (auto name : list.getAsRange<StringAttr>())
      names.push_back(name.str());
  return names;
}

std::optional<unsigned> candidateArgument(func::FuncOp main) {
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    if (main.getArgAttr(i, "anybit.candidate"))
      return i;
  return std::nullopt;
}

/// A copy of `main` in which the candidate's argument is the constant `index`.
LogicalResult specialize(func::FuncOp main, unsigned argument, int64_t index, StringRef name) {
  OpBuilder builder(main);
  auto clone = cast<func::FuncOp>(builder.clone(*main));
  clone.setName(name);
  clone->setAttr("anybit.candidate", builder.getStringAttr(name));
  builder.setInsertionPointToStart(&clone.getBody().front());
  auto type = cast<RankedTensorType>(clone.getArgument(argument).getType());
  auto value = DenseElementsAttr::get(type, ArrayRef<int64_t>(index));
  clone.getArgument(argument).replaceAllUsesWith(arith::ConstantOp::create(builder, clone.getLoc(), value));
  return clone.eraseArgument(argument);
}

struct Specialize : impl::SpecializeBase<Specialize> {
  using SpecializeBase::SpecializeBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    SmallVector<std::string> known = moduleCandidates(module);
    std::optional<unsigned> argument = main ? candidateArgument(main) : std::nullopt;
    if (main && (known.empty() || !argument))
      return nameSingle(main);
    SmallVector<std::string> wanted(candidates.begin(), candidates.end());
    for (const std::string &name : wanted.empty() ? known : wanted) {
      auto found = llvm::find(known, name);
      if (found == known.end()) {
        module.emitError("the model has no candidate ") << name << ", it has " << llvm::join(known, ", ");
        return signalPassFailure();
      }
      if (failed(main ? specialize(main, *argument, found - known.begin(), name) : moveToEnd(module, name)))
        return signalPassFailure();
    }
    if (main)
      main.erase();
    else
      eraseOthers(module, wanted);
  }

  /// Of a module that has a function for each candidate.
  LogicalResult moveToEnd(ModuleOp module, StringRef name) {
    auto function = module.lookupSymbol<func::FuncOp>(name);
    if (!function)
      return module.emitError("there is neither @main nor a function of candidate ") << name;
    function->moveBefore(module.getBody(), module.getBody()->end());
    return success();
  }

  void eraseOthers(ModuleOp module, ArrayRef<std::string> wanted) {
    if (wanted.empty())
      return;
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (function->hasAttr("anybit.candidate") && !llvm::is_contained(wanted, function.getName()))
        function.erase();
  }

  void nameSingle(func::FuncOp main) {
    bool quantized = main.walk([](msq::QuantizeOp) { return WalkResult::interrupt(); }).wasInterrupted();
    StringRef name = quantized ? "default" : "f32";
    main.setName(name);
    main->setAttr("anybit.candidate", StringAttr::get(&getContext(), name));
    for (const std::string &wanted : candidates)
      if (wanted != name) {
        main.emitError("the model has no candidate ") << wanted << ", it has " << name;
        return signalPassFailure();
      }
  }
};

} // namespace
} // namespace anybit
