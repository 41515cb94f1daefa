//===- Upgrade.h - the rules that bring nodes to opset 17 -------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_UPGRADE_H
#define ANYBIT_LIB_QUANTIZE_UPGRADE_H

#include "Facts.h"
#include "Network.h"

#include "llvm/ADT/StringSet.h"

namespace anybit::quantize {

class Upgrader {
public:
  Upgrader(onnx::Graph &graph, std::vector<onnx::Problem> &problems);

  void run();

private:
  onnx::Graph &graph;
  std::vector<onnx::Problem> &problems;
  Facts facts; ///< Of what is rewritten already.
  llvm::StringSet<> names;
  std::vector<onnx::Node> before; ///< Nodes to precede the current one.

  // Upgrade.cpp: the walk over the nodes.
  void reserveNames(const onnx::Graph &of);
  std::vector<onnx::Node> chosenBranch(const onnx::Node &node);
  void emit(onnx::Node node);
  void upgrade(onnx::Node &node);
  bool checkKind(const onnx::Node &node);
  bool rewrite(onnx::Node &node);
  void dropDefaults(onnx::Node &node);

  // UpgradeRules.cpp: rules of one node or a few.
  void clip(onnx::Node &node);
  void slice(onnx::Node &node);
  void softmax(onnx::Node &node);
  void reduce(onnx::Node &node);
  void newSplit(onnx::Node &node);
  void newAveragePool(onnx::Node &node);
  void gelu(onnx::Node &node);
  std::string tanhOfGelu(const onnx::Node &node);
  void castLike(onnx::Node &node);

  // UpgradeResize.cpp: Resize, Upsample and Pad.
  void resize10(onnx::Node &node);
  void upsample(onnx::Node &node);
  void newResize(onnx::Node &node);
  void resizeAxesByScales(onnx::Node &node, llvm::ArrayRef<int64_t> axes, size_t rank);
  void resizeAxesBySizes(onnx::Node &node, llvm::ArrayRef<int64_t> axes, llvm::ArrayRef<int64_t> dims,
                         llvm::StringRef policy);
  void setScales(onnx::Node &node, llvm::ArrayRef<float> scales);
  void setSizes(onnx::Node &node, llvm::ArrayRef<int64_t> sizes);
  bool keepAspectRatio(onnx::Node &node, llvm::ArrayRef<int64_t> axes, llvm::ArrayRef<int64_t> dims,
                       llvm::StringRef policy, Dims &sizes);
  void pad(onnx::Node &node);
  void newPad(onnx::Node &node);
  bool spreadPads(onnx::Node &node);
  void wrap(onnx::Node &node);

  void refuse(const onnx::Node &node, const llvm::Twine &why);
  void report(onnx::Problem::Kind kind, const onnx::Node &node, const llvm::Twine &why);
  std::string fresh(const llvm::Twine &hint);
  std::string constant(const onnx::Node &node, llvm::StringRef what, onnx::Tensor tensor);
  std::string intConstant(const onnx::Node &node, llvm::StringRef what, llvm::ArrayRef<int64_t> values);
  std::string scalar(const onnx::Node &node, llvm::StringRef what, float value);
  std::optional<Dims> constantInts(llvm::StringRef name) const;
  void attributeToInput(onnx::Node &node, llvm::StringRef attribute);
  /// Puts a node in front of the current one; returns the name of its result.
  std::string precede(const onnx::Node &node, llvm::StringRef op, std::vector<std::string> inputs,
                      llvm::StringRef what);
};

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_UPGRADE_H
