//===- MixBands.cpp - numerics N3 in standard ops -------------------------===//
//
// The weight becomes planes [batch, rows, columns], padded to even size and seen as 2x2 blocks
// [batch, rows / 2, 2, columns / 2, 2]. The order of the float operations is that of anybit_mix_bands in
// anybit/weights.h, so that both give the same bits.
//
//===----------------------------------------------------------------------===//
#include "MixBands.h"

#include "BodyBuilder.h"

using namespace llvm;
using Value = anybit::onnx::BodyBuilder::Value;
using Values = anybit::onnx::BodyBuilder::Values;

namespace anybit::onnx {

namespace {

/// How group, outputs, inputs, kernel height and kernel width become planes: permute, then multiply the first
/// `batchAxes` sizes to the batch, the next up to `columnAxes` to the rows and the rest to the columns.
struct Layout {
  StringLiteral name;
  int64_t permutation[5]; // its own inverse
  int64_t batchAxes, columnAxes;
};

constexpr Layout layouts[] = {{"tile", {0, 1, 3, 2, 4}, 1, 3},
                              {"matrix", {0, 1, 2, 3, 4}, 1, 2},
                              {"plane", {0, 3, 4, 1, 2}, 3, 4},
                              {"spatial", {0, 1, 2, 3, 4}, 3, 4}};

constexpr float db2Low[4] = {-0.12940952255126037f, 0.2241438680420134f, 0.8365163037378079f, 0.48296291314453414f};
constexpr float db2High[4] = {-0.48296291314453414f, 0.8365163037378079f, -0.2241438680420134f, -0.12940952255126037f};

class MixBandsBuilder {
public:
  MixBandsBuilder(::onnx::FunctionProto &proto, const Layout &layout) : b(proto), layout(layout) {}

  void build(bool isDb2);

private:
  void openShape();
  Value toBlocks();
  Value fromBlocks(const Value &blocks);
  Value mixHaar(const Value &blocks);
  Value mixDb2(const Value &blocks);
  Value weightedSum(const Values &factors, const Values &terms);
  Values scalars(ArrayRef<float> values);
  std::pair<Value, Value> analyse(const Value &even, const Value &odd, int64_t axis);
  std::pair<Value, Value> synthesise(const Value &low, const Value &high, int64_t axis);
  Value slice(const Value &value, int64_t begin, int64_t end, int64_t axis);
  Value next(const Value &value, int64_t axis);
  Value previous(const Value &value, int64_t axis);
  Value half(const Value &value, int64_t which, int64_t axis);
  Value interleave(const Value &even, const Value &odd, int64_t axis);

  static constexpr int64_t end = INT64_MAX;

  BodyBuilder b;
  const Layout &layout;
  Value shape, kernel, split, permuted, sizes, batch, padded;
};

} // namespace

Value MixBandsBuilder::slice(const Value &value, int64_t begin, int64_t stop, int64_t axis) {
  return b.add("Slice", {value, b.ints({begin}), b.ints({stop}), b.ints({axis})});
}

/// Shapes: of w, of w split into groups, permuted, and as planes.
void MixBandsBuilder::openShape() {
  shape = b.add("Shape", {"w"});
  const Value kernelSizes = b.add("Concat", {b.ints({1, 1}), slice(shape, 2, end, 0)}, "axis", 0);
  kernel = slice(kernelSizes, -2, end, 0); // [1, 1], [1, k] or [kh, kw]
  const Value groups = b.add("Reshape", {b.reference("group"), b.ints({1})});
  const Value outputs = b.add("Div", {slice(shape, 0, 1, 0), groups});
  split = b.add("Concat", {groups, outputs, slice(shape, 1, 2, 0), kernel}, "axis", 0);
}

Value MixBandsBuilder::toBlocks() {
  const Value grouped = b.add("Reshape", {"w", split});
  const Value moved = b.add("Transpose", {grouped}, "perm", ArrayRef(layout.permutation));
  permuted = b.add("Shape", {moved});
  batch = b.add("ReduceProd", {slice(permuted, 0, layout.batchAxes, 0)});
  const Value rows = b.add("ReduceProd", {slice(permuted, layout.batchAxes, layout.columnAxes, 0)});
  const Value columns = b.add("ReduceProd", {slice(permuted, layout.columnAxes, end, 0)});
  sizes = b.add("Concat", {rows, columns}, "axis", 0);
  const Value planes = b.add("Reshape", {moved, b.add("Concat", {batch, sizes}, "axis", 0)});
  const Value odd = b.add("Mod", {sizes, b.ints({2})});
  const Value filled = b.add("Pad", {planes, b.add("Concat", {b.ints({0, 0, 0, 0}), odd}, "axis", 0), b.scalar(0)});
  padded = b.add("Concat", {batch, b.add("Add", {sizes, odd})}, "axis", 0);
  const Values halves = b.split(b.add("Div", {b.add("Add", {sizes, odd}), b.ints({2})}), 2, 0);
  const Value blocks = b.add("Concat", {batch, halves[0], b.ints({2}), halves[1], b.ints({2})}, "axis", 0);
  return b.add("Reshape", {filled, blocks});
}

Value MixBandsBuilder::fromBlocks(const Value &blocks) {
  const Value planes = b.add("Reshape", {blocks, padded});
  const Value cropped = b.add("Slice", {planes, b.ints({0, 0}), sizes, b.ints({1, 2})});
  const Value moved = b.add("Reshape", {cropped, permuted});
  return b.add("Transpose", {moved}, "perm", ArrayRef(layout.permutation));
}

/// ((f0 * t0 + f1 * t1) + f2 * t2) + f3 * t3.
Value MixBandsBuilder::weightedSum(const Values &factors, const Values &terms) {
  Value sum = b.add("Mul", {factors[0], terms[0]});
  for (size_t i = 1; i < terms.size(); ++i)
    sum = b.add("Add", {sum, b.add("Mul", {factors[i], terms[i]})});
  return sum;
}

Value MixBandsBuilder::mixHaar(const Value &blocks) {
  const Values alpha = b.split("alpha", 4, 0);
  Values factors; // of the own element, the column, the row and the diagonal neighbour
  for (const auto &ops : {std::array{"Add", "Add", "Add"}, std::array{"Add", "Sub", "Sub"},
                          std::array{"Sub", "Add", "Sub"}, std::array{"Sub", "Sub", "Add"}}) {
    Value sum = alpha[0];
    for (int i = 0; i < 3; ++i)
      sum = b.add(ops[i], {sum, alpha[i + 1]});
    factors.push_back(b.add("Div", {sum, b.scalar(4)}));
  }
  const Value swap = b.ints({1, 0});
  const Value column = b.add("Gather", {blocks, swap}, "axis", 4);
  const Value row = b.add("Gather", {blocks, swap}, "axis", 2);
  const Value diagonal = b.add("Gather", {row, swap}, "axis", 4);
  return weightedSum(factors, {blocks, column, row, diagonal});
}

Value MixBandsBuilder::next(const Value &value, int64_t axis) {
  return b.add("Concat", {slice(value, 1, end, axis), slice(value, 0, 1, axis)}, "axis", axis);
}

Value MixBandsBuilder::previous(const Value &value, int64_t axis) {
  return b.add("Concat", {slice(value, -1, end, axis), slice(value, 0, -1, axis)}, "axis", axis);
}

Value MixBandsBuilder::half(const Value &value, int64_t which, int64_t axis) {
  return b.add("Squeeze", {slice(value, which, which + 1, axis), b.ints({axis})});
}

Value MixBandsBuilder::interleave(const Value &even, const Value &odd, int64_t axis) {
  const Value axes = b.ints({axis});
  return b.add("Concat", {b.add("Unsqueeze", {even, axes}), b.add("Unsqueeze", {odd, axes})}, "axis", axis);
}

Values MixBandsBuilder::scalars(ArrayRef<float> values) {
  Values result;
  for (float value : values)
    result.push_back(b.scalar(value));
  return result;
}

/// Low and high coefficients of periodized lines whose even and odd elements are given.
std::pair<Value, Value> MixBandsBuilder::analyse(const Value &even, const Value &odd, int64_t axis) {
  const Values terms = {next(even, axis), odd, even, previous(odd, axis)};
  return {weightedSum(scalars(db2Low), terms), weightedSum(scalars(db2High), terms)};
}

/// The transpose of analyse.
std::pair<Value, Value> MixBandsBuilder::synthesise(const Value &low, const Value &high, int64_t axis) {
  const Value even = weightedSum(scalars({db2Low[2], db2Low[0], db2High[2], db2High[0]}),
                                 {low, previous(low, axis), high, previous(high, axis)});
  const Value odd = weightedSum(scalars({db2Low[3], db2Low[1], db2High[3], db2High[1]}),
                                {next(low, axis), low, next(high, axis), high});
  return {even, odd};
}

/// Rows are analysed before columns and synthesised after them.
Value MixBandsBuilder::mixDb2(const Value &blocks) {
  const Values alpha = b.split("alpha", 4, 0);
  const auto [low, high] = analyse(half(blocks, 0, 4), half(blocks, 1, 4), 3);
  Values lines;
  for (size_t i = 0; i < 2; ++i) {
    const Value &line = i == 0 ? low : high;
    const auto [top, bottom] = analyse(half(line, 0, 2), half(line, 1, 2), 1);
    const Value scaledTop = b.add("Mul", {top, alpha[2 * i]});
    const Value scaledBottom = b.add("Mul", {bottom, alpha[2 * i + 1]});
    const auto [even, odd] = synthesise(scaledTop, scaledBottom, 1);
    lines.push_back(interleave(even, odd, 2));
  }
  const auto [even, odd] = synthesise(lines[0], lines[1], 3);
  return interleave(even, odd, 4);
}

void MixBandsBuilder::build(bool isDb2) {
  openShape();
  const Value blocks = toBlocks();
  const Value mixed = fromBlocks(isDb2 ? mixDb2(blocks) : mixHaar(blocks));
  Value result = b.add("Reshape", {mixed, shape});
  if (layout.name == "spatial") { // on 1x1 the identity, but a padded 1x1 is not
    const Value single = b.add("Equal", {b.add("ReduceProd", {kernel}), b.ints({1})});
    result = b.add("Where", {single, "w", result});
  }
  b.finish(result, "mixed");
}

void buildMixBands(const ConventionFunction &function, ::onnx::FunctionProto &proto) {
  proto.add_input("w");
  proto.add_input("alpha");
  proto.add_attribute("layout"); // for readers; the body cannot look at it
  proto.add_attribute("wavelet");
  ::onnx::AttributeProto &group = *proto.add_attribute_proto();
  group.set_name("group");
  group.set_type(::onnx::AttributeProto::INT);
  group.set_i(1);
  for (const Layout &layout : layouts)
    if (layout.name == function.layout)
      MixBandsBuilder(proto, layout).build(function.wavelet == "db2");
}

} // namespace anybit::onnx
