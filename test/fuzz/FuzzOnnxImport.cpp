//===- FuzzOnnxImport.cpp - libFuzzer target of the importer --------------===//
#include "anybit/Frontend/ONNX/Import.h"
#include "anybit/Frontend/ONNX/Loader.h"

#include <cstdlib>

using namespace anybit::onnx;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  LoadOptions options;
  // With the largest constant of this build (Tensors.h) a bound on memory.
  options.limits.nodes = 200;
  options.limits.expandedBytes = 1 << 20;
  options.limits.tensorBytes = 1 << 20;
  options.limits.parsedBytes = 16 << 20;
  ImportOptions importOptions;
  importOptions.foldedBytes = 64 << 20;
  Model model;
  std::vector<Problem> problems;
  const llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(data), size);
  if (!loadModelFromBytes(bytes, "", options, model, problems))
    return 0;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  // A program, or reasons why there is none.
  if (bool(importModel(context, model, importOptions, problems)) != problems.empty())
    std::abort();
  return 0;
}
