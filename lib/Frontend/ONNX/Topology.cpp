#include "Topology.h"

#include "llvm/ADT/STLExtras.h"

#include <queue>

using namespace llvm;

namespace anybit::onnx {

/// A cycle among the elements with remaining predecessors; each of them has one that remains too, so walking from
/// predecessor to predecessor must come back.
static std::vector<unsigned> findCycle(ArrayRef<std::vector<unsigned>> predecessors, ArrayRef<size_t> remaining) {
  unsigned current = find_if(remaining, [](size_t count) { return count != 0; }) - remaining.begin();
  std::vector<unsigned> path;
  std::vector<bool> seen(remaining.size());
  while (!seen[current]) {
    seen[current] = true;
    path.push_back(current);
    current = *find_if(predecessors[current], [&](unsigned other) { return remaining[other] != 0; });
  }
  path.erase(path.begin(), find(path, current));
  std::reverse(path.begin(), path.end());
  std::rotate(path.begin(), std::min_element(path.begin(), path.end()), path.end());
  return path;
}

TopologicalOrder sortTopologically(ArrayRef<std::vector<unsigned>> predecessors) {
  std::vector<size_t> remaining;
  std::vector<std::vector<unsigned>> successors(predecessors.size());
  std::priority_queue<unsigned, std::vector<unsigned>, std::greater<unsigned>> ready;
  for (auto [index, list] : enumerate(predecessors)) {
    remaining.push_back(list.size());
    for (unsigned other : list)
      successors[other].push_back(index);
    if (list.empty())
      ready.push(index);
  }
  TopologicalOrder result;
  while (!ready.empty()) {
    const unsigned index = ready.top();
    ready.pop();
    result.order.push_back(index);
    for (unsigned other : successors[index])
      if (--remaining[other] == 0)
        ready.push(other);
  }
  if (result.order.size() != predecessors.size())
    result.cycle = findCycle(predecessors, remaining);
  return result;
}

std::string describeCycle(ArrayRef<unsigned> cycle, function_ref<std::string(unsigned)> name) {
  constexpr size_t maxShown = 8;
  std::string text;
  for (unsigned index : cycle.take_front(maxShown))
    text += quoted(name(index)) + " -> ";
  if (cycle.size() > maxShown)
    text += "… -> ";
  return text + quoted(name(cycle.front()));
}

/// Calls `use` with every name that `node` reads, those of its subgraphs included.
static void forEachRead(const Node &node, function_ref<void(StringRef)> use) {
  for (const std::string &input : node.inputs)
    use(input);
  for (const auto &entry : node.attributes) {
    if (!entry.second.graph)
      continue;
    for (const Node &inner : entry.second.graph->nodes)
      forEachRead(inner, use);
    for (const ValueInfo &output : entry.second.graph->outputs)
      use(output.name);
  }
}

bool sortNodes(Graph &graph, Diagnostics &diagnostics) {
  StringMap<unsigned> producers;
  for (auto [index, node] : enumerate(graph.nodes))
    for (const std::string &output : node.outputs)
      producers[output] = index;
  producers.erase(""); // absent optional outputs
  std::vector<std::vector<unsigned>> predecessors(graph.nodes.size());
  for (auto [index, node] : enumerate(graph.nodes)) {
    std::vector<unsigned> &list = predecessors[index];
    forEachRead(node, [&](StringRef name) {
      if (auto producer = producers.find(name); producer != producers.end())
        list.push_back(producer->second);
    });
    llvm::sort(list);
    list.erase(llvm::unique(list), list.end());
  }
  const TopologicalOrder sorted = sortTopologically(predecessors);
  if (!sorted.cycle.empty())
    return diagnostics.invalid("the nodes form a cycle: " +
                               describeCycle(sorted.cycle, [&](unsigned index) { return graph.nodes[index].name; }));
  std::vector<Node> nodes;
  nodes.reserve(graph.nodes.size());
  for (unsigned index : sorted.order)
    nodes.push_back(std::move(graph.nodes[index]));
  graph.nodes = std::move(nodes);
  return true;
}

} // namespace anybit::onnx
