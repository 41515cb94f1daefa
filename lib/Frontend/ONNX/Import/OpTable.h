//===- OpTable.h - the operators that the importer reads --------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_OPTABLE_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_OPTABLE_H

#include "NodeContext.h"

#include <map>

namespace anybit::onnx {

using Handler = mlir::LogicalResult (*)(NodeContext &);

/// An operator: what is checked before its handlers run, and the handlers.
struct OpEntry {
  /// Versions whose semantics are implemented, ascending; the newest one holds for all later opsets.
  llvm::SmallVector<int64_t, 4> versions;
  llvm::StringRef noteText;
  unsigned minInputs = 1, maxInputs = 1, maxOutputs = 1;
  /// Inputs that must be float32; that must be constant; that the handler checks itself. Bit 31 stands for all others.
  uint32_t realInputs = 0, constantInputs = 0, rawInputs = 0;
  /// Emits ops for the node.
  Handler emitter = nullptr;
  /// Sets constant results, or none if it cannot. Runs if all inputs are constant, or always.
  Handler folder = nullptr;
  bool foldsAlways = false;

  OpEntry &inputs(unsigned min, unsigned max) { return minInputs = min, maxInputs = max, *this; }
  OpEntry &outputs(unsigned max) { return maxOutputs = max, *this; }
  OpEntry &real(uint32_t mask) { return realInputs = mask, *this; }
  OpEntry &constant(uint32_t mask) { return constantInputs = mask, *this; }
  OpEntry &raw(uint32_t mask) { return rawInputs = mask, *this; }
  OpEntry &emit(Handler handler) { return emitter = handler, *this; }
  OpEntry &fold(Handler handler) { return folder = handler, *this; }
  OpEntry &foldAlways(Handler handler) { return foldsAlways = true, folder = handler, *this; }
  OpEntry &notes(llvm::StringRef text) { return noteText = text, *this; }
};

constexpr uint32_t allInputs = ~uint32_t(0);
constexpr unsigned anyNumber = 1u << 16;

class OpTable {
public:
  /// The operators by domain and name.
  std::map<std::pair<llvm::StringRef, llvm::StringRef>, OpEntry> entries;

  OpEntry &add(llvm::StringRef name, llvm::ArrayRef<int64_t> versions, llvm::StringRef domain = "");
  /// The operator, or null.
  const OpEntry *find(llvm::StringRef domain, llvm::StringRef name) const;
  static const OpTable &get();
};

// Each group of operators adds its own.
void addConvOps(OpTable &table);
void addMatMulOps(OpTable &table);
void addPoolOps(OpTable &table);
void addElementwiseOps(OpTable &table);
void addActivationOps(OpTable &table);
void addReduceOps(OpTable &table);
void addShapeOps(OpTable &table);
void addSliceOps(OpTable &table);
void addGatherOps(OpTable &table);
void addPadOps(OpTable &table);
void addExpandOps(OpTable &table);
void addResizeOps(OpTable &table);
void addQuantizeOps(OpTable &table);
void addQonnxOps(OpTable &table);
void addQLinearOps(OpTable &table);
void addIntegerOps(OpTable &table);
void addCandidateOps(OpTable &table);
void addConstantOps(OpTable &table);
void addControlOps(OpTable &table);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_OPTABLE_H
