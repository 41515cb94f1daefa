#include "Prescan.h"

#include "onnx-ml.pb.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

using namespace onnx;
using google::protobuf::internal::WireFormatLite;
namespace io = google::protobuf::io;

namespace {

struct Shape;

/// A field that holds messages.
struct Child {
  int field;
  const Shape *shape;
};

/// A kind of message: its own size, and which of its fields hold messages. Other fields hold strings or numbers.
struct Shape {
  int64_t bytes;
  std::vector<Child> children;
};

/// The messages of the schema that nest or repeat.
class Schema {
public:
  Schema();
  Shape model{sizeof(ModelProto), {}};

private:
  Shape entry{sizeof(StringStringEntryProto), {}};
  Shape opset{sizeof(OperatorSetIdProto), {}};
  Shape dimension{sizeof(TensorShapeProto_Dimension), {}};
  Shape shape{sizeof(TensorShapeProto), {}};
  Shape tensorType{sizeof(TypeProto_Tensor), {}};
  Shape containerType{sizeof(TypeProto_Map), {}};
  Shape type{sizeof(TypeProto), {}};
  Shape value{sizeof(ValueInfoProto), {}};
  Shape tensor{sizeof(TensorProto), {}};
  Shape sparse{sizeof(SparseTensorProto), {}};
  Shape attribute{sizeof(AttributeProto), {}};
  Shape node{sizeof(NodeProto), {}};
  Shape annotation{sizeof(TensorAnnotation), {}};
  Shape graph{sizeof(GraphProto), {}};
  Shape function{sizeof(FunctionProto), {}};
  Shape training{sizeof(TrainingInfoProto), {}};
  Shape device{sizeof(NodeDeviceConfigurationProto), {}};
  Shape sharding{sizeof(ShardingSpecProto), {}};
  Shape shardedDimension{sizeof(ShardedDimProto), {}};
  Shape simpleDimension{sizeof(SimpleShardedDimProto), {}};
  Shape deviceGroup{sizeof(IntIntListEntryProto), {}};
  Shape configuration{sizeof(DeviceConfigurationProto), {}};
};

} // namespace

Schema::Schema() {
  shape.children = {{TensorShapeProto::kDimFieldNumber, &dimension}};
  tensorType.children = {{TypeProto_Tensor::kShapeFieldNumber, &shape}};
  containerType.children = {{TypeProto_Sequence::kElemTypeFieldNumber, &type},
                            {TypeProto_Map::kValueTypeFieldNumber, &type}};
  type.children = {{TypeProto::kTensorTypeFieldNumber, &tensorType},
                   {TypeProto::kSparseTensorTypeFieldNumber, &tensorType},
                   {TypeProto::kSequenceTypeFieldNumber, &containerType},
                   {TypeProto::kMapTypeFieldNumber, &containerType},
                   {TypeProto::kOptionalTypeFieldNumber, &containerType}};
  value.children = {{ValueInfoProto::kTypeFieldNumber, &type}, {ValueInfoProto::kMetadataPropsFieldNumber, &entry}};
  tensor.children = {{TensorProto::kExternalDataFieldNumber, &entry}, {TensorProto::kMetadataPropsFieldNumber, &entry}};
  sparse.children = {{SparseTensorProto::kValuesFieldNumber, &tensor},
                     {SparseTensorProto::kIndicesFieldNumber, &tensor}};
  attribute.children = {
      {AttributeProto::kTFieldNumber, &tensor},        {AttributeProto::kGFieldNumber, &graph},
      {AttributeProto::kTpFieldNumber, &type},         {AttributeProto::kSparseTensorFieldNumber, &sparse},
      {AttributeProto::kTensorsFieldNumber, &tensor},  {AttributeProto::kGraphsFieldNumber, &graph},
      {AttributeProto::kTypeProtosFieldNumber, &type}, {AttributeProto::kSparseTensorsFieldNumber, &sparse}};
  simpleDimension.children = {};
  shardedDimension.children = {{ShardedDimProto::kSimpleShardingFieldNumber, &simpleDimension}};
  sharding.children = {{ShardingSpecProto::kIndexToDeviceGroupMapFieldNumber, &deviceGroup},
                       {ShardingSpecProto::kShardedDimFieldNumber, &shardedDimension}};
  device.children = {{NodeDeviceConfigurationProto::kShardingSpecFieldNumber, &sharding}};
  node.children = {{NodeProto::kAttributeFieldNumber, &attribute},
                   {NodeProto::kMetadataPropsFieldNumber, &entry},
                   {NodeProto::kDeviceConfigurationsFieldNumber, &device}};
  annotation.children = {{TensorAnnotation::kQuantParameterTensorNamesFieldNumber, &entry}};
  graph.children = {{GraphProto::kNodeFieldNumber, &node},
                    {GraphProto::kInitializerFieldNumber, &tensor},
                    {GraphProto::kSparseInitializerFieldNumber, &sparse},
                    {GraphProto::kInputFieldNumber, &value},
                    {GraphProto::kOutputFieldNumber, &value},
                    {GraphProto::kValueInfoFieldNumber, &value},
                    {GraphProto::kQuantizationAnnotationFieldNumber, &annotation},
                    {GraphProto::kMetadataPropsFieldNumber, &entry}};
  function.children = {{FunctionProto::kNodeFieldNumber, &node},
                       {FunctionProto::kAttributeProtoFieldNumber, &attribute},
                       {FunctionProto::kOpsetImportFieldNumber, &opset},
                       {FunctionProto::kValueInfoFieldNumber, &value},
                       {FunctionProto::kMetadataPropsFieldNumber, &entry}};
  training.children = {{TrainingInfoProto::kInitializationFieldNumber, &graph},
                       {TrainingInfoProto::kAlgorithmFieldNumber, &graph},
                       {TrainingInfoProto::kInitializationBindingFieldNumber, &entry},
                       {TrainingInfoProto::kUpdateBindingFieldNumber, &entry}};
  model.children = {
      {ModelProto::kGraphFieldNumber, &graph},           {ModelProto::kFunctionsFieldNumber, &function},
      {ModelProto::kOpsetImportFieldNumber, &opset},     {ModelProto::kMetadataPropsFieldNumber, &entry},
      {ModelProto::kTrainingInfoFieldNumber, &training}, {ModelProto::kConfigurationFieldNumber, &configuration}};
}

static const Shape *childOf(const Shape &shape, int field) {
  for (const Child &child : shape.children)
    if (child.field == field)
      return child.shape;
  return nullptr;
}

namespace {
/// A walk over the fields of nested messages.
class Prescan {
public:
  Prescan(io::ZeroCopyInputStream &stream, int64_t limit) : input(&stream), limit(limit) {
    input.SetTotalBytesLimit(INT_MAX);
  }

  /// The fields up to the end of the message. False where the file is damaged or the limit is reached.
  bool scan(const Shape &shape, int depth);
  int64_t total = 0;

private:
  bool scanLengthDelimited(const Shape &shape, int field, int depth);
  bool skipNumber(WireFormatLite::WireType type);

  io::CodedInputStream input;
  const int64_t limit;
};
} // namespace

/// As deep as the parser goes.
static constexpr int deepest = 256;

bool Prescan::skipNumber(WireFormatLite::WireType type) {
  uint64_t ignored;
  switch (type) {
  case WireFormatLite::WIRETYPE_VARINT:
    return input.ReadVarint64(&ignored);
  case WireFormatLite::WIRETYPE_FIXED32:
    return input.Skip(4);
  case WireFormatLite::WIRETYPE_FIXED64:
    return input.Skip(8);
  default:
    return true; // the fields of a group are looked at like those around it
  }
}

bool Prescan::scanLengthDelimited(const Shape &shape, int field, int depth) {
  uint32_t length = 0;
  if (!input.ReadVarint32(&length) || length > INT_MAX)
    return false;
  const Shape *child = childOf(shape, field);
  total += int64_t(sizeof(void *)) + (child ? child->bytes : int64_t(sizeof(std::string)));
  if (total > limit || (child && depth >= deepest))
    return false;
  if (!child)
    return input.Skip(int(length));
  const auto outer = input.PushLimit(int(length));
  const bool whole = scan(*child, depth + 1);
  input.PopLimit(outer);
  return whole;
}

bool Prescan::scan(const Shape &shape, int depth) {
  while (const uint32_t tag = input.ReadTag()) {
    const WireFormatLite::WireType type = WireFormatLite::GetTagWireType(tag);
    const bool going = type == WireFormatLite::WIRETYPE_LENGTH_DELIMITED
                           ? scanLengthDelimited(shape, WireFormatLite::GetTagFieldNumber(tag), depth)
                           : skipNumber(type);
    if (!going)
      return false;
  }
  return input.ConsumedEntireMessage();
}

int64_t anybit::onnx::parsedSize(io::ZeroCopyInputStream &stream, int64_t limit) {
  static const Schema schema;
  Prescan prescan(stream, limit);
  (void)prescan.scan(schema.model, 0);
  return prescan.total;
}
