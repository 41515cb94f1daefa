//===- PreprocessGenerator.cpp - the image front end ------------*- C++ -*-===//
//
// Separable resize of an 8-bit picture with given taps, then a table from pixel value to output value. The arithmetic
// is integer, so every target makes the same bits.
//
//===----------------------------------------------------------------------===//
#include "Halide.h"

namespace {

using namespace Halide;

class Preprocess : public Generator<Preprocess> {
public:
  Input<Buffer<uint8_t, 3>> input{"input"};         ///< x, y, channel; interleaved RGB.
  Input<Buffer<int32_t, 1>> first_x{"first_x"};     ///< First input column of an output column.
  Input<Buffer<int32_t, 2>> weights_x{"weights_x"}; ///< Tap, output column; in units of 2^-22.
  Input<Buffer<int32_t, 1>> first_y{"first_y"};     ///< The same for rows.
  Input<Buffer<int32_t, 2>> weights_y{"weights_y"};
  Input<Buffer<float, 2>> table{"table"}; ///< Pixel value, output channel.
  Input<int32_t> first_row{"first_row"};  ///< Input rows that the output needs.
  Input<int32_t> last_row{"last_row"};
  Input<bool> gray{"gray"};                  ///< One channel: luma of ITU-R 601.
  Input<bool> reversed{"reversed"};          ///< BGR.
  Output<Buffer<float, 3>> output{"output"}; ///< x, y, channel; any strides.

  void generate() {
    Func source("source");
    source(x, y, c) = select(gray, luma(x, y), input(x, y, select(reversed, 2 - clamp(c, 0, 2), clamp(c, 0, 2))));

    RDom kx(0, weights_x.dim(0).extent());
    Expr column = clamp(first_x(x) + kx, 0, input.width() - 1);
    sum_x(x, y, c) = half;
    sum_x(x, y, c) += weights_x(kx, x) * cast<int32_t>(source(column, y, c));
    rows(x, y, c) = pixel(sum_x(x, y, c));

    RDom ky(0, weights_y.dim(0).extent());
    Expr row = clamp(first_y(y) + ky, first_row, last_row);
    sum_y(x, y, c) = half;
    sum_y(x, y, c) += weights_y(ky, y) * cast<int32_t>(rows(x, row, c));
    output(x, y, c) = table(cast<int32_t>(pixel(sum_y(x, y, c))), c);
  }

  void schedule() {
    input.dim(0).set_stride(3).dim(2).set_min(0).set_extent(3).set_stride(1);
    output.dim(0).set_stride(Expr());

    const int width = natural_vector_size<int32_t>();
    rows.compute_root().vectorize(x, width, TailStrategy::GuardWithIf).specialize(gray);
    sum_x.compute_at(rows, x).vectorize(x, width, TailStrategy::GuardWithIf);
    sum_x.update().vectorize(x, width, TailStrategy::GuardWithIf);

    output.vectorize(x, width, TailStrategy::GuardWithIf);
    sum_y.compute_at(output, x).vectorize(x, width, TailStrategy::GuardWithIf);
    sum_y.update().vectorize(x, width, TailStrategy::GuardWithIf);
    output.specialize(output.dim(0).stride() == 1);
  }

private:
  static constexpr int bits = 22;

  static Expr pixel(const Expr &sum) { return cast<uint8_t>(clamp(sum >> bits, 0, 255)); }

  Expr luma(const Expr &px, const Expr &py) {
    auto channel = [&](int at) { return cast<int32_t>(input(px, py, at)); };
    return cast<uint8_t>((channel(0) * 19595 + channel(1) * 38470 + channel(2) * 7471 + (1 << 15)) >> 16);
  }

  Var x{"x"}, y{"y"}, c{"c"};
  Func sum_x{"sum_x"}, rows{"rows"}, sum_y{"sum_y"};
  Expr half = 1 << (bits - 1);
};

} // namespace

HALIDE_REGISTER_GENERATOR(Preprocess, anybit_preprocess)
