//===- UpgradeResize.cpp - Resize, Upsample and Pad at opset 17 -----------===//
//
// Opset 18 lets a Resize and a Pad name the axes that they change; at 17 they say something of every dimension.
//
//===----------------------------------------------------------------------===//
#include "Upgrade.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <numeric>

using namespace llvm;

namespace anybit::quantize {

using onnx::Attribute;
using onnx::Node;
using onnx::Problem;

/// Of a dimension that a Pad repeats elements into.
static constexpr int64_t largestWrapped = int64_t(1) << 24;

static void setText(Node &node, StringRef name, StringRef value) {
  Attribute &attribute = node.attributes[name];
  attribute = Attribute();
  attribute.kind = Attribute::Kind::String;
  attribute.s = value.str();
}

//===----------------------------------------------------------------------===//
// Resize and Upsample
//===----------------------------------------------------------------------===//

/// Resize 10 and Upsample took the floor of an asymmetric coordinate.
void Upgrader::resize10(Node &node) {
  if (node.inputs.size() != 2)
    return report(Problem::Kind::Invalid, node, "its scales are missing; repair the model");
  node.op = "Resize";
  node.inputs = {node.inputs[0], "", node.inputs[1]};
  setText(node, "coordinate_transformation_mode", "asymmetric");
  setText(node, "nearest_mode", "floor");
}

/// The scales were an attribute before 9, and an input then.
void Upgrader::upsample(Node &node) {
  if (auto scales = node.attributes.find("scales"); scales != node.attributes.end()) {
    std::vector<float> values = scales->second.floats;
    node.inputs.resize(1);
    node.inputs.push_back(constant(node, "scales", makeTensor({int64_t(values.size())}, ArrayRef<float>(values))));
    node.attributes.erase("scales");
  }
  if (attributeText(node, "mode", "nearest") == "bilinear")
    setText(node, "mode", "linear");
  resize10(node);
}

void Upgrader::newResize(Node &node) {
  if (attributeInt(node, "antialias", 0) != 0)
    return refuse(node, "antialias does not exist at opset 17, the opset of the switchable file; export the model "
                        "without it");
  std::string policy = attributeText(node, "keep_aspect_ratio_policy", "stretch").str();
  if (!is_contained({"stretch", "not_larger", "not_smaller"}, policy))
    return report(Problem::Kind::Invalid, node, "keep_aspect_ratio_policy is '" + policy + "'");
  // A constant without elements stands for an input that is left out.
  bool bySizes = hasInput(node, 3) && facts.of(node.inputs[3]).dims != Dims{0};
  bool namesAxes = node.attributes.count("axes");
  if (namesAxes || (bySizes && policy != "stretch")) {
    std::optional<Dims> dims = facts.of(node.inputs[0]).dims;
    if (!dims)
      return refuse(node, "the number of dimensions of '" + node.inputs[0] +
                              "' does not follow from the nodes before it, and opset 17 knows no axes here; export the "
                              "model at opset 17");
    Dims all(dims->size());
    std::iota(all.begin(), all.end(), 0);
    std::optional<Dims> axes = normalizedAxes(attributeInts(node, "axes").value_or(all), dims->size());
    if (!axes)
      return report(Problem::Kind::Invalid, node, "its axes are not dimensions of its input; repair the model");
    bySizes ? resizeAxesBySizes(node, *axes, *dims, policy) : resizeAxesByScales(node, *axes, dims->size());
  }
  for (StringRef name : {"antialias", "axes", "keep_aspect_ratio_policy"})
    node.attributes.erase(name);
}

void Upgrader::setScales(Node &node, ArrayRef<float> scales) {
  std::string name = constant(node, "scales", makeTensor({int64_t(scales.size())}, scales));
  node.inputs = {node.inputs[0], "", name};
}

/// Dimensions that are not known come from the input as it runs.
void Upgrader::setSizes(Node &node, ArrayRef<int64_t> sizes) {
  std::string name;
  if (!is_contained(sizes, openDim)) {
    name = intConstant(node, "sizes", sizes);
  } else {
    std::vector<std::string> parts;
    for (auto [d, size] : llvm::enumerate(sizes)) {
      std::string what = "size" + std::to_string(d);
      parts.push_back(size == openDim ? precede(node, "Shape", {node.inputs[0]}, what) : intConstant(node, what, size));
      if (size != openDim)
        continue;
      before.back().attributes["start"].i = int64_t(d);
      before.back().attributes["end"].i = int64_t(d) + 1;
    }
    name = precede(node, "Concat", parts, "sizes");
    before.back().attributes["axis"].i = 0;
  }
  node.inputs = {node.inputs[0], "", "", name};
}

void Upgrader::resizeAxesByScales(Node &node, ArrayRef<int64_t> axes, size_t rank) {
  std::optional<Numbers> scales = hasInput(node, 2) ? facts.of(node.inputs[2]).numbers : std::nullopt;
  if (!scales || is_contained(*scales, std::nullopt))
    return refuse(node, "its scales are not constant; export the model with constant scales");
  if (scales->size() != axes.size())
    return report(Problem::Kind::Invalid, node,
                  "it has " + Twine(scales->size()) + " scales for " + Twine(axes.size()) + " axes; repair the model");
  std::vector<float> all(rank, 1);
  for (auto [axis, scale] : llvm::zip_equal(axes, *scales))
    all[axis] = float(*scale);
  setScales(node, all);
}

void Upgrader::resizeAxesBySizes(Node &node, ArrayRef<int64_t> axes, ArrayRef<int64_t> dims, StringRef policy) {
  std::optional<Dims> sizes = constantInts(node.inputs[3]);
  if (!sizes)
    return refuse(node, "its sizes are not constant; export the model with constant sizes");
  if (sizes->size() != axes.size() || llvm::any_of(*sizes, [](int64_t size) { return size < 1; }))
    return report(Problem::Kind::Invalid, node,
                  "it needs one size of at least 1 for each of " + Twine(axes.size()) + " axes; repair the model");
  if (policy != "stretch" && !keepAspectRatio(node, axes, dims, policy, *sizes))
    return;
  Dims all(dims.begin(), dims.end());
  for (auto [axis, size] : llvm::zip_equal(axes, *sizes))
    all[axis] = size;
  setSizes(node, all);
}

/// Makes `sizes` those of one scale along all axes. Returns false if the node got scales instead, or was refused.
///
/// A Resize of opset 17 takes its coordinates from sizes divided by dimensions, one of the policy from the scale
/// itself. They differ where scale times dimension is no whole number.
bool Upgrader::keepAspectRatio(Node &node, ArrayRef<int64_t> axes, ArrayRef<int64_t> dims, StringRef policy,
                               Dims &sizes) {
  if (axes.empty() || llvm::any_of(axes, [&](int64_t axis) { return dims[axis] < 1; })) {
    refuse(node, "keep_aspect_ratio_policy needs the dimensions of '" + node.inputs[0] +
                     "', which are not known; fix the shapes of the model's inputs");
    return false;
  }
  double scale = double(sizes[0]) / double(dims[axes[0]]);
  for (auto [axis, size] : llvm::zip_equal(axes, sizes)) {
    double other = double(size) / double(dims[axis]);
    scale = policy == "not_larger" ? std::min(scale, other) : std::max(scale, other);
  }
  bool isWhole = true, isFloor = true;
  for (auto [axis, size] : llvm::zip_equal(axes, sizes)) {
    double exact = scale * double(dims[axis]);
    size = int64_t(std::floor(exact + 0.5));
    isWhole &= std::abs(exact - double(size)) < 1e-6 * double(size);
    // Readers multiply in float or in double.
    isFloor &= int64_t(std::floor(float(scale) * float(dims[axis]))) == size;
    isFloor &= int64_t(std::floor(double(float(scale)) * double(dims[axis]))) == size;
  }
  // align_corners looks at the sizes alone.
  if (isWhole || attributeText(node, "coordinate_transformation_mode", "half_pixel") == "align_corners")
    return true;
  if (!isFloor) {
    refuse(node, "keep_aspect_ratio_policy rounds a size up, which opset 17, the opset of the switchable file, cannot "
                 "say; give sizes of the input's aspect ratio");
    return false;
  }
  std::vector<float> scales(dims.size(), 1);
  for (int64_t axis : axes)
    scales[axis] = float(scale);
  setScales(node, scales);
  return false;
}

//===----------------------------------------------------------------------===//
// Pad
//===----------------------------------------------------------------------===//

void Upgrader::pad(Node &node) {
  float value = node.attributes.count("value") ? node.attributes.find("value")->second.f : 0;
  attributeToInput(node, "pads");
  node.inputs.push_back(scalar(node, "value", value));
  node.attributes.erase("value");
}

void Upgrader::newPad(Node &node) {
  if (hasInput(node, 3) && !spreadPads(node))
    return;
  node.inputs.resize(std::min<size_t>(3, node.inputs.size()));
  if (attributeText(node, "mode", "constant") == "wrap")
    wrap(node);
}

/// Pads of all dimensions instead of those that the input `axes` names; false after a report.
bool Upgrader::spreadPads(Node &node) {
  std::optional<Dims> pads = constantInts(node.inputs[1]), given = constantInts(node.inputs[3]);
  std::optional<Dims> dims = facts.of(node.inputs[0]).dims;
  if (!pads || !given || !dims) {
    refuse(node, "opset 17, the opset of the switchable file, knows no axes here, and pads of all dimensions do not "
                 "follow, since " +
                     Twine(dims ? "pads or axes are not constant" : "the number of dimensions is not known") +
                     "; export the model at opset 17");
    return false;
  }
  std::optional<Dims> axes = normalizedAxes(*given, dims->size());
  if (!axes || pads->size() != 2 * axes->size()) {
    report(Problem::Kind::Invalid, node, "its pads and axes do not fit its input; repair the model");
    return false;
  }
  Dims all(2 * dims->size(), 0);
  for (auto [i, axis] : llvm::enumerate(*axes)) {
    all[axis] = (*pads)[i];
    all[axis + dims->size()] = (*pads)[i + axes->size()];
  }
  node.inputs[1] = intConstant(node, "pads", all);
  return true;
}

/// A Gather along each dimension, whose indices start again behind the last element.
void Upgrader::wrap(Node &node) {
  std::optional<Dims> pads = hasInput(node, 1) ? constantInts(node.inputs[1]) : std::nullopt;
  std::optional<Dims> dims = facts.of(node.inputs[0]).dims;
  bool known = pads && dims && pads->size() == 2 * dims->size();
  std::string value = node.inputs[0];
  for (size_t d = 0; known && d < dims->size(); ++d) {
    int64_t low = (*pads)[d], high = (*pads)[d + dims->size()], dim = (*dims)[d];
    if (low == 0 && high == 0)
      continue;
    known = dim > 0 && llvm::all_of(ArrayRef{low, high, dim}, [](int64_t n) { return std::abs(n) < largestWrapped; });
    std::vector<int64_t> indices;
    for (int64_t i = -low; known && i < dim + high; ++i)
      indices.push_back((i % dim + dim) % dim);
    std::string axis = "wrapped" + std::to_string(d);
    value = precede(node, "Gather", {value, intConstant(node, axis + "/indices", indices)}, axis);
    before.back().attributes["axis"].i = int64_t(d);
  }
  if (!known)
    return refuse(node,
                  "mode wrap does not exist at opset 17, the opset of the switchable file, and what it repeats is "
                  "not known; make the pads constant and fix the shapes of the model's inputs");
  node.op = "Identity";
  node.inputs = {value};
  node.attributes.clear();
}

} // namespace anybit::quantize
