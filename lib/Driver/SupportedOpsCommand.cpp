#include "CommandLine.h"

#include "anybit/Frontend/ONNX/Import.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

int anybit::driver::supportedOpsCommand(CommandLine &line) {
  for (const std::string &extra : line.inputs())
    line.problem("supported-ops takes no argument, got '" + extra + "'");
  if (line.report())
    return Invalid;
  bool markdown = line.has(OPT_markdown);
  StringRef row = markdown ? "| {0} | {1} | {2} | {3} | {4} |\n" : "{0,-26} {1,-10} {2,-6} {3,-8} {4}\n";
  outs() << formatv(row.data(), "op", "domain", "since", "newest", "limits");
  if (markdown)
    outs() << "|---|---|---|---|---|\n";
  for (const onnx::SupportedOp &op : onnx::supportedOps())
    outs() << formatv(row.data(), op.op, op.domain.empty() ? "ai.onnx" : op.domain, op.firstOpset, op.lastOpset,
                      op.notes);
  return Done;
}
