//===- Loader.h - reading ONNX files ----------------------------*- C++ -*-===//
//
// Reads an untrusted ONNX file into a checked `Model`. Nothing here knows MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_FRONTEND_ONNX_LOADER_H
#define ANYBIT_FRONTEND_ONNX_LOADER_H

#include "anybit/Frontend/ONNX/Graph.h"

namespace anybit::onnx {

/// Bounds on what a file may ask for. A file beyond one of them is refused, never truncated.
struct Limits {
  int64_t fileBytes = (int64_t(1) << 31) - 1; ///< Of the model file itself, without external data.
  int64_t parsedBytes = int64_t(1) << 30;     ///< Of memory for messages and strings, without their content.
  int64_t tensorElements = int64_t(1) << 31;  ///< Per tensor.
  int64_t tensorBytes = int64_t(16) << 30;    ///< In memory, of all tensors together.
  int64_t expandedBytes = int64_t(1) << 30;   ///< Names and attributes of all nodes after inlining.
  int64_t nodes = 1000000;                    ///< After inlining, subgraphs included.
  int64_t functions = 10000;
  int64_t attributesPerNode = 100000;
  int64_t nameBytes = 1 << 20;
  int64_t rank = 64;
  int64_t candidates = 256;
  unsigned callDepth = 64;
  unsigned graphDepth = 16; ///< Nesting of subgraphs, calls included.
  unsigned problems = 100;  ///< Reported; the rest is counted.
};

/// The versions this reader knows; both ends included.
inline constexpr int64_t minIrVersion = 3, maxIrVersion = 14, minOpset = 8, maxOpset = 28;

struct LoadOptions {
  Limits limits;
};

/// Reads the ONNX file at `path`; external data is looked up below its directory, without following links.
/// Returns true and fills `model` if the file is sound; else appends everything that is wrong to `problems`
/// and leaves `model` unspecified. Never throws on account of the file's content.
bool loadModel(llvm::StringRef path, const LoadOptions &options, Model &model, std::vector<Problem> &problems);

/// As loadModel, for bytes in memory. External data is looked up below `baseDirectory`, and refused if that is empty.
bool loadModelFromBytes(llvm::ArrayRef<char> bytes, llvm::StringRef baseDirectory, const LoadOptions &options,
                        Model &model, std::vector<Problem> &problems);

} // namespace anybit::onnx

#endif // ANYBIT_FRONTEND_ONNX_LOADER_H
