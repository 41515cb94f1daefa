//===- Fragments.h - one step as a model of its own -------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_FRAGMENTS_H
#define ANYBIT_LIB_QUANTIZE_FRAGMENTS_H

#include "Protos.h"

#include "llvm/ADT/StringMap.h"

#include <memory>

namespace anybit::quantize {

/// Builds a model whose names do not depend on the network, so that equal steps give equal bytes.
class FragmentBuilder {
public:
  FragmentBuilder();
  ~FragmentBuilder();

  void addInput(llvm::StringRef name, llvm::ArrayRef<int64_t> dims);
  void addConstant(llvm::StringRef name, const onnx::Tensor &tensor);
  void addNode(onnx::Node node);
  void addOutput(llvm::StringRef name);
  const ::onnx::ModelProto &model() const { return *proto; }

private:
  std::unique_ptr<::onnx::ModelProto> proto;
  llvm::StringMap<std::string> renamed;
  const std::string &rename(llvm::StringRef name);
};

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_FRAGMENTS_H
