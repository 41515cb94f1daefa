#ifndef ANYBIT_LIB_DATA_RESAMPLE_H
#define ANYBIT_LIB_DATA_RESAMPLE_H

#include <cstdint>
#include <vector>

namespace anybit::data {

/// The taps of one axis of the antialiased bilinear resize. Output i is the sum over k < taps of
/// weights[i * taps + k] * input[first[i] + k] in units of 2^-resampleBits; weights behind the last tap are 0.
struct Taps {
  int taps = 0;
  std::vector<int32_t> first;
  std::vector<int32_t> weights;
};

/// Fraction bits of a weight. 255 times the sum of the weights, with its rounding, stays below 2^31.
constexpr int resampleBits = 22;

/// The taps for outputs [begin, begin + count) of a resize of `in` samples to `out` samples: a triangle as wide as one
/// output sample (at least one input sample), in the fixed point of Pillow's `Image.resize(.., BILINEAR)`.
Taps resampleTaps(int64_t in, int64_t out, int64_t begin, int64_t count);

} // namespace anybit::data

#endif // ANYBIT_LIB_DATA_RESAMPLE_H
