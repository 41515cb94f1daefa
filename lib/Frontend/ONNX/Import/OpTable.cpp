#include "OpTable.h"

#include "anybit/Frontend/ONNX/Import.h"

using namespace anybit::onnx;
using llvm::StringRef;

OpEntry &OpTable::add(StringRef name, llvm::ArrayRef<int64_t> versions, StringRef domain) {
  OpEntry &entry = entries[{domain, name}];
  entry.versions.assign(versions.begin(), versions.end());
  return entry;
}

const OpEntry *OpTable::find(StringRef domain, StringRef name) const {
  auto found = entries.find({domain, name});
  return found == entries.end() ? nullptr : &found->second;
}

const OpTable &OpTable::get() {
  static const OpTable table = [] {
    OpTable built;
    for (void (*add)(OpTable &) :
         {addConvOps, addMatMulOps, addPoolOps, addElementwiseOps, addActivationOps, addReduceOps, addShapeOps,
          addSliceOps, addGatherOps, addPadOps, addExpandOps, addResizeOps, addQuantizeOps, addQonnxOps, addQLinearOps,
          addIntegerOps, addCandidateOps, addConstantOps, addControlOps})
      add(built);
    return built;
  }();
  return table;
}

llvm::ArrayRef<SupportedOp> anybit::onnx::supportedOps() {
  static const std::vector<SupportedOp> ops = [] {
    std::vector<SupportedOp> list;
    for (const auto &[key, entry] : OpTable::get().entries)
      list.push_back({key.second, key.first, entry.versions.front(), entry.versions.back(), entry.noteText});
    return list;
  }();
  return ops;
}
