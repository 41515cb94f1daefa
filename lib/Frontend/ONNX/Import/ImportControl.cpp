#include "OpTable.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

static LogicalResult importIf(NodeContext &ctx) {
  std::optional<double> condition = ctx.scalar(0);
  if (!condition) {
    for (StringRef name : {"then_branch", "else_branch"})
      if (const onnx::Attribute *branch = ctx.attribute(name, onnx::Attribute::Kind::Graph); branch && branch->graph)
        ctx.reportUnknownOperators(*branch->graph);
    return ctx.unsupported("the condition " + ctx.node.inputs[0] +
                           " must be one constant; branches are chosen at compile time");
  }
  const onnx::Attribute *branch =
      ctx.attribute(*condition != 0 ? "then_branch" : "else_branch", onnx::Attribute::Kind::Graph);
  if (!branch || !branch->graph || branch->graph->outputs.size() != ctx.node.outputs.size())
    return ctx.invalid("its branch does not have the outputs of the node");
  if (failed(ctx.importGraph(*branch->graph)))
    return failure();
  for (auto [i, output] : llvm::enumerate(branch->graph->outputs))
    ctx.resultAlias(i, output.name);
  return success();
}

void anybit::onnx::addControlOps(OpTable &table) {
  table.add("If", {1, 11, 13, 16, 19, 21, 23, 24, 25}).raw(allInputs).emit(importIf).notes("constant condition");
}
