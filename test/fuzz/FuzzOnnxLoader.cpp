//===- FuzzOnnxLoader.cpp - libFuzzer target of the ONNX reader -----------===//
#include "anybit/Frontend/ONNX/Loader.h"

#include <cstdlib>

using namespace anybit::onnx;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  LoadOptions options;
  options.limits.nodes = 10000; // a time limit on local functions that call each other
  options.limits.expandedBytes = 1 << 22;
  Model model;
  std::vector<Problem> problems;
  const llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(data), size);
  if (loadModelFromBytes(bytes, "", options, model, problems) != problems.empty())
    std::abort();
  return 0;
}
