//===- Protos.h - nodes and tensors as ONNX messages ------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_PROTOS_H
#define ANYBIT_LIB_QUANTIZE_PROTOS_H

#include "anybit/Frontend/ONNX/Graph.h"

#include <string>

namespace onnx {
class GraphProto;
class ModelProto;
class NodeProto;
class TensorProto;
} // namespace onnx

namespace anybit::quantize {

/// IR version 10 and opset 17 (convention C6).
void setVersions(::onnx::ModelProto &model);

/// Appends `node`; attributes are sorted by name.
::onnx::NodeProto &addNode(::onnx::GraphProto &graph, const onnx::Node &node);

/// Appends an initializer.
::onnx::TensorProto &addInitializer(::onnx::GraphProto &graph, llvm::StringRef name, const onnx::Tensor &tensor);

/// Appends an input or output; free dimensions stay free.
void addInput(::onnx::GraphProto &graph, const onnx::ValueInfo &value);
void addOutput(::onnx::GraphProto &graph, const onnx::ValueInfo &value);

/// The bytes of `model`, the same for equal models.
std::string serialize(const ::onnx::ModelProto &model);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_PROTOS_H
