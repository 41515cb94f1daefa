#include "Inspect.h"

#include "anybit/Frontend/ONNX/Import.h"
#include "anybit/Frontend/ONNX/Loader.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <map>

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

/// Nodes per op; ops of other domains are written domain.Op. Sorted by name.
using OpCounts = std::map<std::string, int64_t>;

static OpCounts countOps(const onnx::Graph &graph) {
  OpCounts counts;
  for (const onnx::Node &node : graph.nodes)
    ++counts[node.domain.empty() ? node.op : node.domain + "." + node.op];
  return counts;
}

/// "N", "3" or "?" per dimension.
static std::vector<std::string> dimensionTexts(const onnx::ValueInfo &value) {
  std::vector<std::string> texts;
  for (const onnx::Dimension &dimension : value.dims)
    texts.push_back(dimension.value ? itostr(*dimension.value) : dimension.name.empty() ? "?" : dimension.name);
  return texts;
}

static json::Array valuesToJson(ArrayRef<onnx::ValueInfo> values) {
  json::Array rows;
  for (const onnx::ValueInfo &value : values)
    rows.push_back(json::Object{
        {"name", value.name}, {"type", onnx::elementName(value.type)}, {"shape", json::Array(dimensionTexts(value))}});
  return rows;
}

static void printJson(const onnx::Model &model, ArrayRef<onnx::Problem> problems) {
  json::Object opsets, ops;
  for (const auto &[domain, version] : model.opsets)
    opsets[domain.empty() ? "ai.onnx" : domain] = version;
  for (const auto &[op, count] : countOps(model.graph))
    ops[op] = count;
  json::Array sentences;
  for (const onnx::Problem &problem : problems)
    sentences.push_back(problem.text);
  json::Value value = json::Object{{"model", model.graph.name},
                                   {"producer", model.producer},
                                   {"ir_version", model.irVersion},
                                   {"opsets", std::move(opsets)},
                                   {"inputs", valuesToJson(model.graph.inputs)},
                                   {"outputs", valuesToJson(model.graph.outputs)},
                                   {"candidates", json::Array(model.candidates)},
                                   {"ops", std::move(ops)},
                                   {"supported", problems.empty()},
                                   {"problems", std::move(sentences)}};
  outs() << formatv("{0:2}\n", value);
}

static void printValues(StringRef what, ArrayRef<onnx::ValueInfo> values) {
  for (const onnx::ValueInfo &value : values)
    outs() << formatv("{0,-10} {1} {2} {3}\n", what, value.name, onnx::elementName(value.type),
                      value.hasShape ? join(dimensionTexts(value), "x") : "of unknown shape");
}

static void printText(const onnx::Model &model, ArrayRef<onnx::Problem> problems) {
  outs() << formatv("model      {0}\nproducer   {1}, ir version {2}\n", model.graph.name, model.producer,
                    model.irVersion);
  for (const auto &[domain, version] : model.opsets)
    outs() << formatv("opset      {0} {1}\n", domain.empty() ? "ai.onnx" : domain, version);
  printValues("input", model.graph.inputs);
  printValues("output", model.graph.outputs);
  outs() << "candidates " << (model.candidates.empty() ? "none" : join(model.candidates, ", ")) << "\n\n";
  for (const auto &[op, count] : countOps(model.graph))
    outs() << formatv("{0,6} {1}\n", count, op);
  outs() << "\nsupported  " << (problems.empty() ? "yes\n" : "no\n");
}

/// Prints the problems and returns the exit code of the worst kind.
static int reportProblems(const std::string &path, ArrayRef<onnx::Problem> problems) {
  int code = Done;
  for (const onnx::Problem &problem : problems) {
    bool invalid = problem.kind == onnx::Problem::Kind::Invalid;
    fail(path + ": " + problem.text);
    code = invalid || code == Invalid ? Invalid : Unsupported;
  }
  return code;
}

int anybit::driver::inspectModel(const std::string &path, bool json) {
  onnx::Model model;
  std::vector<onnx::Problem> problems;
  if (!onnx::loadModel(path, onnx::LoadOptions(), model, problems))
    return reportProblems(path, problems);
  mlir::MLIRContext context;
  onnx::loadImportDialects(context);
  onnx::importModel(context, model, onnx::ImportOptions(), problems);
  if (json)
    printJson(model, problems);
  else
    printText(model, problems);
  return reportProblems(path, problems);
}
