//===- Edges.h - which tensors want which quantizer -------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_EDGES_H
#define ANYBIT_LIB_QUANTIZE_EDGES_H

#include "Network.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace anybit::quantize {

/// What a reader needs a tensor's codes for. `Layer`: at the width of the layers that read it. `Wide`: 8 bits at every
/// candidate (a residual addend, the input of an average pool, of a table).
enum class Role { Layer, Wide };

/// One use of a tensor as codes.
struct Demand {
  size_t step = 0;
  size_t input = 0;
  Role role = Role::Wide;
};

/// Finds the uses of tensors that are to be codes.
class Edges {
public:
  explicit Edges(const Network &network);

  /// In the order of steps.
  std::vector<Demand> demands;

  /// The inputs of `step` that vary with the sample and carry float32 values.
  std::vector<size_t> dataInputs(const Step &step) const;

  /// The tensor that `name` is a function of (numerics G3); empty if there is none.
  llvm::StringRef rootOf(llvm::StringRef name) const;

private:
  const Network &network;
  llvm::StringMap<size_t> producer; ///< Tensor → step.
  llvm::StringMap<unsigned> uses;
  llvm::StringMap<std::string> root; ///< Of a function of one tensor: that tensor.
  llvm::StringSet<> table;           ///< Functions that are not clips.
  llvm::StringSet<> wanted;          ///< Tensors that become codes, directly or behind a clip.

  bool isScalar(llvm::StringRef name) const;
  bool isFresh(llvm::StringRef name) const;
  void findFunctions();
  void findFunction(const Step &step);
  bool visitFunction(size_t index);
  void visitJoin(size_t index);
  void visit(size_t index);
  void demand(size_t step, size_t input, Role role);
};

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_EDGES_H
