//===- DescriptorModule.cpp - abi.h structs as constants ------------------===//
//
// Mirrors runtime/include/anybit/abi.h field by field. Struct types are literal, with natural alignment, which is the
// C layout on every 64-bit target; abi.h asserts the sizes.
//
//===----------------------------------------------------------------------===//

#include "KernelModule.h"

#include "anybit/Dialect/Plan/IR/Plan.h"
#include "anybit/abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/IR/Constants.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class DescriptorBuilder {
public:
  DescriptorBuilder(ModuleOp module, const EmitOptions &options, llvm::ArrayRef<Sizes> sizes, llvm::LLVMContext &context,
                    llvm::TargetMachine &machine)
      : module(module), options(options), sizes(sizes), context(context),
        out(std::make_unique<llvm::Module>("descriptor", context)) {
    out->setTargetTriple(machine.getTargetTriple());
    out->setDataLayout(machine.createDataLayout());
    pointer = llvm::PointerType::get(context, 0);
  }

  std::unique_ptr<llvm::Module> build();

private:
  using Fields = llvm::ArrayRef<llvm::Constant *>;
  llvm::Constant *u16(uint16_t value) { return llvm::ConstantInt::get(llvm::Type::getInt16Ty(context), value); }
  llvm::Constant *u32(uint64_t value) { return llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), value); }
  llvm::Constant *u64(uint64_t value) { return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value); }
  llvm::Constant *null() { return llvm::ConstantPointerNull::get(pointer); }
  llvm::Constant *record(Fields fields) { return llvm::ConstantStruct::getAnon(fields); }
  llvm::GlobalVariable *global(llvm::Constant *value, const llvm::Twine &name, unsigned alignment);
  llvm::Constant *array(Fields elements, const llvm::Twine &name);
  llvm::Constant *text(StringRef value);
  void addConstants();
  llvm::Constant *addKernels();
  llvm::Constant *tensors(ArrayAttr names, ArrayAttr types, StringRef name);
  llvm::Constant *addVariants();
  llvm::Constant *dispatch(plan::DispatchOp op);
  llvm::Constant *choices();
  llvm::Constant *addMasters();
  llvm::Constant *rebuild(plan::RebuildOp op);
  void addNote();

  ModuleOp module;
  const EmitOptions &options;
  llvm::ArrayRef<Sizes> sizes;
  llvm::LLVMContext &context;
  std::unique_ptr<llvm::Module> out;
  llvm::PointerType *pointer;
  llvm::StringMap<llvm::Constant *> constants, texts;
  llvm::StringMap<uint64_t> constantElements;
  llvm::StringMap<unsigned> kernelIndex;
  llvm::StringMap<unsigned> masterIndex;
  unsigned kernelCount = 0, variantCount = 0, masterCount = 0;
  uint64_t arenaBytes = 0, scratchBytes = 0, slotBytes = 0;
};

llvm::GlobalVariable *DescriptorBuilder::global(llvm::Constant *value, const llvm::Twine &name, unsigned alignment) {
  auto *result = new llvm::GlobalVariable(*out, value->getType(), /*isConstant=*/true,
                                          llvm::GlobalValue::PrivateLinkage, value, name);
  result->setAlignment(llvm::Align(alignment));
  return result;
}

llvm::Constant *DescriptorBuilder::array(Fields elements, const llvm::Twine &name) {
  if (elements.empty())
    return null();
  auto *type = llvm::ArrayType::get(elements.front()->getType(), elements.size());
  return global(llvm::ConstantArray::get(type, elements), name, 8);
}

llvm::Constant *DescriptorBuilder::text(StringRef value) {
  llvm::Constant *&known = texts[value];
  if (!known)
    known = global(llvm::ConstantDataArray::getString(context, value), "text", 1);
  return known;
}

static ArrayRef<char> rawBytes(ElementsAttr value) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return resource.getRawHandle().getBlob()->getData();
  return cast<DenseElementsAttr>(value).getRawData();
}

void DescriptorBuilder::addConstants() {
  for (auto op : module.getOps<plan::ConstantOp>()) {
    ArrayRef<char> bytes = rawBytes(op.getValue());
    auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
    std::string splat;
    if (dense && dense.isSplat()) {
      for (int64_t i = 0, e = dense.getNumElements(); i < e; ++i)
        splat.append(bytes.data(), bytes.size());
      bytes = ArrayRef<char>(splat.data(), splat.size());
    }
    auto *data = llvm::ConstantDataArray::getString(context, StringRef(bytes.data(), bytes.size()), /*AddNull=*/false);
    constants[op.getSymName()] = global(data, op.getSymName(), ANYBIT_ALIGNMENT);
    constantElements[op.getSymName()] = op.getValue().getNumElements();
  }
  // Kernels may read, never write, past the last constant (abi.h).
  llvm::SmallString<ANYBIT_ALIGNMENT> room;
  room.assign(ANYBIT_ALIGNMENT, '\0');
  auto *padding = global(llvm::ConstantDataArray::getString(context, room, false), "padding", ANYBIT_ALIGNMENT);
  constants["padding"] = padding;
}

llvm::Constant *DescriptorBuilder::addKernels() {
  llvm::SmallVector<llvm::Constant *> kernels;
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, llvm::Type::getInt64Ty(context),
                                       llvm::Type::getInt64Ty(context), pointer}, false);
  for (auto op : module.getOps<func::FuncOp>()) {
    auto *function = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage,
                                            options.prefix + op.getName().str(), *out);
    function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    kernelIndex[op.getName()] = kernelCount++;
    StringRef family = op->getAttrOfType<StringAttr>("anybit.family").getValue();
    auto stated = op->getAttrOfType<IntegerAttr>("anybit.scratch_bytes");
    uint64_t scratch = stated ? stated.getInt() : 0;
    scratchBytes = std::max(scratchBytes, scratch);
    kernels.push_back(record({text(op.getName()), text(family), function, u64(scratch)}));
  }
  return array(kernels, "kernels");
}

static uint32_t elementType(Type type) {
  if (type.isF32())
    return ANYBIT_FLOAT32;
  if (type.isInteger(64))
    return ANYBIT_INT64;
  if (type.isInteger(32))
    return ANYBIT_INT32;
  if (type.isInteger(1))
    return ANYBIT_BOOL;
  return type.isUnsignedInteger(8) ? ANYBIT_UINT8 : ANYBIT_INT8;
}

llvm::Constant *DescriptorBuilder::tensors(ArrayAttr names, ArrayAttr types, StringRef name) {
  llvm::SmallVector<llvm::Constant *> all;
  for (auto [tensorName, typeAttr] : llvm::zip(names, types)) {
    auto type = cast<RankedTensorType>(cast<TypeAttr>(typeAttr).getValue());
    llvm::SmallVector<uint64_t> dims(ANYBIT_MAX_RANK, 0);
    for (auto [i, size] : llvm::enumerate(type.getShape()))
      if (i < ANYBIT_MAX_RANK)
        dims[i] = size;
    all.push_back(record({text(cast<StringAttr>(tensorName).getValue()), u32(elementType(type.getElementType())),
                          u32(type.getRank()), llvm::ConstantDataArray::get(context, dims)}));
  }
  return array(all, name);
}

llvm::Constant *DescriptorBuilder::dispatch(plan::DispatchOp op) {
  llvm::SmallVector<llvm::Constant *> arguments;
  for (auto argument : op.getArguments().getAsRange<plan::ArgumentAttr>()) {
    llvm::Constant *constant = argument.getSymbol() ? constants.lookup(argument.getSymbol().getValue()) : null();
    arguments.push_back(
        record({u32(uint32_t(argument.getKind())), u32(argument.getIndex()), u64(argument.getOffset()), constant}));
  }
  return record({text(op.getLayer()), array(arguments, "arguments"), u32(kernelIndex.lookup(op.getKernel())),
                 u32(arguments.size()), u64(op.getGrid()),
                 u64(op.getClaim().value_or(std::max<uint64_t>(op.getGrid(), 1))), u64(op.getMacs())});
}

/// A line for every dispatch.
llvm::Constant *DescriptorBuilder::choices() {
  std::string lines;
  for (auto variant : module.getOps<plan::VariantOp>())
    for (auto dispatch : variant.getBody().front().getOps<plan::DispatchOp>())
      lines += (dispatch.getChoice().value_or("") + "\n").str();
  return text(lines);
}

llvm::Constant *DescriptorBuilder::addMasters() {
  llvm::SmallVector<llvm::Constant *> masters;
  for (auto op : module.getOps<plan::MasterOp>()) {
    masterIndex[op.getSymName()] = masterCount++;
    ArrayRef<int64_t> shape = op.getShape();
    masters.push_back(record({text(op.getLayer()), constants.lookup(op.getValues()), u64(shape[0]), u64(shape[1]),
                              u64(shape[2]), u64(shape[3]), u64(shape[4]), u32(op.getLayout()), u32(op.getWavelet())}));
  }
  return array(masters, "masters");
}

llvm::Constant *DescriptorBuilder::rebuild(plan::RebuildOp op) {
  uint64_t scales = constantElements.lookup(op.getScales());
  return record({u32(masterIndex.lookup(op.getMaster())), u32(op.getFormat()), u16(op.getBits()),
                 u16(op.getWeightZero()), u32(scales), constants.lookup(op.getScales()),
                 llvm::ConstantDataArray::get(context, op.getAlpha()), u32(op.getColumnBlock()),
                 u32(op.getStorageBits()), u32(op.getTapsInRun()), u32(op.getInputZero()), u32(op.getOrder()),
                 u32(op.getInputBits()), u64(op.getWeightOffset()), u64(op.getInitialOffset())});
}

llvm::Constant *DescriptorBuilder::addVariants() {
  llvm::SmallVector<llvm::Constant *> variants;
  for (auto op : module.getOps<plan::VariantOp>()) {
    llvm::SmallVector<llvm::Constant *> dispatches, rebuilds;
    for (auto inner : op.getBody().front().getOps<plan::DispatchOp>())
      dispatches.push_back(dispatch(inner));
    for (auto inner : op.getBody().front().getOps<plan::RebuildOp>())
      rebuilds.push_back(rebuild(inner));
    const Sizes &bytes = sizes[variantCount++];
    arenaBytes = std::max(arenaBytes, bytes.arena);
    variants.push_back(record({text(op.getSymName()), array(dispatches, "dispatches"),
                               array(rebuilds, "rebuilds"), u32(dispatches.size()), u32(rebuilds.size()),
                               u64(bytes.weights), u64(bytes.code), u64(bytes.arena), u64(op.getSlotBytes())}));
    slotBytes = std::max<uint64_t>(slotBytes, op.getSlotBytes());
  }
  return array(variants, "variants");
}

/// An ELF note of name "anybit" and type 1 around a zeroed anybit_file_note: linking seals it.
void DescriptorBuilder::addNote() {
  auto *name = llvm::ConstantDataArray::getString(context, StringRef(ANYBIT_NOTE_NAME "\0", 8), false);
  auto *zeros = llvm::ConstantAggregateZero::get(llvm::ArrayType::get(llvm::Type::getInt32Ty(context), 8));
  llvm::GlobalVariable *note = global(record({u32(7), u32(sizeof(anybit_file_note)), u32(ANYBIT_NOTE_TYPE), name, zeros}), "note", 4);
  note->setSection(".note.anybit");
  auto *used = llvm::ConstantArray::get(llvm::ArrayType::get(pointer, 2), {note, constants.lookup("padding")});
  auto *list = new llvm::GlobalVariable(*out, used->getType(), false, llvm::GlobalValue::AppendingLinkage, used,
                                        "llvm.used");
  list->setSection("llvm.metadata");
}

std::unique_ptr<llvm::Module> DescriptorBuilder::build() {
  addConstants();
  llvm::Constant *kernels = addKernels(), *masters = addMasters(), *variants = addVariants();
  plan::SignatureOp signature = *module.getOps<plan::SignatureOp>().begin();
  llvm::Constant *inputs = tensors(signature.getInputNames(), signature.getInputTypes(), "inputs");
  llvm::Constant *outputs = tensors(signature.getOutputNames(), signature.getOutputTypes(), "outputs");
  llvm::Constant *value = record(
      {u64(ANYBIT_ABI_MAGIC), u32(ANYBIT_ABI_MAJOR), u32(ANYBIT_ABI_MINOR), u64(sizeof(anybit_module_descriptor)),
       text(options.model), text("anybit 0.1.0"), text(options.target.triple),
       text(llvm::join(options.target.required, ",")), inputs, outputs, kernels, variants, masters,
       u32(signature.getInputNames().size()), u32(signature.getOutputNames().size()), u32(kernelCount),
       u32(variantCount), u32(masterCount), u32(0), u64(arenaBytes), u64(scratchBytes), u64(slotBytes),
       choices()});
  llvm::GlobalVariable *descriptor = global(value, options.descriptor, 8);
  descriptor->setLinkage(llvm::GlobalValue::ExternalLinkage);
  addNote();
  return std::move(out);
}

} // namespace

std::unique_ptr<llvm::Module> buildDescriptorModule(ModuleOp module, const EmitOptions &options,
                                                    llvm::ArrayRef<Sizes> sizes, llvm::LLVMContext &context,
                                                    llvm::TargetMachine &machine) {
  return DescriptorBuilder(module, options, sizes, context, machine).build();
}

} // namespace anybit::cpu
