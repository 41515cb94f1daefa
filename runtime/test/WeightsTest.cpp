// Encoding and packing of weights.h (numerics N2), against references written from the comments of that header.
#include "anybit/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

struct Range {
  int32_t low, high;
};

Range codeRange(uint32_t format, uint32_t bits) {
  int32_t half = 1 << (bits - 1);
  bool isNarrow = format == ANYBIT_NARROW;
  return format == ANYBIT_SIGNED || isNarrow ? Range{isNarrow - half, half - 1} : Range{0, 2 * half - 1};
}

int32_t referenceCode(uint32_t format, uint32_t bits, float scale, int32_t zero, float x) {
  volatile float quotient = x / scale;
  volatile float halved = quotient * 0.5f;
  double real = format == ANYBIT_ODD ? std::floor(double(halved)) + (1 << (bits - 1))
                                     : std::nearbyint(double(quotient)) + (format == ANYBIT_UNSIGNED ? zero : 0);
  Range range = codeRange(format, bits);
  if (std::isnan(x))
    return referenceCode(format, bits, scale, zero, 0.0f);
  return static_cast<int32_t>(std::clamp(real, double(range.low), double(range.high)));
}

TEST(Encode, EveryFormatAndWidth) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (uint32_t format : {ANYBIT_SIGNED, ANYBIT_UNSIGNED, ANYBIT_ODD, ANYBIT_NARROW})
    for (uint32_t bits = 1; bits <= 8; ++bits)
      for (int32_t zero : {0, 1, 7, 128, -3, 300})
        for (float scale : {1.0f, 0.1f, 3.7e-3f, 1e-30f}) {
          std::vector<float> in = {0.0f, -0.0f, infinity, -infinity, std::nanf(""), 1e-45f, -1e-45f, 3e38f, -3e38f};
          for (int32_t step = -1300; step <= 1300; ++step) {
            float tie = static_cast<float>(step) * 0.25f * scale;
            in.insert(in.end(), {tie, std::nextafterf(tie, infinity), std::nextafterf(tie, -infinity)});
          }
          std::vector<int16_t> codes(in.size(), 999);
          anybit_encode(format, bits, scale, zero, in.data(), static_cast<int64_t>(in.size()), codes.data());
          for (size_t i = 0; i < in.size(); ++i)
            ASSERT_EQ(codes[i], referenceCode(format, bits, scale, zero, in[i]))
                << "format " << format << " bits " << bits << " zero " << zero << " scale " << scale << " x " << in[i];
        }
}

TEST(Encode, GoldenOddCodes) {
  std::vector<float> w = {-.9f, -.3f, -.05f, .02f, .4f, 1.1f};
  float top = std::tanh(1.1f);
  for (float &value : w)
    value = std::tanh(value) / top;
  std::vector<std::vector<int32_t>> expected = {{-3, -1, -1, 1, 1, 3}, {-7, -3, -1, 1, 3, 7}};
  for (uint32_t bits : {2u, 3u}) {
    std::vector<int16_t> codes(w.size());
    anybit_encode(ANYBIT_ODD, bits, 1.0f / static_cast<float>((1 << bits) - 1), 0, w.data(), 6, codes.data());
    for (size_t i = 0; i < w.size(); ++i)
      EXPECT_EQ(anybit_decode(ANYBIT_ODD, bits, 0, codes[i]), expected[bits - 2][i]) << bits << " " << i;
  }
}

TEST(Encode, GoldenPactActivations) {
  std::vector<float> x = {-.2f, .3f, .74f, 1.1f, 2.6f, 5, 9};
  std::vector<std::pair<uint32_t, std::vector<int16_t>>> expected = {
      {1, {0, 0, 0, 0, 1, 1, 1}}, {2, {0, 0, 1, 1, 3, 3, 3}}, {4, {0, 2, 4, 6, 13, 15, 15}}};
  for (auto &[bits, golden] : expected) {
    std::vector<int16_t> codes(x.size());
    anybit_encode(ANYBIT_UNSIGNED, bits, 3.0f / static_cast<float>((1 << bits) - 1), 0, x.data(), 7, codes.data());
    EXPECT_EQ(codes, golden) << bits;
  }
}

TEST(Encode, OneBitSignOfZeroIsPlus) {
  const float in[4] = {0.0f, -0.0f, 1e-3f, -1e-3f};
  int16_t codes[4];
  anybit_encode(ANYBIT_ODD, 1, 0.5f, 0, in, 4, codes);
  const int32_t expected[4] = {1, 1, 1, -1};
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(anybit_decode(ANYBIT_ODD, 1, 0, codes[i]), expected[i]);
}

TEST(Pack, PlanesHoldEveryWeight) {
  EXPECT_EQ(anybit_weight_planes(ANYBIT_SIGNED, 8, 0), 1u);
  EXPECT_EQ(anybit_weight_planes(ANYBIT_ODD, 7, 0), 1u);
  EXPECT_EQ(anybit_weight_planes(ANYBIT_ODD, 8, 0), 3u);
  EXPECT_EQ(anybit_weight_planes(ANYBIT_UNSIGNED, 8, 128), 1u);
  EXPECT_EQ(anybit_weight_planes(ANYBIT_UNSIGNED, 8, 127), 2u);
  EXPECT_EQ(anybit_weight_planes(ANYBIT_UNSIGNED, 8, 255), 2u);
  EXPECT_EQ(anybit_weight_planes(ANYBIT_UNSIGNED, 8, 0), 3u);
  EXPECT_EQ(anybit_weight_planes(ANYBIT_UNSIGNED, 4, 7), 1u);
}

struct Case {
  anybit_weight_shape shape;
  uint32_t format, bits;
  int32_t zero;
  anybit_packing packing;
};

/// The stored value at (output, run, step, k), found from the byte order that weights.h states; planes are summed.
int32_t unpack(const Case &c, const std::vector<uint8_t> &packed, int64_t group, int64_t block, int64_t run,
               int64_t step, int64_t column, int64_t k) {
  int64_t width = c.packing.column_block, storage = c.packing.storage_bits;
  int64_t outputs = c.shape.outputs / c.shape.groups, blocks = (outputs + width - 1) / width;
  int64_t runs = c.shape.kernel_height * c.shape.kernel_width / c.packing.taps_in_run;
  int64_t steps = (c.shape.inputs * c.packing.taps_in_run + 3) / 4, unit = width * 4 * storage / 8;
  int64_t position = column * 4 + k, sum = 0;
  for (int64_t plane = 0; plane < c.packing.planes; ++plane) {
    int64_t at = ((((group * blocks + block) * runs + run) * c.packing.planes + plane) * steps + step) * unit;
    if (storage == 8)
      sum += static_cast<int8_t>(packed[at + position]);
    else
      sum += packed[at + position % unit] >> (position / unit * storage) & ((1 << storage) - 1);
  }
  return static_cast<int32_t>(sum);
}

void check(const Case &c, std::mt19937 &random) {
  Range range = codeRange(c.format, c.bits);
  std::uniform_int_distribution<int> code(range.low, range.high);
  const anybit_weight_shape &s = c.shape;
  std::vector<int16_t> codes(anybit_weight_count(&s));
  for (int16_t &value : codes)
    value = static_cast<int16_t>(code(random));
  codes[0] = static_cast<int16_t>(range.high), codes[codes.size() - 1] = static_cast<int16_t>(range.low);
  int64_t bytes = anybit_packed_bytes(&s, &c.packing), padded = anybit_padded_outputs(&s, &c.packing);
  std::vector<uint8_t> packed(bytes + 16, 0xa5);
  std::vector<int32_t> initial(padded + 4, 0x55555555);
  const int32_t inputZero = 37;
  anybit_pack(&s, &c.packing, c.format, c.bits, c.zero, inputZero, codes.data(), packed.data(), initial.data());
  for (int i = 0; i < 16; ++i)
    ASSERT_EQ(packed[bytes + i], 0xa5);
  for (int i = 0; i < 4; ++i)
    ASSERT_EQ(initial[padded + i], 0x55555555);

  int64_t width = c.packing.column_block, outputs = s.outputs / s.groups, blocks = (outputs + width - 1) / width;
  int64_t taps = s.kernel_height * s.kernel_width, runs = taps / c.packing.taps_in_run;
  int64_t length = s.inputs * c.packing.taps_in_run, steps = (length + 3) / 4;
  ASSERT_EQ(padded, s.groups * blocks * width);
  ASSERT_EQ(bytes, s.groups * blocks * runs * c.packing.planes * steps * width * 4 * c.packing.storage_bits / 8);
  int32_t offset = c.packing.storage_bits < 8 && c.format == ANYBIT_SIGNED ? 1 << (c.bits - 1) : 0;
  bool hasZero = c.format != ANYBIT_ODD || c.packing.storage_bits == 8;
  for (int64_t group = 0; group < s.groups; ++group)
    for (int64_t output = 0; output < blocks * width; ++output) {
      int64_t sum = 0;
      for (int64_t run = 0; run < runs; ++run)
        for (int64_t step = 0; step < steps; ++step)
          for (int64_t k = 0; k < 4; ++k) {
            int32_t stored = unpack(c, packed, group, output / width, run, step, output % width, k);
            int32_t w = c.packing.storage_bits == 8 ? stored : anybit_decode(c.format, c.bits, c.zero, stored - offset);
            int64_t position = step * 4 + k;
            if (output >= outputs || position >= length) {
              ASSERT_TRUE(w == 0 || !hasZero) << w;
              continue;
            }
            int64_t tap = run * c.packing.taps_in_run + position / s.inputs, channel = position % s.inputs;
            int32_t original = codes[((group * outputs + output) * s.inputs + channel) * taps + tap];
            ASSERT_EQ(w, anybit_decode(c.format, c.bits, c.zero, original));
            sum += w;
          }
      ASSERT_EQ(initial[group * blocks * width + output], output < outputs ? -inputZero * sum : 0);
    }
}

/// sum w*a of one output by the identities of numerics N9, from packed planes of weights and of inputs.
int64_t popcountSum(const Case &c, const std::vector<uint32_t> &words, int64_t block, int64_t column,
                    const std::vector<uint8_t> &input) {
  int64_t taps = c.shape.kernel_height * c.shape.kernel_width, runWords = (c.shape.inputs + 31) / 32;
  int64_t width = c.packing.column_block, sum = 0;
  for (int64_t bit = 0; bit < c.bits; ++bit)
    for (int64_t i = 0; i < taps * runWords; ++i)
      for (int64_t plane = 0; plane < c.packing.input_bits; ++plane) {
        uint32_t weights = words[((block * c.bits + bit) * taps * runWords + i) * width + column], codes = 0;
        for (int64_t k = 0; k < 32 && i % runWords * 32 + k < c.shape.inputs; ++k)
          codes |= (input[(i % runWords * 32 + k) * taps + i / runWords] >> plane & 1u) << k;
        bool negative = c.format == ANYBIT_ODD || bit == c.bits - 1;
        int64_t count = __builtin_popcount(c.format == ANYBIT_ODD ? weights ^ codes : weights & codes);
        sum += (negative ? -count : count) * (int64_t(1) << (bit + plane));
      }
  return sum;
}

TEST(Pack, PlanesGiveTheSumOfProducts) {
  std::mt19937 random(9);
  const anybit_weight_shape shapes[] = {{16, 8, 1, 1, 1}, {13, 37, 3, 3, 1}, {9, 64, 1, 5, 3}};
  for (const anybit_weight_shape &shape : shapes)
    for (uint32_t format : {ANYBIT_SIGNED, ANYBIT_ODD})
      for (uint32_t bits : {1u, 2u, 3u, 8u})
        for (uint32_t inputBits : {1u, 2u, 4u, 8u}) {
          Case c = {shape, format, bits, 0, {8, bits, 1, 1, ANYBIT_ORDER_PLANES, inputBits}};
          Range range = codeRange(format, bits);
          std::vector<int16_t> codes(anybit_weight_count(&shape));
          for (int16_t &code : codes)
            code = static_cast<int16_t>(std::uniform_int_distribution<int>(range.low, range.high)(random));
          int64_t reduction = shape.inputs * shape.kernel_height * shape.kernel_width;
          std::vector<uint8_t> input(reduction);
          for (uint8_t &code : input)
            code = static_cast<uint8_t>(random() & ((1u << inputBits) - 1));
          std::vector<uint32_t> words(anybit_packed_bytes(&shape, &c.packing) / 4 + 1, 0xa5a5a5a5);
          std::vector<int32_t> initial(anybit_padded_outputs(&shape, &c.packing));
          const int32_t zero = 3;
          anybit_pack(&shape, &c.packing, format, bits, 0, zero, codes.data(),
                      reinterpret_cast<uint8_t *>(words.data()), initial.data());
          ASSERT_EQ(words.back(), 0xa5a5a5a5);
          int64_t outputs = shape.outputs / shape.groups, blocks = (outputs + 7) / 8;
          for (int64_t o = 0; o < shape.outputs; ++o) {
            int64_t block = o / outputs * blocks + o % outputs / 8, column = o % outputs % 8, expected = 0;
            for (int64_t k = 0; k < reduction; ++k)
              expected += int64_t(anybit_decode(format, bits, 0, codes[o * reduction + k])) * (input[k] - zero);
            ASSERT_EQ(initial[block * 8 + column] + popcountSum(c, words, block, column, input), expected)
                << "format " << format << " bits " << bits << " input bits " << inputBits << " output " << o;
          }
        }
}

TEST(Pack, IndependentUnpackerAgrees) {
  std::mt19937 random(5);
  const anybit_weight_shape shapes[] = {{16, 8, 1, 1, 1}, {13, 5, 3, 3, 1}, {20, 3, 7, 7, 1},   {8, 4, 2, 3, 2},
                                        {9, 1, 3, 3, 9},  {40, 4, 1, 1, 1}, {17, 300, 1, 1, 1}, {6, 130, 3, 3, 3}};
  for (const anybit_weight_shape &shape : shapes)
    for (uint32_t format : {ANYBIT_SIGNED, ANYBIT_UNSIGNED, ANYBIT_ODD})
      for (uint32_t bits = 1; bits <= 8; ++bits)
        for (uint32_t storage : {8u, 4u, 2u, 1u})
          for (uint32_t block : {8u, 16u, 24u, 32u})
            for (int64_t taps : {int64_t(1), shape.kernel_width}) {
              if (storage < bits || (format == ANYBIT_ODD && storage < 8 && shape.inputs * taps % 4))
                continue;
              for (int32_t zero : {0, (1 << bits) - 1, 1 << (bits - 1)}) {
                Case c = {shape, format, bits, zero, {block, storage, static_cast<uint32_t>(taps), 1, ANYBIT_ORDER_STEPS, 0}};
                if (storage == 8)
                  c.packing.planes = anybit_weight_planes(format, bits, zero);
                ASSERT_NO_FATAL_FAILURE(check(c, random)) << "format " << format << " bits " << bits << " storage "
                                                          << storage << " block " << block << " taps " << taps;
                if (format != ANYBIT_UNSIGNED)
                  break;
              }
            }
}

} // namespace
