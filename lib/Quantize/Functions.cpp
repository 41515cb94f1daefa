//===- Functions.cpp ------------------------------------------------------===//
#include "Functions.h"

#include "Edges.h"
#include "Fragments.h"

#include "onnx-ml.pb.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace anybit::quantize {

SiteFunctions::SiteFunctions(const Network &network, Executor &executor)
    : network(network), executor(executor), chains(network.sites.size()) {
  Edges edges(network);
  StringMap<std::vector<size_t>> readers;
  for (size_t i = 0; i < network.steps.size(); ++i)
    for (const std::string &input : network.steps[i].node.inputs)
      readers[input].push_back(i);
  StringSet<> outputs;
  for (const onnx::ValueInfo &output : network.graph.outputs)
    outputs.insert(output.name);
  auto belongs = [&](size_t step, StringRef operand) {
    const Step &reader = network.steps[step];
    return reader.kind == Step::Kind::Plain && edges.rootOf(reader.node.outputs[0]) == operand;
  };
  auto readElsewhere = [&](StringRef value, StringRef operand) {
    return outputs.contains(value) ||
           llvm::any_of(readers[value], [&](size_t reader) { return !belongs(reader, operand); });
  };
  std::vector<bool> mixed(chains.size());
  for (const Step &step : network.steps) {
    if (step.kind != Step::Kind::Quantizer || !network.sites[step.index].wide)
      continue;
    Chain chain{step.node.outputs[0], {}, {}};
    mixed[step.index] = mixed[step.index] || readElsewhere(chain.operand, chain.operand);
    for (size_t i = 0; i < network.steps.size(); ++i)
      if (belongs(i, chain.operand)) {
        chain.steps.push_back(i);
        if (readElsewhere(network.steps[i].node.outputs[0], chain.operand))
          chain.results.push_back(network.steps[i].node.outputs[0]);
      }
    chains[step.index].push_back(std::move(chain));
  }
  for (size_t site = 0; site < chains.size(); ++site)
    if (mixed[site])
      chains[site].clear();
}

Expected<std::vector<Batch>> SiteFunctions::run(const Chain &chain, ArrayRef<float> points) {
  Batch operands{{1, int64_t(points.size())}, 1, points.vec()};
  FragmentBuilder builder;
  builder.addInput(chain.operand, operands.dims);
  StringSet<> seen;
  for (size_t step : chain.steps) {
    for (const std::string &input : network.steps[step].node.inputs)
      if (auto constant = network.graph.initializers.find(input);
          constant != network.graph.initializers.end() && seen.insert(input).second)
        builder.addConstant(input, constant->second);
    builder.addNode(network.steps[step].node);
  }
  for (const std::string &result : chain.results)
    builder.addOutput(result);
  std::unique_ptr<Program> &program = programs[serialize(builder.model())];
  if (!program) {
    Expected<std::unique_ptr<Program>> loaded = executor.load(builder.model());
    if (!loaded)
      return loaded.takeError();
    program = std::move(*loaded);
  }
  return program->run(1, {&operands});
}

Expected<FunctionValues> SiteFunctions::valuesAt(unsigned site, ArrayRef<float> points) {
  FunctionValues values;
  for (const Chain &chain : chains[site]) {
    Expected<std::vector<Batch>> results = run(chain, points);
    if (!results)
      return createStringError("the functions of '" + chain.operand + "': " + toString(results.takeError()));
    for (Batch &result : *results)
      values.push_back(std::move(result.values));
  }
  return values;
}

} // namespace anybit::quantize
