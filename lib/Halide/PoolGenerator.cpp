//===- PoolGenerator.cpp - windows of maxima --------------------*- C++ -*-===//
//
// Maxima over windows of a channels-last image, in the order of lib/Target/CPU/PoolKernel.cpp: down every column, then
// along the row; NaN wins, of two zeros the first. What a window has outside of the image is the position at the
// border, which the window has too and whose repetition does not change its maximum. Extents and strides are those of
// the call.
//
//===----------------------------------------------------------------------===//
#include "Halide.h"

namespace {

using namespace Halide;

class MaxPool : public Generator<MaxPool> {
public:
  GeneratorParam<Type> element{"element", Float(32)};
  GeneratorParam<int> window{"window", 3};
  GeneratorParam<int> stride{"stride", 2};
  GeneratorParam<int> positions{"positions", 2}; ///< Of a row that share the maxima of their columns.

  Input<Buffer<void, 3>> input{"input"}; ///< Channel, x, y: a whole image.
  Input<int32_t> left{"left"};           ///< Columns that the first window begins before the image.
  Input<int32_t> top{"top"};
  Output<Buffer<void, 3>> output{"output"}; ///< Some rows; at least a register of channels and `positions` columns.

  void configure() {
    input.set_type(element);
    output.set_type(element);
  }

  void generate() {
    Func source = BoundaryConditions::repeat_edge(
        input,
        {{Expr(), Expr()}, {input.dim(1).min(), input.dim(1).extent()}, {input.dim(2).min(), input.dim(2).extent()}});
    columns(c, x, y) = largest([&](int i) { return source(c, x, y * stride - top + i); });
    output(c, x, y) = largest([&](int i) { return columns(c, x * stride - left + i, y); });
  }

  void schedule() {
    const int lanes = natural_vector_size(Type(element));
    Func out = output;
    out.split(c, block, lane, lanes, TailStrategy::ShiftInwards).vectorize(lane);
    if (positions == 1) // the columns are computed where they are used
      return;
    out.split(x, tile, position, positions, TailStrategy::ShiftInwards)
        .reorder(lane, position, block, tile, y)
        .unroll(position);
    columns.compute_at(out, block).vectorize(c, lanes).unroll(x);
  }

private:
  template <typename At> Expr largest(const At &at) {
    Expr maximum = at(0);
    for (int i = 1; i < window; ++i) {
      Expr next = at(i);
      Expr wins = next > maximum;
      if (Type(element).is_float())
        wins = wins || is_nan(next);
      maximum = select(wins, next, maximum);
    }
    return maximum;
  }

  Var c{"c"}, x{"x"}, y{"y"}, block{"block"}, lane{"lane"}, tile{"tile"}, position{"position"};
  Func columns{"columns"};
};

} // namespace

HALIDE_REGISTER_GENERATOR(MaxPool, anybit_max_pool)
