#include "PlanPools.h"
#include "Constants.h"

#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace anybit {

OpBuilder KernelPool::builder() { return OpBuilder::atBlockEnd(module.getBody()); }

FlatSymbolRefAttr KernelPool::insert(const cpu::Kernel &kernel) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  func::FuncOp(kernel.function)->print(stream, OpPrintingFlags().useLocalScope());
  auto [entry, isNew] = byText.try_emplace(text);
  if (!isNew) {
    func::FuncOp(kernel.function).erase();
    return entry->second;
  }
  std::string name = kernel.family.str() + "-" + std::to_string(byText.size() - 1);
  std::replace(name.begin(), name.end(), '-', '_');
  func::FuncOp function = kernel.function;
  function.setName(name);
  function->setAttr("anybit.family", StringAttr::get(module.getContext(), kernel.family));
  function->setAttr("anybit.kernel", UnitAttr::get(module.getContext()));
  return entry->second = FlatSymbolRefAttr::get(module.getContext(), name);
}

FlatSymbolRefAttr ConstantPool::insert(ElementsAttr value) {
  std::vector<char> bytes = *constantBytes(Attribute(value));
  uint64_t hash = llvm::xxh3_64bits(ArrayRef<uint8_t>(reinterpret_cast<uint8_t *>(bytes.data()), bytes.size()));
  auto [first, last] = byHash.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (*constantBytes(Attribute(it->second.getValue())) == bytes)
      return FlatSymbolRefAttr::get(it->second.getSymNameAttr());
  std::string name = "constant_" + std::to_string(byHash.size());
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto op = plan::ConstantOp::create(builder, builder.getUnknownLoc(), name, value);
  byHash.emplace(hash, op);
  return FlatSymbolRefAttr::get(op.getSymNameAttr());
}

} // namespace anybit
