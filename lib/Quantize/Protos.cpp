//===- Protos.cpp ---------------------------------------------------------===//
#include "Protos.h"

#include "onnx-ml.pb.h"

#include "llvm/ADT/STLExtras.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

using namespace llvm;

namespace anybit::quantize {

using onnx::Attribute;
using onnx::ElementType;

namespace {

void fillTensor(::onnx::TensorProto &proto, const onnx::Tensor &tensor) {
  proto.set_data_type(int32_t(tensor.type));
  for (int64_t dim : tensor.dims)
    proto.add_dims(dim);
  proto.set_raw_data(tensor.bytes().data(), tensor.bytes().size());
}

void fillAttribute(::onnx::AttributeProto &proto, const Attribute &attribute) {
  switch (attribute.kind) {
  case Attribute::Kind::Float:
    proto.set_type(::onnx::AttributeProto::FLOAT);
    return proto.set_f(attribute.f);
  case Attribute::Kind::Int:
    proto.set_type(::onnx::AttributeProto::INT);
    return proto.set_i(attribute.i);
  case Attribute::Kind::String:
    proto.set_type(::onnx::AttributeProto::STRING);
    return proto.set_s(attribute.s);
  case Attribute::Kind::Tensor:
    proto.set_type(::onnx::AttributeProto::TENSOR);
    return fillTensor(*proto.mutable_t(), attribute.tensor);
  case Attribute::Kind::Floats:
    proto.set_type(::onnx::AttributeProto::FLOATS);
    for (float value : attribute.floats)
      proto.add_floats(value);
    return;
  case Attribute::Kind::Ints:
    proto.set_type(::onnx::AttributeProto::INTS);
    for (int64_t value : attribute.ints)
      proto.add_ints(value);
    return;
  case Attribute::Kind::Strings:
    proto.set_type(::onnx::AttributeProto::STRINGS);
    for (const std::string &value : attribute.strings)
      proto.add_strings(value);
    return;
  case Attribute::Kind::Graph: // Refused by the upgrade.
    return;
  }
}

void fillValue(::onnx::ValueInfoProto &proto, const onnx::ValueInfo &value) {
  proto.set_name(value.name);
  ::onnx::TypeProto::Tensor &type = *proto.mutable_type()->mutable_tensor_type();
  type.set_elem_type(int32_t(value.type));
  if (!value.hasShape)
    return;
  ::onnx::TensorShapeProto &shape = *type.mutable_shape();
  for (const onnx::Dimension &dim : value.dims) {
    ::onnx::TensorShapeProto::Dimension &slot = *shape.add_dim();
    if (dim.value)
      slot.set_dim_value(*dim.value);
    else if (!dim.name.empty())
      slot.set_dim_param(dim.name);
  }
}

} // namespace

void setVersions(::onnx::ModelProto &model) {
  model.set_ir_version(10);
  ::onnx::OperatorSetIdProto &opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(17);
}

::onnx::NodeProto &addNode(::onnx::GraphProto &graph, const onnx::Node &node) {
  ::onnx::NodeProto &proto = *graph.add_node();
  proto.set_name(node.name);
  proto.set_op_type(node.op);
  proto.set_domain(node.domain);
  for (const std::string &input : node.inputs)
    proto.add_input(input);
  for (const std::string &output : node.outputs)
    proto.add_output(output);
  std::vector<StringRef> names;
  for (const auto &entry : node.attributes)
    names.push_back(entry.getKey());
  llvm::sort(names);
  for (StringRef name : names) {
    ::onnx::AttributeProto &attribute = *proto.add_attribute();
    attribute.set_name(name.str());
    fillAttribute(attribute, node.attributes.find(name)->second);
  }
  return proto;
}

::onnx::TensorProto &addInitializer(::onnx::GraphProto &graph, StringRef name, const onnx::Tensor &tensor) {
  ::onnx::TensorProto &proto = *graph.add_initializer();
  proto.set_name(name.str());
  fillTensor(proto, tensor);
  return proto;
}

void addInput(::onnx::GraphProto &graph, const onnx::ValueInfo &value) { fillValue(*graph.add_input(), value); }

void addOutput(::onnx::GraphProto &graph, const onnx::ValueInfo &value) { fillValue(*graph.add_output(), value); }

std::string serialize(const ::onnx::ModelProto &model) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    model.SerializeToCodedStream(&coded);
  }
  return bytes;
}

} // namespace anybit::quantize
