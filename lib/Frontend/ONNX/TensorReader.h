//===- TensorReader.h - TensorProto to Tensor -------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_TENSORREADER_H
#define ANYBIT_LIB_FRONTEND_ONNX_TENSORREADER_H

#include "Diagnostics.h"
#include "ExternalData.h"
#include "anybit/Frontend/ONNX/Loader.h"

#include "onnx-ml.pb.h"

namespace anybit::onnx {

/// The element type of a TensorProto or ValueInfoProto, or none with a problem. `owner` names it: "initializer 'w'".
std::optional<ElementType> readElementType(int32_t dataType, const llvm::Twine &owner, Diagnostics &diagnostics);

/// Reads tensors of every origin (initializers and attributes, inline and external), with one set of checks.
class TensorReader {
public:
  TensorReader(const Limits &limits, llvm::StringRef directory, Diagnostics &diagnostics)
      : limits(limits), external(directory), diagnostics(diagnostics) {}

  bool read(const ::onnx::TensorProto &proto, const llvm::Twine &owner, Tensor &tensor);

private:
  bool readDims(const ::onnx::TensorProto &proto, llvm::StringRef owner, Tensor &tensor, int64_t &count);
  bool readData(const ::onnx::TensorProto &proto, llvm::StringRef owner, ElementType type, int64_t count,
                std::vector<char> &data);
  bool readExternal(const ::onnx::TensorProto &proto, llvm::StringRef owner, uint64_t bytes, std::vector<char> &data);

  const Limits &limits;
  ExternalData external;
  Diagnostics &diagnostics;
  int64_t totalBytes = 0;
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_TENSORREADER_H
