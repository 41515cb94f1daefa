//===- CodeMatchers.h - recognising quantized values ------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_CODEMATCHERS_H
#define ANYBIT_LIB_TRANSFORMS_CODEMATCHERS_H

#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <limits>
#include <vector>

namespace anybit {

/// Activation codes behind a real value, all unsigned bytes: real = scale * integer(code), one scale per tensor.
struct ActivationCodes {
  mlir::Value codes;
  float scale = 1;
  int32_t zero = 0;
  int64_t low = 0, high = 255; ///< Codes that occur.
  int32_t factor = 1;          ///< 2 for `odd`, whose zero is 2^b-1.
  int64_t integer(int64_t code) const { return factor * code - zero; }
  /// Whether a code stands for 0, so that padding has one.
  bool hasZero() const { return factor == 1 && zero >= low && zero <= high; }
};
std::optional<ActivationCodes> matchActivation(mlir::Value real);

/// factor * value - zero, for an int32 `value` that is a code or a sum of codes.
mlir::Value emitInteger(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, int32_t factor, mlir::Value zero);

/// A per-tensor quantizer with constant parameters.
struct Quantizer {
  msq::QuantizeOp op;
  float scale = 1;
  int32_t zero = 0;
  msq::FormatAttr format;
  int64_t low() const { return format.lowestCode(); }
  int64_t high() const { return format.highestCode(); }
  bool isOdd() const { return format.getKind() == msq::FormatKind::Odd; }
  /// What is added to the rounded value (numerics N2).
  int32_t shift() const { return isOdd() ? 1 << (format.getBits() - 1) : zero; }
  /// Equal quantizers of numerics N2.
  bool equals(const Quantizer &other) const;
  /// The code of x / scale in double (numerics N5, tables).
  int32_t codeOf(double scaled) const;
};
std::optional<Quantizer> matchQuantizer(mlir::Operation *op);

/// The code of x / scale, which was computed in float32 (numerics N2).
mlir::Value emitCode(mlir::OpBuilder &b, mlir::Location loc, mlir::Value scaled, const Quantizer &quantizer);

/// Constant weights behind a real value; `scales` has one element or one per output.
struct WeightCodes {
  mlir::Value codes;
  msq::FormatAttr format;
  int32_t zero = 0;
  std::vector<float> scales;
  /// The integers w of numerics N2, in the order of the tensor.
  std::vector<int32_t> integers() const;
};
std::optional<WeightCodes> matchWeights(mlir::Value real);

/// The least and the greatest sum of products of `weights` with integers of [low, high] and 0 (numerics N4), saturated far
/// beyond int32.
std::pair<int64_t, int64_t> accumulatorRange(mlir::ArrayRef<int32_t> weights, int64_t low, int64_t high);

/// An elementwise generic over one shape: all loops parallel, identity result maps, no index ops.
bool isElementwise(mlir::linalg::GenericOp op);

/// The operand of `op` that a value is, or null: an input whose indexing map is the identity.
bool isWholeOperand(mlir::linalg::GenericOp op, mlir::OpOperand &operand);

/// max/min with constants: low and high bounds; infinite where absent. The clipped operand is input 0.
struct Clip {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};
std::optional<Clip> matchClip(mlir::linalg::GenericOp op);

/// Clips and quantizers behind a value (numerics G4, the tail after the residual).
struct Tail {
  mlir::Value end; ///< What the quantizers read.
  Clip clip;
  mlir::SmallVector<Quantizer> quantizers;                          ///< Different ones.
  mlir::SmallVector<std::pair<msq::QuantizeOp, unsigned>> replaced; ///< Every quantizer op and its index above.
};
/// Nothing unless all uses of the last clip are quantizers.
std::optional<Tail> matchTail(mlir::Value value);

/// Codes of every quantizer of `tail`. `value` is real, or (`isScaled`) in units of the one quantizer (numerics N5).
mlir::SmallVector<mlir::Value> emitTail(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, const Tail &tail,
                                        bool isScaled);

/// `value` in another shape of as many elements.
mlir::Value emitReshape(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::ArrayRef<int64_t> shape);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_CODEMATCHERS_H
