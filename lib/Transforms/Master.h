//===- Master.h - what the codes of a weight are made from ------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_MASTER_H
#define ANYBIT_LIB_TRANSFORMS_MASTER_H

#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/IR/Operation.h"

#include <optional>
#include <vector>

namespace anybit {

/// The recipe of constant weight codes, for the master store (docs/architecture.md): travels as the attribute
/// `anybit.master` of the constant, from `anybit-fold-constants` to `anybit-plan`.
struct Master {
  std::vector<uint16_t> values; ///< float16, in the order O, I/group, kernel.
  std::vector<float> scales;    ///< One, or one per output.
  float alpha[4] = {1, 1, 1, 1};
  uint32_t layout = 0, wavelet = 0; ///< The numbers of anybit/weights.h.
  int64_t groups = 1;

  void attach(mlir::Operation *constant) const;
  static std::optional<Master> of(mlir::Value value);
};

/// The number of anybit/weights.h for a format that is encoded.
uint32_t weightFormat(msq::FormatAttr format);

/// float32 to float16 where that is exact for every value; false otherwise.
bool toHalf(mlir::ArrayRef<float> values, std::vector<uint16_t> &halves);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_MASTER_H
