#include "PlanPools.h"
#include "Constants.h"

#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace anybit {

OpBuilder KernelPool::builder() { return OpBuilder::atBlockEnd(module.getBody()); }

/// Equal for equal functions. Of the attributes of this process: no hash is part of an artifact.
static uint64_t hashOf(func::FuncOp function) {
  llvm::DenseMap<Value, unsigned> numbers;
  auto number = [&](Value value) { numbers.try_emplace(value, numbers.size()); };
  llvm::hash_code hash = llvm::hash_value(function.getFunctionType().getAsOpaquePointer());
  function.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    hash = llvm::hash_combine(hash, op->getName(), op->getAttrDictionary(), op->getResultTypes());
    for (Value operand : op->getOperands())
      hash = llvm::hash_combine(hash, numbers.lookup(operand));
    for (Region &region : op->getRegions())
      for (Value argument : region.getArguments())
        number(argument);
    for (Value result : op->getResults())
      number(result);
  });
  return hash;
}

static bool areEqual(func::FuncOp a, func::FuncOp b) {
  return a.getFunctionType() == b.getFunctionType() && a.getArgAttrsAttr() == b.getArgAttrsAttr() &&
         OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
}

FlatSymbolRefAttr KernelPool::insert(const cpu::Kernel &kernel) {
  func::FuncOp function = kernel.function;
  uint64_t hash = hashOf(function);
  auto [first, last] = byHash.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (areEqual(it->second, function)) {
      function.erase();
      return FlatSymbolRefAttr::get(it->second.getSymNameAttr());
    }
  std::string name = kernel.family.str() + "-" + std::to_string(byHash.size());
  std::replace(name.begin(), name.end(), '-', '_');
  function.setName(name);
  function->setAttr("anybit.family", StringAttr::get(module.getContext(), kernel.family));
  if (kernel.scratchBytes > 0)
    function->setAttr("anybit.scratch_bytes", Builder(module.getContext()).getI64IntegerAttr(kernel.scratchBytes));
  function->setAttr("anybit.kernel", UnitAttr::get(module.getContext()));
  byHash.emplace(hash, function);
  return FlatSymbolRefAttr::get(function.getSymNameAttr());
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

FlatSymbolRefAttr ConstantPool::insertMaster(const Master &master, ArrayRef<int64_t> shape, StringRef layer) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  const char *data = reinterpret_cast<const char *>(master.values.data());
  auto type = RankedTensorType::get({int64_t(master.values.size())}, builder.getF16Type());
  FlatSymbolRefAttr values = insert(constantAttribute(type, {data, data + 2 * master.values.size()}));
  std::string key =
      values.getValue().str() + "/" + std::to_string(master.layout) + "/" + std::to_string(master.wavelet);
  for (int64_t size : shape)
    key += "/" + std::to_string(size);
  FlatSymbolRefAttr &known = masters[key];
  if (known)
    return known;
  std::string name = "master_" + std::to_string(masters.size() - 1);
  plan::MasterOp::create(builder, builder.getUnknownLoc(), name, layer, values.getValue(), shape, master.layout,
                         master.wavelet);
  return known = FlatSymbolRefAttr::get(module.getContext(), name);
}

} // namespace anybit
