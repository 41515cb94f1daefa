//===- Executor.h - what calibration runs on --------------------*- C++ -*-===//
//
// Calibration looks at values between layers. It cuts the network into small graphs (a layer without its weights, a
// chain of other nodes) and asks an executor to run each of them on all samples. Weights are inputs of such a graph, so
// that one program serves every candidate and every layer of the same shape.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_QUANTIZE_EXECUTOR_H
#define ANYBIT_QUANTIZE_EXECUTOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace onnx {
class ModelProto;
} // namespace onnx

namespace anybit::quantize {

/// One float32 value of the network for many samples: `rows` row-major tensors of shape `dims`, one after the other.
struct Batch {
  llvm::SmallVector<int64_t, 4> dims; ///< Of one sample, its leading dimension included.
  size_t rows = 0;
  std::vector<float> values;

  /// Elements of one row.
  size_t stride() const { return rows ? values.size() / rows : 0; }
  llvm::ArrayRef<float> row(size_t index) const {
    return llvm::ArrayRef<float>(values).slice(index * stride(), stride());
  }
  llvm::MutableArrayRef<float> row(size_t index) {
    return llvm::MutableArrayRef<float>(values).slice(index * stride(), stride());
  }
};

/// A small graph, ready to run. Thread rule: one call at a time.
class Program {
public:
  virtual ~Program();

  /// Runs the graph once for each of `samples` samples. `inputs` are in the order of the graph's inputs; each has
  /// `samples` rows, or one row that all samples share. Returns one batch of `samples` rows per graph output.
  virtual llvm::Expected<std::vector<Batch>> run(size_t samples, llvm::ArrayRef<const Batch *> inputs) = 0;
};

/// Makes programs. The caller keeps them and asks for each distinct graph once.
class Executor {
public:
  virtual ~Executor();

  /// `model` has float32 inputs of fixed shapes, float32 outputs whose shapes are left open, opset 17, and no
  /// candidate. An error says which node cannot run and why.
  virtual llvm::Expected<std::unique_ptr<Program>> load(const ::onnx::ModelProto &model) = 0;
};

} // namespace anybit::quantize

#endif // ANYBIT_QUANTIZE_EXECUTOR_H
