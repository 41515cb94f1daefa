//===- anybit-import.cpp - ONNX file to MLIR text --------------------------===//
//
// For developers and tests. Exit codes: 2 an invalid file or command line, 3 unsupported operators only.
//
//===----------------------------------------------------------------------===//
#include "anybit/Frontend/ONNX/Import.h"
#include "anybit/Frontend/ONNX/Loader.h"

#include "mlir/IR/AsmState.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

using namespace anybit::onnx;
namespace cl = llvm::cl;

static cl::opt<std::string> path(cl::Positional, cl::desc("<model.onnx>"), cl::Required);
static cl::list<std::string> pins("dim", cl::desc("size of a free dimension, by its name or INPUT:INDEX"),
                                  cl::value_desc("NAME=SIZE"));
static cl::opt<int64_t> foldedBytes("folded-bytes", cl::desc("the most bytes of constants that folding may make"),
                                    cl::init(ImportOptions().foldedBytes));
static cl::opt<bool> elide("elide", cl::desc("leave the bytes of large constants out"));

static int reportAll(llvm::ArrayRef<Problem> problems) {
  bool isInvalid = false;
  for (const Problem &problem : problems) {
    llvm::errs() << "error: " << problem.text << "\n";
    isInvalid |= problem.kind == Problem::Kind::Invalid;
  }
  return isInvalid ? 2 : 3;
}

int main(int argc, char **argv) {
  mlir::registerAsmPrinterCLOptions();
  cl::ParseCommandLineOptions(argc, argv, "reads an ONNX file and prints it as MLIR\n");
  ImportOptions options;
  options.foldedBytes = foldedBytes;
  for (llvm::StringRef pin : pins) {
    auto [name, text] = pin.rsplit('=');
    if (text.getAsInteger(10, options.dims[name])) {
      llvm::errs() << "error: --dim " << pin << ": expected NAME=SIZE\n";
      return 2;
    }
  }
  Model model;
  std::vector<Problem> problems;
  if (!loadModel(path, {}, model, problems))
    return reportAll(problems);
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, model, options, problems);
  if (!module)
    return reportAll(problems);
  mlir::OpPrintingFlags flags;
  if (elide)
    flags.elideLargeElementsAttrs(16).elideLargeResourceString(64);
  module->print(llvm::outs(), flags);
  return 0;
}
