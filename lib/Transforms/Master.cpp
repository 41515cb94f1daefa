#include "Master.h"
#include "Constants.h"

#include "anybit/weights.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace anybit {

static constexpr llvm::StringLiteral attributeName = "anybit.master";

void Master::attach(Operation *constant) const {
  Builder b(constant->getContext());
  const char *data = reinterpret_cast<const char *>(values.data());
  auto type = RankedTensorType::get({int64_t(values.size())}, b.getF16Type());
  constant->setAttr(attributeName,
                    b.getDictionaryAttr({b.getNamedAttr("values", constantAttribute(type, {data, data + 2 * values.size()})),
                                         b.getNamedAttr("scales", b.getDenseF32ArrayAttr(scales)),
                                         b.getNamedAttr("alpha", b.getDenseF32ArrayAttr(alpha)),
                                         b.getNamedAttr("layout", b.getI32IntegerAttr(layout)),
                                         b.getNamedAttr("wavelet", b.getI32IntegerAttr(wavelet)),
                                         b.getNamedAttr("groups", b.getI64IntegerAttr(groups))}));
}

std::optional<Master> Master::of(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto dictionary = constant ? constant->getAttrOfType<DictionaryAttr>(attributeName) : DictionaryAttr();
  if (!dictionary)
    return std::nullopt;
  Master master;
  std::vector<char> bytes = *constantBytes(dictionary.get("values"));
  master.values.resize(bytes.size() / 2);
  std::memcpy(master.values.data(), bytes.data(), bytes.size());
  ArrayRef<float> scales = cast<DenseF32ArrayAttr>(dictionary.get("scales")).asArrayRef();
  master.scales.assign(scales.begin(), scales.end());
  llvm::copy(cast<DenseF32ArrayAttr>(dictionary.get("alpha")).asArrayRef(), master.alpha);
  master.layout = cast<IntegerAttr>(dictionary.get("layout")).getInt();
  master.wavelet = cast<IntegerAttr>(dictionary.get("wavelet")).getInt();
  master.groups = cast<IntegerAttr>(dictionary.get("groups")).getInt();
  return master;
}

uint32_t weightFormat(msq::FormatAttr format) {
  return format.getNarrow() ? uint32_t(ANYBIT_NARROW) : uint32_t(format.getKind());
}

bool toHalf(ArrayRef<float> values, std::vector<uint16_t> &halves) {
  halves.reserve(values.size());
  for (float value : values) {
    halves.push_back(anybit_float_to_half(value));
    if (anybit_half_to_float(halves.back()) != value)
      return false;
  }
  return true;
}

} // namespace anybit
