//===- Topology.h - orders and cycles ---------------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_TOPOLOGY_H
#define ANYBIT_LIB_FRONTEND_ONNX_TOPOLOGY_H

#include "Diagnostics.h"

#include <functional>

namespace anybit::onnx {

struct TopologicalOrder {
  std::vector<unsigned> order; ///< Predecessors first; otherwise by number.
  std::vector<unsigned> cycle; ///< One cycle, if there is any; each element is a predecessor of the next.
};

TopologicalOrder sortTopologically(llvm::ArrayRef<std::vector<unsigned>> predecessors);

/// "'a' -> 'b' -> 'a'", shortened if the cycle is long.
std::string describeCycle(llvm::ArrayRef<unsigned> cycle, llvm::function_ref<std::string(unsigned)> name);

/// Puts the nodes of `graph` (not of its subgraphs) in topological order, or reports a cycle.
bool sortNodes(Graph &graph, Diagnostics &diagnostics);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_TOPOLOGY_H
