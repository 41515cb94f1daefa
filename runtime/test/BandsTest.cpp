// The band mix against golden vectors of PyWavelets and against a plane-by-plane reference (numerics N3).
#include "anybit/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

std::vector<float> mix(const anybit_weight_shape &shape, uint32_t layout, uint32_t wavelet,
                       const std::vector<float> &alpha, const std::vector<float> &in) {
  std::vector<float> out(in.size(), -777.0f), scratch(4 * in.size() + 64);
  anybit_mix_bands(&shape, layout, wavelet, alpha.data(), in.data(), out.data(),
                   wavelet == ANYBIT_DB2 ? scratch.data() : nullptr);
  return out;
}

const std::vector<float> kGoldenPlane = {1, -2, .5f, 0, .25f, 3, -1, 2, 0, 1, -.5f, .75f, -1.5f, .5f, 2, -.25f};
const std::vector<float> kAlpha = {1, .5f, .25f, 0};

TEST(Bands, GoldenHaar4x4) {
  std::vector<float> expected = {.046875f, .015625f, .15625f, .46875f, 1.109375f, 1.078125f, .28125f, .59375f,
                                 .0625f,   .4375f,   .375f,   .25f,    -.4375f,   -.0625f,   .75f,    .625f};
  EXPECT_EQ(mix({4, 4, 1, 1, 1}, ANYBIT_LAYOUT_TILE, ANYBIT_HAAR, kAlpha, kGoldenPlane), expected);
  EXPECT_EQ(mix({1, 1, 4, 4, 1}, ANYBIT_LAYOUT_SPATIAL, ANYBIT_HAAR, kAlpha, kGoldenPlane), expected);
}

TEST(Bands, GoldenOddKernelIsPaddedAndCropped) {
  std::vector<float> kernel = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<float> expected = {2.125f, 2.375f, 2.4375f, 3.625f, 3.875f, 3.1875f, 5.5625f, 5.6875f, 3.9375f};
  for (uint32_t layout : {ANYBIT_LAYOUT_SPATIAL, ANYBIT_LAYOUT_TILE})
    EXPECT_EQ(mix({1, 1, 3, 3, 1}, layout, ANYBIT_HAAR, kAlpha, kernel), expected);
  std::vector<float> lowOnly = {3, 3, 2.25f, 3, 3, 2.25f, 3.75f, 3.75f, 2.25f};
  EXPECT_EQ(mix({1, 1, 3, 3, 1}, ANYBIT_LAYOUT_SPATIAL, ANYBIT_HAAR, {1, 0, 0, 0}, kernel), lowOnly);
}

TEST(Bands, GoldenDb2FirstRow) {
  std::vector<float> out = mix({4, 4, 1, 1, 1}, ANYBIT_LAYOUT_MATRIX, ANYBIT_DB2, kAlpha, kGoldenPlane);
  const float expected[4] = {.165001f, -.368253f, .052141f, -.007083f};
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(out[i], expected[i], 1e-6f) << i;
}

TEST(Bands, Db2OfEqualFactorsIsTheInputScaled) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (int64_t size : {1, 2, 3, 4, 5, 6, 8, 11}) {
    std::vector<float> in(size * (size + 1));
    for (float &value : in)
      value = normal(random);
    std::vector<float> out = mix({size, size + 1, 1, 1, 1}, ANYBIT_LAYOUT_TILE, ANYBIT_DB2, {2, 2, 2, 2}, in);
    for (size_t i = 0; i < in.size(); ++i)
      EXPECT_NEAR(out[i], 2 * in[i], 4e-6f) << size << " " << i;
  }
}

/// Where element (row, column) of plane `index` of a layout lies, written from the table of weights.h alone.
struct Planes {
  anybit_weight_shape s;
  uint32_t layout;
  int64_t perGroup() const { return s.outputs / s.groups; }
  int64_t taps() const { return s.kernel_height * s.kernel_width; }
  int64_t count() const {
    if (layout == ANYBIT_LAYOUT_SPATIAL)
      return s.outputs * s.inputs;
    return layout == ANYBIT_LAYOUT_PLANE ? s.groups * taps() : s.groups;
  }
  int64_t rows() const {
    if (layout == ANYBIT_LAYOUT_SPATIAL)
      return s.kernel_height;
    return layout == ANYBIT_LAYOUT_TILE ? perGroup() * s.kernel_height : perGroup();
  }
  int64_t columns() const {
    switch (layout) {
    case ANYBIT_LAYOUT_SPATIAL:
      return s.kernel_width;
    case ANYBIT_LAYOUT_TILE:
      return s.inputs * s.kernel_width;
    case ANYBIT_LAYOUT_PLANE:
      return s.inputs;
    default:
      return s.inputs * taps();
    }
  }
  int64_t element(int64_t o, int64_t i, int64_t y, int64_t x) const {
    return ((o * s.inputs + i) * s.kernel_height + y) * s.kernel_width + x;
  }
  int64_t at(int64_t plane, int64_t row, int64_t column) const {
    int64_t kh = s.kernel_height, kw = s.kernel_width;
    switch (layout) {
    case ANYBIT_LAYOUT_SPATIAL:
      return element(plane / s.inputs, plane % s.inputs, row, column);
    case ANYBIT_LAYOUT_TILE:
      return element(plane * perGroup() + row / kh, column / kw, row % kh, column % kw);
    case ANYBIT_LAYOUT_PLANE:
      return element(plane / taps() * perGroup() + row, column, plane % taps() / kw, plane % taps() % kw);
    default:
      return element(plane * perGroup() + row, column / taps(), column % taps() / kw, column % kw);
    }
  }
};

/// The closed form on an explicitly padded plane.
std::vector<float> referenceHaar(const Planes &planes, const std::vector<float> &a, const std::vector<float> &in) {
  float t0 = (a[0] + a[1] + a[2] + a[3]) / 4, tc = (a[0] + a[1] - a[2] - a[3]) / 4;
  float tr = (a[0] - a[1] + a[2] - a[3]) / 4, td = (a[0] - a[1] - a[2] + a[3]) / 4;
  std::vector<float> out(in.size());
  for (int64_t plane = 0; plane < planes.count(); ++plane) {
    auto value = [&](int64_t row, int64_t column) {
      return row < planes.rows() && column < planes.columns() ? in[planes.at(plane, row, column)] : 0.0f;
    };
    for (int64_t row = 0; row < planes.rows(); ++row)
      for (int64_t column = 0; column < planes.columns(); ++column) {
        volatile float sum = t0 * value(row, column);
        sum = sum + tc * value(row, column ^ 1);
        sum = sum + tr * value(row ^ 1, column);
        sum = sum + td * value(row ^ 1, column ^ 1);
        out[planes.at(plane, row, column)] = sum;
      }
  }
  return out;
}

TEST(Bands, HaarEqualsTheReferenceInEveryLayout) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const anybit_weight_shape shapes[] = {
      {8, 16, 1, 1, 1}, {7, 5, 1, 1, 1},   {6, 4, 3, 3, 1},    {5, 3, 3, 3, 1},   {6, 3, 2, 5, 3},    {9, 1, 3, 3, 9},
      {3, 2, 7, 7, 1},  {2, 700, 1, 1, 1}, {3, 517, 3, 3, 1},  {4, 6, 1, 3, 2},   {2, 2, 3, 257, 1},  {3, 3, 2, 301, 1},
      {1, 1, 1, 1, 1},  {4, 2, 1, 1, 2},   {2, 1100, 2, 2, 1}, {3, 130, 5, 5, 1}, {2, 3, 3, 1023, 1},
  };
  std::vector<float> alpha = {1.1f, .73f, -.2f, .31f};
  for (const anybit_weight_shape &shape : shapes)
    for (uint32_t layout = ANYBIT_LAYOUT_TILE; layout <= ANYBIT_LAYOUT_SPATIAL; ++layout) {
      std::vector<float> in(anybit_weight_count(&shape));
      for (float &value : in)
        value = normal(random);
      Planes planes{shape, layout};
      bool identity = layout == ANYBIT_LAYOUT_SPATIAL && planes.taps() == 1;
      EXPECT_EQ(mix(shape, layout, ANYBIT_HAAR, alpha, in), identity ? in : referenceHaar(planes, alpha, in))
          << shape.outputs << "x" << shape.inputs << "x" << shape.kernel_height << "x" << shape.kernel_width
          << " layout " << layout;
    }
}

TEST(Bands, NoneIsTheIdentity) {
  EXPECT_EQ(mix({4, 4, 1, 1, 1}, ANYBIT_LAYOUT_NONE, ANYBIT_HAAR, {0, 0, 0, 0}, kGoldenPlane), kGoldenPlane);
  EXPECT_EQ(mix({16, 1, 1, 1, 1}, ANYBIT_LAYOUT_SPATIAL, ANYBIT_DB2, {0, 0, 0, 0}, kGoldenPlane), kGoldenPlane);
}

TEST(Bands, ChunksOfAnEvenNumberOfOutputsGiveTheWholeResult) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (uint32_t layout = ANYBIT_LAYOUT_NONE; layout <= ANYBIT_LAYOUT_SPATIAL; ++layout) {
    anybit_weight_shape shape = {9, 6, 3, 3, 1};
    std::vector<float> in(anybit_weight_count(&shape));
    for (float &value : in)
      value = normal(random);
    std::vector<float> whole = mix(shape, layout, ANYBIT_HAAR, kAlpha, in), parts;
    for (int64_t first = 0; first < 9; first += 4) {
      anybit_weight_shape part = {std::min<int64_t>(4, 9 - first), 6, 3, 3, 1};
      std::vector<float> slice(in.begin() + first * 54, in.begin() + (first + part.outputs) * 54);
      std::vector<float> out = mix(part, layout, ANYBIT_HAAR, kAlpha, slice);
      parts.insert(parts.end(), out.begin(), out.end());
    }
    EXPECT_EQ(parts, whole) << layout;
  }
}

TEST(Half, RoundTripsAndRounds) {
  for (uint32_t half = 0; half < 65536; ++half) {
    float value = anybit_half_to_float(static_cast<uint16_t>(half));
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    double expected = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31 && mantissa) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_TRUE(std::isnan(anybit_half_to_float(anybit_float_to_half(value))));
      continue;
    }
    if (exponent == 31)
      expected = std::numeric_limits<double>::infinity();
    EXPECT_EQ(value, half >> 15 ? -expected : expected);
    EXPECT_EQ(std::signbit(value), half >> 15 != 0);
    EXPECT_EQ(anybit_float_to_half(value), half);
    if (exponent == 31)
      continue;
    float next = anybit_half_to_float(static_cast<uint16_t>(half + 1));
    if ((half & 0x7fff) == 0x7bff)
      next = half >> 15 ? -65536.0f : 65536.0f;
    float middle = value / 2 + next / 2; // exact: float32 has more digits
    uint16_t even = static_cast<uint16_t>(half + (half & 1));
    EXPECT_EQ(anybit_float_to_half(middle), even) << half;
    EXPECT_EQ(anybit_float_to_half(std::nextafterf(middle, value)), half);
    EXPECT_EQ(anybit_float_to_half(std::nextafterf(middle, next)), half + 1);
  }
  EXPECT_EQ(anybit_float_to_half(1e30f), 0x7c00);
  EXPECT_EQ(anybit_float_to_half(-1e-30f), 0x8000);
}

} // namespace
