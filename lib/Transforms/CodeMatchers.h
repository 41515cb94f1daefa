//===- CodeMatchers.h - recognising quantized values ------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_CODEMATCHERS_H
#define ANYBIT_LIB_TRANSFORMS_CODEMATCHERS_H

#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <vector>

namespace anybit {

/// Unsigned activation codes behind a real value: real = scale * (code - zero), one scale per tensor.
struct ActivationCodes {
  mlir::Value codes;
  float scale = 1;
  int32_t zero = 0;
};
std::optional<ActivationCodes> matchActivation(mlir::Value real);

/// A quantizer to unsigned codes with one constant scale.
struct Quantizer {
  msq::QuantizeOp op;
  float scale = 1;
  int32_t zero = 0;
  msq::FormatAttr format;
  int64_t low() const { return format.lowestCode(); }
  int64_t high() const { return format.highestCode(); }
};
std::optional<Quantizer> matchQuantizer(mlir::Operation *op);

/// Constant weights behind a real value; `scales` has one element or one per output.
struct WeightCodes {
  mlir::Value codes;
  msq::FormatAttr format;
  int32_t zero = 0;
  std::vector<float> scales;
};
std::optional<WeightCodes> matchWeights(mlir::Value real);

/// An elementwise generic over one shape: all loops parallel, identity result maps, no index ops.
bool isElementwise(mlir::linalg::GenericOp op);

/// The operand of `op` that a value is, or null: an input whose indexing map is the identity.
bool isWholeOperand(mlir::linalg::GenericOp op, mlir::OpOperand &operand);

/// max/min with constants: low and high bounds; infinite where absent. The clipped operand is input 0.
struct Clip {
  double low, high;
};
std::optional<Clip> matchClip(mlir::linalg::GenericOp op);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_CODEMATCHERS_H
