//===- MovedShapes.cpp - dimensions of results that are rearranged --------===//
#include "ShapeRules.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace anybit::quantize {

MaybeDims ShapeRules::blocks() const {
  int64_t size = attributeInt(node, "blocksize", 0);
  if (!first || first->size() != 4 || size < 1 || size > (1 << 15))
    return std::nullopt;
  auto scaled = [&](int64_t dim, int64_t times, int64_t parts) {
    return dim == openDim ? openDim : boundedDim(dim * times / parts);
  };
  bool toSpace = node.op == "DepthToSpace";
  int64_t area = size * size, times = toSpace ? size : 1, parts = toSpace ? 1 : size;
  return Dims{(*first)[0], scaled((*first)[1], toSpace ? 1 : area, toSpace ? area : 1),
              scaled((*first)[2], times, parts), scaled((*first)[3], times, parts)};
}

MaybeDims ShapeRules::flatten() const {
  if (!first)
    return Dims{openDim, openDim};
  int64_t rank = int64_t(first->size()), axis = attributeInt(node, "axis", 1);
  axis = axis < 0 ? axis + rank : axis;
  if (axis < 0 || axis > rank)
    return std::nullopt;
  ArrayRef<int64_t> dims = *first;
  return Dims{product(dims.take_front(axis)), product(dims.drop_front(axis))};
}

MaybeDims ShapeRules::reshape() const {
  MaybeDims target = intsOf(1), shape = dimsOf(1);
  if (!target || attributeInt(node, "allowzero", 0) != 0) {
    bool known = shape && shape->size() == 1 && (*shape)[0] >= 0 && (*shape)[0] <= 64;
    return known ? MaybeDims(Dims(size_t((*shape)[0]), openDim)) : std::nullopt;
  }
  for (size_t d = 0; d < target->size(); ++d)
    if ((*target)[d] == 0)
      (*target)[d] = first && d < first->size() ? (*first)[d] : openDim;
  for (int64_t &dim : *target)
    dim = boundedDim(dim);
  // An element that is not known looks like the -1 of a dimension to be found; a single one is found in either case.
  int64_t count = first ? product(*first) : openDim;
  if (count == openDim || llvm::count(*target, openDim) != 1)
    return target;
  Dims rest = *target;
  llvm::erase(rest, openDim);
  int64_t known = product(rest);
  if (known > 0 && count % known == 0)
    *llvm::find(*target, openDim) = count / known;
  return target;
}

MaybeDims ShapeRules::fromNumbers() const {
  bool expands = node.op == "Expand";
  MaybeDims target = intsOf(expands ? 1 : 0);
  if (!target || (expands && !first))
    return std::nullopt;
  for (int64_t &dim : *target)
    dim = boundedDim(dim);
  return expands ? broadcast(*first, *target) : target;
}

MaybeDims ShapeRules::concat() const {
  MaybeDims result = first;
  MaybeDims axis = result ? normalizedAxes({attributeInt(node, "axis", 0)}, result->size()) : std::nullopt;
  if (!axis)
    return std::nullopt;
  int64_t &sum = (*result)[(*axis)[0]];
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    MaybeDims next = dimsOf(i);
    int64_t more = next && next->size() == result->size() ? (*next)[(*axis)[0]] : openDim;
    sum = sum == openDim || more == openDim ? openDim : boundedDim(sum + more);
  }
  return result;
}

MaybeDims ShapeRules::transpose() const {
  MaybeDims order = attributeInts(node, "perm");
  if (!first)
    return order ? MaybeDims(Dims(order->size(), openDim)) : std::nullopt;
  if (!order)
    return Dims(first->rbegin(), first->rend());
  MaybeDims axes = normalizedAxes(*order, first->size());
  if (!axes || axes->size() != first->size())
    return std::nullopt;
  return Dims(map_range(*axes, [&](int64_t axis) { return (*first)[axis]; }));
}

MaybeDims ShapeRules::squeeze() const {
  bool namesAxes = hasInput(node, 1);
  if (!first || (!namesAxes && is_contained(*first, openDim)))
    return std::nullopt;
  MaybeDims axes = namesAxes ? axesOf(1, first->size()) : Dims();
  if (!axes)
    return std::nullopt;
  Dims result;
  for (size_t d = 0; d < first->size(); ++d) {
    bool goes = namesAxes ? is_contained(*axes, int64_t(d)) : (*first)[d] == 1;
    if (!goes)
      result.push_back((*first)[d]);
  }
  return result;
}

MaybeDims ShapeRules::unsqueeze() const {
  MaybeDims given = intsOf(1);
  if (!first || !given)
    return std::nullopt;
  MaybeDims axes = axesOf(1, first->size() + given->size());
  if (!axes)
    return std::nullopt;
  Dims result;
  size_t next = 0;
  for (size_t d = 0; d < first->size() + given->size(); ++d) {
    bool isNew = is_contained(*axes, int64_t(d)) || next == first->size();
    result.push_back(isNew ? 1 : (*first)[next++]);
  }
  return result;
}

MaybeDims ShapeRules::split() const {
  MaybeDims axis = first ? normalizedAxes({attributeInt(node, "axis", 0)}, first->size()) : std::nullopt;
  if (!axis)
    return std::nullopt;
  MaybeDims result = first, lengths = intsOf(1);
  int64_t &dim = (*result)[(*axis)[0]], parts = int64_t(node.outputs.size());
  if (hasInput(node, 1))
    dim = lengths && index < lengths->size() ? (*lengths)[index] : openDim;
  else
    dim = dim == openDim || dim % parts != 0 ? openDim : dim / parts;
  return result;
}

MaybeDims ShapeRules::gather() const {
  MaybeDims indices = dimsOf(1);
  MaybeDims axis = first ? normalizedAxes({attributeInt(node, "axis", 0)}, first->size()) : std::nullopt;
  if (!axis || !indices)
    return std::nullopt;
  Dims result(first->begin(), first->begin() + (*axis)[0]);
  result.append(indices->begin(), indices->end());
  result.append(first->begin() + (*axis)[0] + 1, first->end());
  return result;
}

/// Range has one dimension, Size none, Shape as many elements as its input has dimensions.
MaybeDims ShapeRules::ofShape() const {
  if (node.op == "Size")
    return Dims();
  if (node.op == "Range" || !first)
    return Dims{openDim};
  auto [begin, end] = shapeRange(node, int64_t(first->size()));
  return Dims{end - begin};
}

} // namespace anybit::quantize
