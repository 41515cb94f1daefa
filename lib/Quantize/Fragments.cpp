//===- Fragments.cpp ------------------------------------------------------===//
#include "Fragments.h"

#include "onnx-ml.pb.h"

using namespace llvm;

namespace anybit::quantize {

FragmentBuilder::FragmentBuilder() : proto(std::make_unique<::onnx::ModelProto>()) {
  setVersions(*proto);
  proto->mutable_graph()->set_name("fragment");
}

FragmentBuilder::~FragmentBuilder() = default;

const std::string &FragmentBuilder::rename(StringRef name) {
  auto [entry, isNew] = renamed.try_emplace(name);
  if (isNew && !name.empty())
    entry->second = "v" + std::to_string(renamed.size());
  return entry->second;
}

void FragmentBuilder::addInput(StringRef name, ArrayRef<int64_t> dims) {
  onnx::ValueInfo value{rename(name), onnx::ElementType::Float, true, {}};
  for (int64_t dim : dims)
    value.dims.push_back({dim, ""});
  quantize::addInput(*proto->mutable_graph(), value);
}

void FragmentBuilder::addConstant(StringRef name, const onnx::Tensor &tensor) {
  addInitializer(*proto->mutable_graph(), rename(name), tensor);
}

void FragmentBuilder::addNode(onnx::Node node) {
  node.name = "n" + std::to_string(proto->graph().node_size());
  for (std::string &input : node.inputs)
    input = rename(input);
  for (std::string &output : node.outputs)
    output = rename(output);
  quantize::addNode(*proto->mutable_graph(), node);
}

void FragmentBuilder::addOutput(StringRef name) {
  quantize::addOutput(*proto->mutable_graph(), {rename(name), onnx::ElementType::Float, false, {}});
}

} // namespace anybit::quantize
