//===- ResizeGenerator.cpp - linear resampling ------------------*- C++ -*-===//
//
// Rows and columns of a channels-last image between given positions, in the order of lib/Transforms/LowerResize.cpp:
// along the row, then between two rows, each a*(1-w) + b*w. Extents and strides are those of the call.
//
//===----------------------------------------------------------------------===//
#include "Halide.h"

namespace {

using namespace Halide;

class LinearResize : public Generator<LinearResize> {
public:
  Input<Buffer<float, 3>> input{"input"};       ///< Channel, x, y: a whole image.
  Input<Buffer<int32_t, 1>> left{"left"};       ///< Of every column of the output, that of the input before it,
  Input<Buffer<int32_t, 1>> right{"right"};     ///< the one behind it,
  Input<Buffer<float, 1>> weight_x{"weight_x"}; ///< and the weight of that one.
  Input<Buffer<int32_t, 1>> upper{"upper"};     ///< The same for rows.
  Input<Buffer<int32_t, 1>> lower{"lower"};
  Input<Buffer<float, 1>> weight_y{"weight_y"};
  Output<Buffer<float, 3>> output{"output"}; ///< Some rows; at least a register of channels.

  void generate() {
    auto mix = [](const Expr &first, const Expr &second, const Expr &weight) {
      return first * (1.0f - weight) + second * weight;
    };
    // Positions lie inside, as the compiler wrote them: the promise costs nothing.
    auto column = [&](const Expr &at) { return unsafe_promise_clamped(at, 0, input.dim(1).extent() - 1); };
    auto line = [&](const Expr &at) { return unsafe_promise_clamped(at, 0, input.dim(2).extent() - 1); };
    row(c, x, y) = mix(input(c, column(left(x)), y), input(c, column(right(x)), y), weight_x(x));
    output(c, x, y) = mix(row(c, x, line(upper(y))), row(c, x, line(lower(y))), weight_y(y));
  }

  /// At once: a row between two columns is computed for every row of the output that reads it, and never stored.
  void schedule() {
    Func out = output;
    out.split(c, block, lane, natural_vector_size<float>(), TailStrategy::ShiftInwards).vectorize(lane);
  }

private:
  Var c{"c"}, x{"x"}, y{"y"}, block{"block"}, lane{"lane"};
  Func row{"row"};
};

} // namespace

HALIDE_REGISTER_GENERATOR(LinearResize, anybit_linear_resize)
