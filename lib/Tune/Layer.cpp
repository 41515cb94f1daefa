#include "Layer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

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

/// Constants of the network that the layer reads: weights, parameters per channel, and what its epilogue has from outside.
static SmallVector<Value> constantsOf(lowbit::ConvOp op) {
  llvm::SetVector<Value> above;
  getUsedValuesDefinedAbove(op.getEpilogue(), above);
  SmallVector<Value> constants{op.getWeights()};
  llvm::append_range(constants, above);
  llvm::copy_if(op.getParameters(), std::back_inserter(constants), isPerChannel);
  return constants;
}

bool canStandAlone(lowbit::ConvOp op) {
  return !op.getInitial() && llvm::all_of(constantsOf(op), [](Value value) {
    return value.getDefiningOp<arith::ConstantOp>() != nullptr;
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
  for (Value value : constantsOf(op))
    if (!mapping.contains(value))
      mapping.map(value, arith::ConstantOp::create(b, op.getLoc(), value.getDefiningOp<arith::ConstantOp>().getValue())
                             .getResult());
  auto alone = cast<lowbit::ConvOp>(b.clone(*op, mapping));
  alone.setChoice(cpu::toAttribute(b.getContext(), choice, ""));
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
