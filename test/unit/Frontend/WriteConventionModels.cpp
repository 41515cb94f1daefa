//===- WriteConventionModels.cpp - one model per convention function ------===//
//
// write-convention-models DIRECTORY: for each function of the convention files
// <op>.<overload>.<rank>.<group>.onnx whose graph is one call.
//
//===----------------------------------------------------------------------===//
#include "anybit/Frontend/ONNX/Convention.h"

#include "llvm/Support/raw_ostream.h"

#include "onnx-ml.pb.h"

#include <fstream>

using namespace anybit::onnx;
using ::onnx::TensorProto;

static void addInput(::onnx::ModelProto &model, const std::string &name, int type, int rank) {
  ::onnx::ValueInfoProto &input = *model.mutable_graph()->add_input();
  input.set_name(name);
  input.mutable_type()->mutable_tensor_type()->set_elem_type(type);
  ::onnx::TensorShapeProto &shape = *input.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (int i = 0; i < rank; ++i)
    shape.add_dim()->set_dim_param(name + std::to_string(i));
}

static ::onnx::ModelProto makeModel(const ConventionFunction &function, int rank, int group) {
  ::onnx::ModelProto model;
  model.set_ir_version(10);
  model.add_opset_import()->set_version(17);
  ::onnx::GraphProto &graph = *model.mutable_graph();
  graph.set_name("call");
  ::onnx::NodeProto &node = *graph.add_node();
  node.set_name("call");
  node.set_domain(conventionDomain.str());
  node.set_op_type(function.op);
  node.set_overload(overloadOf(function));
  const ::onnx::FunctionProto body = buildConventionFunction(function);
  for (const std::string &name : body.input()) {
    const bool isData = name == "x" || name == "w" || name == "scale" || name == "zero_point";
    const int type = name == "bits"         ? TensorProto::INT64
                     : name == "zero_point" ? TensorProto::INT32
                                            : TensorProto::FLOAT;
    addInput(model, name, type, isData ? rank : name == "alpha" ? 1 : 0);
    node.add_input(name);
  }
  if (group != 1) {
    ::onnx::AttributeProto &attribute = *node.add_attribute();
    attribute.set_name("group");
    attribute.set_type(::onnx::AttributeProto::INT);
    attribute.set_i(group);
  }
  node.add_output("y");
  ::onnx::ValueInfoProto &output = *graph.add_output();
  output.set_name("y");
  output.mutable_type()->mutable_tensor_type()->set_elem_type(TensorProto::FLOAT);
  addConventionFunctions(model);
  return model;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    llvm::errs() << "usage: write-convention-models DIRECTORY\n";
    return 2;
  }
  for (const ConventionFunction &function : conventionFunctions()) {
    const bool isMix = function.op == "MixBands";
    for (int rank : isMix ? std::vector{2, 3, 4} : std::vector{0, 1, 4})
      for (int group : isMix ? std::vector{1, 2, 3} : std::vector{1}) {
        const std::string name = function.op + "." + overloadOf(function) + "." + std::to_string(rank) + "." +
                                 std::to_string(group) + ".onnx";
        std::ofstream file(std::string(argv[1]) + "/" + name, std::ios::binary);
        if (!makeModel(function, rank, group).SerializeToOstream(&file)) {
          llvm::errs() << "cannot write " << name << "\n";
          return 1;
        }
      }
  }
  return 0;
}
