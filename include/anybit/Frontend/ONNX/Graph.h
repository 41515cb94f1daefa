//===- Graph.h - a checked ONNX model ---------------------------*- C++ -*-===//
//
// What the loader hands to the importer: the content of an ONNX file after every structural check. Local functions are
// inlined (except the canonical ones of the domain `ai.anybit`, convention C3), nodes are in topological order, tensor
// bytes have the size their type and dimensions say, names are unique and defined before use.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_FRONTEND_ONNX_GRAPH_H
#define ANYBIT_FRONTEND_ONNX_GRAPH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anybit::onnx {

/// The numbers of TensorProto.DataType.
enum class ElementType : int32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  BFloat16 = 16,
  UInt4 = 21,
  Int4 = 22,
  UInt2 = 25,
  Int2 = 26
};

/// Bytes of one element in memory: sub-byte types are unpacked to one byte each (sign-extended), strings have 0.
unsigned elementBytes(ElementType type);
llvm::StringRef elementName(ElementType type);

/// A dense row-major tensor, little endian. Copies share the bytes, which never change.
struct Tensor {
  ElementType type = ElementType::Undefined;
  llvm::SmallVector<int64_t, 4> dims;
  std::shared_ptr<const std::vector<char>> storage;

  llvm::ArrayRef<char> bytes() const { return storage ? llvm::ArrayRef<char>(*storage) : llvm::ArrayRef<char>(); }
  /// Number of elements; checked at load, so the product never overflows.
  int64_t count() const;
};

struct Graph;

struct Attribute {
  enum class Kind { Float, Int, String, Tensor, Graph, Floats, Ints, Strings };
  Kind kind = Kind::Int;
  float f = 0;
  int64_t i = 0;
  std::string s;
  Tensor tensor;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::shared_ptr<Graph> graph;
};

struct Node {
  std::string name; ///< Of the file, or made from op and first output where the file has none; unique.
  std::string op;
  std::string domain;              ///< "" is the ONNX domain; spellings of QONNX are normalised to "qonnx".
  int64_t opset = 0;               ///< Version of `domain` that the model (or function) imports.
  std::vector<std::string> inputs; ///< "" where an optional input is absent.
  std::vector<std::string> outputs;
  llvm::StringMap<Attribute> attributes;
  std::string fileOp, fileDomain; ///< As the file spells them, where `op` and `domain` are normalised; else "".

  /// What messages call the operator.
  llvm::StringRef shownOp() const { return fileOp.empty() ? op : fileOp; }
  llvm::StringRef shownDomain() const { return fileDomain.empty() ? domain : fileDomain; }
};

struct Dimension {
  std::optional<int64_t> value;
  std::string name; ///< Of a free dimension; may be empty.
};

struct ValueInfo {
  std::string name;
  ElementType type = ElementType::Undefined;
  bool hasShape = false;
  std::vector<Dimension> dims;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  llvm::StringMap<Tensor> initializers;
  std::vector<ValueInfo> inputs; ///< Without those that are initializers.
  std::vector<ValueInfo> outputs;
};

struct Model {
  Graph graph;
  int64_t irVersion = 0;
  std::string producer;
  std::vector<std::pair<std::string, int64_t>> opsets;
  llvm::StringMap<std::string> metadata;
  /// Names of the candidates (convention C1), empty if the model is not switchable.
  std::vector<std::string> candidates;
};

/// What is wrong with a file. All problems are reported at once.
struct Problem {
  enum class Kind { Invalid, Unsupported };
  Kind kind = Kind::Invalid;
  std::string text; ///< One sentence: node, op, value, what disagrees, what to do.
};

} // namespace anybit::onnx

#endif // ANYBIT_FRONTEND_ONNX_GRAPH_H
