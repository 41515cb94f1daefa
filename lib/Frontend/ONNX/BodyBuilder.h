//===- BodyBuilder.h - writing the nodes of a function ----------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_BODYBUILDER_H
#define ANYBIT_LIB_FRONTEND_ONNX_BODYBUILDER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"

#include "onnx-ml.pb.h"

#include <map>

namespace anybit::onnx {

/// Appends nodes to a FunctionProto. Values are named by the node that makes them; equal constants are made once.
class BodyBuilder {
public:
  using Value = std::string;
  using Values = std::vector<Value>;

  explicit BodyBuilder(::onnx::FunctionProto &function) : function(function) {}

  Value add(llvm::StringRef op, const Values &inputs) { return append(op, inputs).output(0); }
  Value add(llvm::StringRef op, const Values &inputs, llvm::StringRef attribute, int64_t value);
  Value add(llvm::StringRef op, const Values &inputs, llvm::StringRef attribute, llvm::ArrayRef<int64_t> values);
  Values split(const Value &input, int parts, int64_t axis);

  Value ints(llvm::ArrayRef<int64_t> values);
  Value floats(llvm::ArrayRef<float> values);
  Value scalar(float value);
  Value reference(llvm::StringRef attribute); ///< The function's int attribute, rank 0.

  /// Gives `value` the name of the function's output.
  void finish(const Value &value, llvm::StringRef output);

private:
  ::onnx::NodeProto &append(llvm::StringRef op, const Values &inputs, int outputs = 1);
  ::onnx::AttributeProto &attribute(::onnx::NodeProto &node, llvm::StringRef name,
                                    ::onnx::AttributeProto::AttributeType type);

  ::onnx::FunctionProto &function;
  std::map<std::vector<int64_t>, Value> intConstants;
  std::map<float, Value> scalarConstants;
  int made = 0;
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_BODYBUILDER_H
