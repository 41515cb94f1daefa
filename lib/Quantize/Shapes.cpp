//===- Shapes.cpp - dimensions of results that are computed ---------------===//
#include "ShapeRules.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace llvm;

namespace anybit::quantize {

using onnx::Node;

int64_t product(ArrayRef<int64_t> dims) {
  int64_t result = 1;
  for (int64_t dim : dims)
    if (dim == openDim || MulOverflow(result, dim, result))
      return openDim;
  return boundedDim(result);
}

Dims broadcast(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Dims result(a.begin(), a.end());
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t &dim = result[a.size() - b.size() + i];
    if (dim == 1 || (dim == openDim && b[i] > 1))
      dim = b[i];
  }
  return result;
}

MaybeDims ShapeRules::run() const {
  using Rule = MaybeDims (ShapeRules::*)() const;
  Rule rule =
      StringSwitch<Rule>(node.op)
          .Cases({"Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum"}, &ShapeRules::join)
          .Cases({"Mean", "Where", "And", "Or", "Xor", "Equal", "Less"}, &ShapeRules::join)
          .Cases({"Greater", "LessOrEqual", "GreaterOrEqual"}, &ShapeRules::join)
          .Cases({"Conv", "MaxPool", "AveragePool", "ConvTranspose"}, &ShapeRules::window)
          .Cases({"GlobalAveragePool", "GlobalMaxPool"}, &ShapeRules::globalPool)
          .Cases({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"}, &ShapeRules::reduce)
          .Cases({"ReduceSum", "ReduceSumSquare", "ArgMax", "ArgMin"}, &ShapeRules::reduce)
          .Cases({"DepthToSpace", "SpaceToDepth"}, &ShapeRules::blocks)
          .Case("Flatten", &ShapeRules::flatten)
          .Case("Gemm", &ShapeRules::gemm)
          .Case("MatMul", &ShapeRules::matMul)
          .Case("Reshape", &ShapeRules::reshape)
          .Cases({"Expand", "ConstantOfShape"}, &ShapeRules::fromNumbers)
          .Case("Concat", &ShapeRules::concat)
          .Case("Transpose", &ShapeRules::transpose)
          .Case("Squeeze", &ShapeRules::squeeze)
          .Case("Unsqueeze", &ShapeRules::unsqueeze)
          .Cases({"Slice", "Tile", "TopK"}, &ShapeRules::open)
          .Case("Split", &ShapeRules::split)
          .Case("Gather", &ShapeRules::gather)
          .Case("Pad", &ShapeRules::pad)
          .Case("Resize", &ShapeRules::resize)
          .Cases({"Shape", "Size", "Range"}, &ShapeRules::ofShape)
          .Default(nullptr);
  if (rule)
    return (this->*rule)();
  return isLikeInput() ? first : std::nullopt;
}

/// Ops whose result has the shape of the first input.
bool ShapeRules::isLikeInput() const {
  return StringSwitch<bool>(node.op)
      .Cases({"Relu", "Sigmoid", "Tanh", "Sqrt", "Exp", "Log", "Neg", "Abs", "Floor", "Ceil"}, true)
      .Cases({"Reciprocal", "Erf", "Elu", "PRelu", "LeakyRelu", "Selu", "Celu", "Softplus"}, true)
      .Cases({"Softsign", "HardSwish", "HardSigmoid", "ThresholdedRelu", "Round", "Sign"}, true)
      .Cases({"Sin", "Cos", "Clip", "Softmax", "LogSoftmax", "Hardmax", "Cast", "Identity"}, true)
      .Cases({"BatchNormalization", "LayerNormalization", "InstanceNormalization"}, true)
      .Cases({"LpNormalization", "LRN", "Not", "CumSum", "ScatterND"}, true)
      .Default(false);
}

MaybeDims ShapeRules::intsOf(size_t input) const {
  std::optional<Numbers> numbers = hasInput(node, input) ? facts.of(node.inputs[input]).numbers : std::nullopt;
  if (!numbers)
    return std::nullopt;
  Dims result;
  for (std::optional<double> number : *numbers) {
    if (number && !(std::abs(*number) <= double(largestDim)))
      return std::nullopt;
    result.push_back(number ? int64_t(*number) : openDim);
  }
  return result;
}

MaybeDims ShapeRules::axesOf(size_t input, size_t rank) const {
  std::optional<Numbers> numbers = hasInput(node, input) ? facts.of(node.inputs[input]).numbers : std::nullopt;
  // An axis that is not known would look like the last one.
  bool known = numbers && !is_contained(*numbers, std::nullopt);
  MaybeDims axes = known ? intsOf(input) : std::nullopt;
  return axes ? normalizedAxes(*axes, rank) : std::nullopt;
}

MaybeDims ShapeRules::join() const {
  MaybeDims result = first;
  for (size_t i = 1; i < node.inputs.size() && result; ++i) {
    MaybeDims next = dimsOf(i);
    result = next ? MaybeDims(broadcast(*result, *next)) : std::nullopt;
  }
  return result;
}

/// How many windows of `kernel` fit along a spatial axis.
int64_t ShapeRules::windows(size_t axis, ArrayRef<int64_t> kernel) const {
  size_t spatial = kernel.size();
  auto entry = [&](StringRef name, size_t place, size_t count, int64_t otherwise) {
    MaybeDims given = attributeInts(node, name);
    return !given ? otherwise : given->size() == count ? boundedDim((*given)[place]) : openDim;
  };
  int64_t dim = (*first)[axis + 2], stride = entry("strides", axis, spatial, 1);
  int64_t dilation = entry("dilations", axis, spatial, 1);
  int64_t low = entry("pads", axis, 2 * spatial, 0), high = entry("pads", axis + spatial, 2 * spatial, 0);
  if (is_contained({dim, dilation, low, high, kernel[axis]}, openDim) || stride < 1)
    return openDim;
  StringRef automatic = attributeText(node, "auto_pad", "NOTSET");
  if (automatic.starts_with("SAME"))
    return (dim + stride - 1) / stride;
  int64_t padded = automatic == "VALID" ? dim : dim + low + high;
  int64_t reach = 0;
  if (MulOverflow(kernel[axis] - 1, dilation, reach) || padded < reach + 1)
    return openDim;
  // Readers disagree on the last window of ceil_mode.
  int64_t steps = padded - reach - 1;
  bool isUnclear = attributeInt(node, "ceil_mode", 0) != 0 && steps % stride != 0;
  return isUnclear ? openDim : steps / stride + 1;
}

MaybeDims ShapeRules::window() const {
  bool convolves = node.op == "Conv";
  if (!first || first->size() < 3)
    return std::nullopt;
  Dims result(first->size(), openDim);
  result[0] = (*first)[0];
  MaybeDims weights = convolves ? dimsOf(1) : std::nullopt, kernel = attributeInts(node, "kernel_shape");
  if (!convolves && node.op != "ConvTranspose")
    result[1] = (*first)[1];
  if (weights && weights->size() == first->size()) {
    result[1] = (*weights)[0];
    kernel = Dims(weights->begin() + 2, weights->end());
  }
  if (node.op == "ConvTranspose" || !kernel || kernel->size() + 2 != first->size())
    return result;
  for (size_t axis = 0; axis < kernel->size(); ++axis)
    result[axis + 2] = windows(axis, *kernel);
  return result;
}

MaybeDims ShapeRules::globalPool() const {
  MaybeDims result = first;
  for (size_t d = 2; result && d < result->size(); ++d)
    (*result)[d] = 1;
  return result;
}

MaybeDims ShapeRules::reduce() const {
  if (!first)
    return std::nullopt;
  bool isArg = StringRef(node.op).starts_with("Arg"), keeps = attributeInt(node, "keepdims", 1) != 0;
  Dims given = isArg ? Dims{attributeInt(node, "axis", 0)} : attributeInts(node, "axes").value_or(Dims());
  MaybeDims axes = !isArg && hasInput(node, 1) ? axesOf(1, first->size()) : normalizedAxes(given, first->size());
  if (!axes)
    return keeps ? open() : std::nullopt;
  if (axes->empty() && attributeInt(node, "noop_with_empty_axes", 0) != 0)
    return first;
  Dims result;
  for (size_t d = 0; d < first->size(); ++d) {
    bool isReduced = axes->empty() || is_contained(*axes, int64_t(d));
    if (!isReduced || keeps)
      result.push_back(isReduced ? 1 : (*first)[d]);
  }
  return result;
}

MaybeDims ShapeRules::gemm() const {
  MaybeDims second = dimsOf(1);
  bool known = first && second && first->size() == 2 && second->size() == 2;
  if (!known)
    return Dims{openDim, openDim};
  return Dims{(*first)[attributeInt(node, "transA", 0) != 0 ? 1 : 0],
              (*second)[attributeInt(node, "transB", 0) != 0 ? 0 : 1]};
}

MaybeDims ShapeRules::matMul() const {
  MaybeDims second = dimsOf(1);
  if (!first || !second || first->empty() || second->empty())
    return std::nullopt;
  ArrayRef<int64_t> a = *first, b = *second;
  MaybeDims result = broadcast(a.drop_back(std::min<size_t>(2, a.size())), b.drop_back(std::min<size_t>(2, b.size())));
  if (a.size() > 1)
    result->push_back(a[a.size() - 2]);
  if (b.size() > 1)
    result->push_back(b.back());
  return result;
}

MaybeDims ShapeRules::pad() const {
  MaybeDims pads = intsOf(1);
  std::optional<Numbers> numbers = hasInput(node, 1) ? facts.of(node.inputs[1]).numbers : std::nullopt;
  bool known = pads && first && pads->size() == 2 * first->size() && !is_contained(*numbers, std::nullopt);
  if (!known)
    return open();
  MaybeDims result = first;
  for (size_t d = 0; d < result->size(); ++d)
    if ((*result)[d] != openDim)
      (*result)[d] = boundedDim((*result)[d] + (*pads)[d] + (*pads)[d + result->size()]);
  return result;
}

MaybeDims ShapeRules::resize() const {
  MaybeDims sizes = intsOf(3);
  if (!first || (sizes && sizes->size() == first->size()))
    return sizes;
  std::optional<Numbers> scales = hasInput(node, 2) ? facts.of(node.inputs[2]).numbers : std::nullopt;
  if (!scales || scales->size() != first->size())
    return open();
  MaybeDims result = first;
  for (size_t d = 0; d < result->size(); ++d) {
    double size = (*scales)[d] && (*result)[d] != openDim ? std::floor(*(*scales)[d] * double((*result)[d])) : -1;
    (*result)[d] = size >= 0 && size <= double(largestDim) ? int64_t(size) : openDim;
  }
  return result;
}

std::optional<Dims> resultDims(const Facts &facts, const Node &node, size_t index) {
  return ShapeRules(facts, node, index).run();
}

} // namespace anybit::quantize
