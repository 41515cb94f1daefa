#include "Layer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace anybit::tune {

std::string describeLayer(lowbit::ConvOp op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  auto list = [&](llvm::StringRef name, ArrayRef<int64_t> values) {
    out << ", " << name << ' ';
    llvm::interleave(values, out, "x");
  };
  out << op.getInput().getType() << " up to " << op.getInputHigh() << " by " << op.getWeights().getType();
  if (op.getWeightFormat())
    out << ' ' << *op.getWeightFormat() << " zero " << int32_t(op.getWeightZero());
  list("strides", op.getStrides());
  list("pads", op.getPads());
  list("dilations", op.getDilations());
  out << ", groups " << op.getGroups() << ", parameters ";
  llvm::interleaveComma(op.getParameters().getTypes(), out);
  out << ", results ";
  llvm::interleaveComma(op.getOutputs().getTypes(), out);
  out << ", epilogue ";
  for (Operation &inner : op.getBody())
    out << inner.getName() << ' ';
  return text;
}

int64_t macsOf(lowbit::ConvOp op) {
  cpu::LayerShape layer = cpu::LayerShape::of(op);
  return layer.groups * layer.inputs * layer.outputs * layer.taps() * layer.positions();
}

static bool isPerChannel(Value parameter) { return cast<RankedTensorType>(parameter.getType()).getRank() == 1; }

bool canStandAlone(lowbit::ConvOp op) {
  auto isConstant = [](Value value) { return value.getDefiningOp<arith::ConstantOp>() != nullptr; };
  return isConstant(op.getWeights()) && llvm::all_of(op.getParameters(), [&](Value parameter) {
           return !isPerChannel(parameter) || isConstant(parameter);
         });
}

/// One candidate.
static void addFunction(OpBuilder &b, lowbit::ConvOp op, const cpu::KernelChoice &choice) {
  SmallVector<Value> given{op.getInput()};
  for (Value parameter : op.getParameters())
    if (!isPerChannel(parameter) && !llvm::is_contained(given, parameter))
      given.push_back(parameter);
  auto type = b.getFunctionType(ValueRange(given).getTypes(), op.getResultTypes());
  std::string name = cpu::toString(choice);
  auto function = func::FuncOp::create(b, op.getLoc(), name, type);
  function->setAttr("anybit.candidate", b.getStringAttr(name));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(function.addEntryBlock());
  IRMapping mapping;
  mapping.map(given, function.getArguments());
  for (Value operand : op->getOperands())
    if (!mapping.contains(operand)) {
      auto constant = operand.getDefiningOp<arith::ConstantOp>();
      mapping.map(operand, arith::ConstantOp::create(b, op.getLoc(), constant.getValue()));
    }
  auto alone = cast<lowbit::ConvOp>(b.clone(*op, mapping));
  alone.setChoice(lowbit::ChoiceAttr::get(b.getContext(), choice.family, choice.vectors, ""));
  func::ReturnOp::create(b, op.getLoc(), alone.getOutputs());
}

OwningOpRef<ModuleOp> layerModule(lowbit::ConvOp op, ArrayRef<cpu::KernelChoice> choices) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(op.getLoc());
  OpBuilder b = OpBuilder::atBlockEnd(module->getBody());
  for (const cpu::KernelChoice &choice : choices)
    addFunction(b, op, choice);
  return module;
}

} // namespace anybit::tune
