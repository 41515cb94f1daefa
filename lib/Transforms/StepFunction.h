//===- StepFunction.h - codes as functions of a sum -------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_STEPFUNCTION_H
#define ANYBIT_LIB_TRANSFORMS_STEPFUNCTION_H

#include "anybit/Dialect/Lowbit/IR/Lowbit.h"

#include <optional>
#include <vector>

namespace anybit {

/// How a value moves while the accumulator rises.
enum class Trend { Constant, Rising, Falling };

/// A code in the epilogue of a `lowbit.conv` as a function of the int32 accumulator, one per output channel (numerics
/// N5). Evaluated as kernels do it: float32, every operation rounded once, nothing contracted.
class StepFunction {
public:
  /// The function behind `round`, an op of the epilogue of `op`. Nothing where it reads an element per position or a
  /// parameter that is not constant, or has an op that is not monotone in its operands.
  static std::optional<StepFunction> of(lowbit::ConvOp op, lowbit::RoundOp round);

  /// The code of `sum` in `channel`.
  int32_t code(int64_t channel, int32_t sum);

  /// How the code moves in `channel` from `first` to `last`. Nothing where that is not known for every sum between
  /// them, or a value leaves the finite floats.
  std::optional<Trend> trend(int64_t channel, int32_t first, int32_t last);

private:
  enum class Kind { FromSum, Add, Subtract, Multiply, Divide, Negate, Floor, Maximum, Minimum };
  struct Step {
    Kind kind;
    unsigned result, lhs = 0, rhs = 0; ///< Indices into `values`.
  };
  struct Parameter {
    unsigned value;
    std::vector<float> channels;
  };
  class Builder;

  static float apply(const Step &step, float lhs, float rhs);
  std::optional<Trend> trendOf(const Step &step, llvm::ArrayRef<Trend> trends) const;
  void evaluate(int64_t channel, int32_t sum);

  /// The integer that is converted: the accumulator, or twice that less `zeros` (numerics N4, `odd`).
  float wholeSum(int64_t channel, int32_t sum) const;

  bool isDoubled = false;
  std::vector<int32_t> zeros; ///< Per channel, where doubled.
  std::vector<Step> steps;
  std::vector<Parameter> parameters;
  std::vector<float> values; ///< Constants, parameters of one channel, then what steps compute.
  unsigned rounded = 0;      ///< The value that becomes the code.
  int64_t low = 0, high = 0, zero = 0;
};

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_STEPFUNCTION_H
