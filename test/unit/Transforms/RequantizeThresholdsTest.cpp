//===- RequantizeThresholdsTest.cpp - both forms, sum by sum --------------===//
//
// Numerics N5: the thresholds that the pass puts into the IR against the float form as it stands in docs/numerics.md,
// written here once more.
//
//===----------------------------------------------------------------------===//

#include "Constants.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

using namespace mlir;
using namespace anybit;

namespace {

/// One layer: a weight, m and h per channel, a clip, and codes from `low` to `high` around `zero`.
struct Layer {
  std::vector<int> weights;
  std::vector<float> m, h;
  float least, greatest;
  int low, high, zero, inputZero;
  bool isOdd;

  int64_t first(size_t c) const { return std::min({0, -inputZero * weights[c], (255 - inputZero) * weights[c]}); }
  int64_t last(size_t c) const { return std::max({0, -inputZero * weights[c], (255 - inputZero) * weights[c]}); }
  int code(size_t c, int32_t sum) const;
  std::string text() const;
};

int Layer::code(size_t c, int32_t sum) const {
  volatile float product = float(sum) * m[c];
  volatile float y = product + h[c];
  y = std::min(std::max(float(y), least), greatest);
  double rounded = isOdd ? std::floor(double(y) * 0.5) : std::nearbyint(double(y));
  return int(std::clamp(rounded + zero, double(low), double(high)));
}

/// A float constant by its bits.
std::string bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return llvm::formatv("0x{0:X-8}", bits);
}

template <typename T, typename Write> std::string list(const std::vector<T> &values, Write write) {
  std::string text;
  for (const T &value : values)
    text += (text.empty() ? "" : ", ") + write(value);
  return "[" + text + "]";
}

std::string Layer::text() const {
  size_t channels = weights.size();
  std::string last = isOdd ? "%floored" : "%below";
  return llvm::formatv(
      R"(
func.func @f(%x: tensor<1x1x8xi8>) -> tensor<1x{0}x8xi8> {{
  %w = arith.constant dense<{1}> : tensor<{0}x1x1xi8>
  %m = arith.constant dense<{2}> : tensor<{0}xf32>
  %h = arith.constant dense<{3}> : tensor<{0}xf32>
  %y = lowbit.conv %x, %w params(%m, %h) attributes {{strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = {4} : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {{
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %least = arith.constant {5} : f32
    %greatest = arith.constant {6} : f32
    %half = arith.constant 0.5 : f32
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %moved = arith.addf %scaled, %h0 : f32
    %more = arith.cmpf ogt, %moved, %least : f32
    %above = arith.select %more, %moved, %least : f32
    %less = arith.cmpf olt, %above, %greatest : f32
    %below = arith.select %less, %above, %greatest : f32
    %halved = arith.mulf %below, %half : f32
    %floored = math.floor %halved : f32
    %code = lowbit.round {7} {{low = {8} : i32, high = {9} : i32, zero = {10} : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<{0}x1x1xi8>, (tensor<{0}xf32>, tensor<{0}xf32>) -> tensor<1x{0}x8xi8>
  return %y : tensor<1x{0}x8xi8>
})",
      channels, list(weights, [](int w) { return "[[" + std::to_string(w) + "]]"; }), list(m, bitsOf), list(h, bitsOf),
      inputZero, bitsOf(least), bitsOf(greatest), last, low, high, zero);
}

/// What an epilogue of compares says, read from the IR.
struct Count {
  std::vector<std::vector<int32_t>> levels;
  std::vector<int32_t> flips;
  int lowest = 0;

  int code(size_t c, int32_t sum) const {
    int code = lowest;
    for (const std::vector<int32_t> &level : levels)
      code += (flips.empty() ? sum : sum ^ flips[c]) >= level[c];
    return code;
  }
};

Count readCount(lowbit::ConvOp op) {
  Count count;
  auto parameter = [&](Value argument) {
    return *constantIntegers(op.getParameters()[cast<BlockArgument>(argument).getArgNumber() - 1]);
  };
  op.getBody().walk([&](Operation *inner) {
    if (auto flip = dyn_cast<arith::XOrIOp>(inner))
      count.flips = parameter(flip.getRhs());
    if (auto compare = dyn_cast<arith::CmpIOp>(inner)) {
      EXPECT_EQ(compare.getPredicate(), arith::CmpIPredicate::sge);
      count.levels.push_back(parameter(compare.getRhs()));
    }
    if (auto lowest = dyn_cast<arith::ConstantOp>(inner))
      count.lowest = cast<IntegerAttr>(lowest.getValue()).getInt();
    EXPECT_FALSE(isa<lowbit::RoundOp>(inner));
  });
  return count;
}

class RequantizeThresholds : public testing::Test {
protected:
  RequantizeThresholds() {
    context.loadDialect<func::FuncDialect, arith::ArithDialect, math::MathDialect, msq::MsqDialect,
                        lowbit::LowbitDialect>();
  }

  /// Every sum near a threshold and near the ends, and every sum of the range where it is short.
  void check(const Layer &layer) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(layer.text(), &context);
    ASSERT_TRUE(module);
    PassManager pm(&context);
    pm.addNestedPass<func::FuncOp>(createRequantizeThresholds({/*compares=*/3}));
    ASSERT_TRUE(succeeded(pm.run(*module)));
    lowbit::ConvOp op;
    module->walk([&](lowbit::ConvOp found) { op = found; });
    Count count = readCount(op);
    for (size_t c = 0; c < layer.weights.size(); ++c) {
      int64_t first = layer.first(c), last = layer.last(c);
      auto compare = [&](int64_t around) {
        for (int64_t sum = std::max(first, around - 2); sum <= std::min(last, around + 2); ++sum, ++compared)
          ASSERT_EQ(count.code(c, sum), layer.code(c, sum)) << "sum " << sum << ", channel " << c << layer.text();
      };
      for (const std::vector<int32_t> &level : count.levels)
        compare(count.flips.empty() ? level[c] : level[c] ^ count.flips[c]);
      compare(first);
      compare(last);
      for (int64_t sum = first; sum <= last; sum += std::max<int64_t>(1, (last - first) / 1024))
        compare(sum);
    }
  }

  MLIRContext context;
  int64_t compared = 0;
};

TEST_F(RequantizeThresholds, EqualTheFloatFormForEverySum) {
  std::mt19937 random(5);
  auto real = [&](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
  auto integer = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  for (int round = 0; round < 200; ++round) {
    Layer layer{};
    int codes = round % 2 ? 3 : 1;
    layer.low = integer(0, 1) ? 0 : -2;
    layer.high = layer.low + codes;
    layer.zero = integer(0, 3) ? 0 : integer(-3, 5);
    layer.inputZero = integer(0, 2) ? integer(0, 255) : 0;
    layer.isOdd = integer(0, 3) == 0;
    layer.least = integer(0, 1) ? 0.0f : -3.4e38f;
    layer.greatest = integer(0, 1) ? real(0.3f, 3.0f) : 3.4e38f;
    for (int c = 0; c < 16; ++c) {
      layer.weights.push_back(integer(-128, 127));
      // Steps inside of the sums, beyond them, exact halves, none at all, and slopes of both signs.
      float step = std::exp2(real(-16, 2)) * (integer(0, 2) ? 1 : -1);
      layer.m.push_back(c == 0 ? 0.0f : c < 4 ? std::exp2(float(integer(-12, 0))) : step);
      layer.h.push_back(c < 4 ? 0.5f * integer(-6, 6) : real(-8, 8));
    }
    check(layer);
  }
  EXPECT_GT(compared, 1000000);
}

TEST_F(RequantizeThresholds, SumsThatFloatsRound) {
  // Beyond 2^24 neighbouring sums have one float: the threshold is the first of the neighbours. The sums are 127 times
  // (code - zero), up to near the end of int32.
  for (int inputZero : {-16000000, 16000000, -132104}) {
    Layer layer{{127, 100, -128, -77}, {}, {}, -3.4e38f, 3.4e38f, 0, 3, 0, inputZero, false};
    for (size_t c = 0; c < 4; ++c) {
      float sign = c % 2 ? -1 : 1, middle = float(layer.first(c) / 2 + layer.last(c) / 2);
      layer.m.push_back(sign * 1.3e-9f);
      layer.h.push_back(1.5f - layer.m[c] * middle);
    }
    check(layer);
  }
  EXPECT_GT(compared, 10000);
}

} // namespace
