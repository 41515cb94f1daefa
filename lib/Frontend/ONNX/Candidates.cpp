#include "Candidates.h"

#include "GraphBuilder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;

namespace anybit::onnx {

static void readNames(StringRef text, const Limits &limits, Model &model, Diagnostics &diagnostics) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  if (static_cast<int64_t>(parts.size()) > limits.candidates) {
    diagnostics.invalid("metadata anybit.candidates lists " + Twine(parts.size()) + " candidates; at most " +
                        Twine(limits.candidates) + " are allowed");
    return;
  }
  StringSet<> seen;
  for (StringRef part : parts) {
    const StringRef name = part.trim();
    if (name.empty())
      diagnostics.invalid("metadata anybit.candidates " + quoted(text) + " has an empty candidate name");
    else if (!seen.insert(name).second)
      diagnostics.invalid("metadata anybit.candidates names " + quoted(name) + " twice");
    model.candidates.push_back(name.str());
  }
}

static void checkInput(const Model &model, Diagnostics &diagnostics) {
  const auto isCandidate = [](const ValueInfo &input) { return input.name == candidateInput; };
  const auto input = find_if(model.graph.inputs, isCandidate);
  if (input == model.graph.inputs.end()) {
    diagnostics.invalid("metadata anybit.candidates lists " + Twine(model.candidates.size()) +
                        " candidates, but the graph has no input 'candidate'");
    return;
  }
  if (input->type != ElementType::Int64)
    diagnostics.invalid("graph input 'candidate' has element type " + elementName(input->type) + "; it must be int64");
  if (!input->hasShape)
    diagnostics.invalid("graph input 'candidate' has no shape; it must be a scalar (rank 0)");
  else if (!input->dims.empty())
    diagnostics.invalid("graph input 'candidate' has rank " + Twine(input->dims.size()) +
                        "; it must be a scalar (rank 0)");
}

/// Checks that every table that is gathered by the candidate has a row for each; `tables` are the initializers in
/// sight.
static void checkTables(const Graph &graph, SmallVector<const Graph *> &outer, size_t candidates,
                        Diagnostics &diagnostics) {
  outer.push_back(&graph);
  for (const Node &node : graph.nodes) {
    for (const auto &attribute : node.attributes)
      if (attribute.second.graph)
        checkTables(*attribute.second.graph, outer, candidates, diagnostics);
    const auto axis = node.attributes.find("axis");
    if (node.op != "Gather" || !node.domain.empty() || node.inputs.size() != 2 || node.inputs[1] != candidateInput ||
        (axis != node.attributes.end() && axis->second.i != 0))
      continue;
    for (const Graph *owner : outer) {
      const auto table = owner->initializers.find(node.inputs[0]);
      if (table == owner->initializers.end())
        continue;
      const ArrayRef<int64_t> dims = table->second.dims;
      if (dims.empty())
        diagnostics.invalid(describe(node) + " gathers " + quoted(node.inputs[0]) +
                            " by the candidate, but that is a scalar and no table");
      else if (dims[0] != static_cast<int64_t>(candidates))
        diagnostics.invalid(describe(node) + " gathers " + quoted(node.inputs[0]) + " by the candidate; it has " +
                            Twine(dims[0]) + " rows, but there are " + Twine(candidates) + " candidates");
    }
  }
  outer.pop_back();
}

void readCandidates(Model &model, const Limits &limits, Diagnostics &diagnostics) {
  const auto names = model.metadata.find(candidatesKey);
  if (names == model.metadata.end())
    return;
  const size_t before = diagnostics.count();
  readNames(names->second, limits, model, diagnostics);
  checkInput(model, diagnostics);
  if (diagnostics.count() != before)
    return;
  SmallVector<const Graph *> outer;
  checkTables(model.graph, outer, model.candidates.size(), diagnostics);
}

} // namespace anybit::onnx
