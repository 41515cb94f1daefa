//===- TransposeKernel.cpp - elementwise ops across layouts ---------------===//
//
// A tile is `lanes` positions along the dimension that is dense in the input by `rows` along the one that is dense in
// the output. Its rows are read and computed as vectors; log2(rows) rounds of interleaving make vectors of the output.
// The last tile of a dimension overlaps the one before it instead of being shorter.
//
//===----------------------------------------------------------------------===//

#include "TransposeKernel.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

/// Fewer lanes are not worth their shuffles.
constexpr int64_t fewestLanes = 4;
/// Rows that are not a power of two are interleaved by one shuffle each, up to so many.
constexpr int64_t mostOddRows = 3;

class TransposeKernel {
public:
  TransposeKernel(OpBuilder &builder, Location loc, const View &input, const View &output, const CpuTarget &target)
      : builder(builder), loc(loc), in(input), out(output), widest(target.lanes32()) {}

  bool applies();
  Kernel build(LaneFunction compute);

private:
  /// A loop over starts 0, step, 2 step, …, the last one cut so that `step` elements are left.
  struct Loop {
    unsigned dim;
    int64_t step;
  };

  std::optional<unsigned> denseDim(const View &view);
  bool contiguous() { return out.strides[lanesDim] == rows && out.shape[rowsDim] == rows; }
  int64_t trips(const Loop &loop) { return llvm::divideCeil(in.shape[loop.dim], loop.step); }
  Value start(KernelBuilder &kb, const Loop &loop, Value trip);
  SmallVector<Loop> loops();
  Value shuffle(KernelBuilder &kb, Value a, Value b, function_ref<int64_t(int64_t)> source, int64_t count);
  SmallVector<Value> interleave(KernelBuilder &kb, SmallVector<Value> values);
  SmallVector<Value> interleaveOdd(KernelBuilder &kb, ArrayRef<Value> values);
  void tile(KernelBuilder &kb, Value source, Value target, LaneFunction compute);

  OpBuilder &builder;
  Location loc;
  const View &in, &out;
  int64_t widest, lanes = 0, rows = 0;
  unsigned lanesDim = 0, rowsDim = 0;
};

/// The dimension of stride 1 and more than one element.
std::optional<unsigned> TransposeKernel::denseDim(const View &view) {
  for (unsigned dim = 0; dim < view.shape.size(); ++dim)
    if (view.strides[dim] == 1 && view.shape[dim] > 1)
      return dim;
  return std::nullopt;
}

bool TransposeKernel::applies() {
  std::optional<unsigned> from = denseDim(in), to = denseDim(out);
  if (!from || !to || from == to || in.element.isInteger(1) || out.element.isInteger(1))
    return false;
  lanesDim = *from;
  rowsDim = *to;
  lanes = std::min<int64_t>(widest, llvm::bit_floor(uint64_t(in.shape[lanesDim])));
  rows = in.shape[rowsDim];
  if (rows > mostOddRows || !contiguous())
    rows = std::min<int64_t>(lanes, llvm::bit_floor(uint64_t(rows)));
  return lanes >= fewestLanes;
}

/// The rest of the dimensions, the largest stride of the output first, then the tiles.
SmallVector<TransposeKernel::Loop> TransposeKernel::loops() {
  SmallVector<Loop> result;
  for (unsigned dim = 0; dim < out.shape.size(); ++dim)
    if (dim != lanesDim && dim != rowsDim)
      result.push_back({dim, 1});
  llvm::stable_sort(result, [&](Loop a, Loop b) { return out.strides[a.dim] > out.strides[b.dim]; });
  result.push_back({lanesDim, lanes});
  result.push_back({rowsDim, rows});
  llvm::erase_if(result, [&](const Loop &loop) { return trips(loop) == 1; });
  return result;
}

Value TransposeKernel::start(KernelBuilder &kb, const Loop &loop, Value trip) {
  Value first = kb.mul(trip, loop.step);
  bool whole = in.shape[loop.dim] % loop.step == 0;
  return whole ? first : kb.min(first, kb.index(in.shape[loop.dim] - loop.step));
}

Value TransposeKernel::shuffle(KernelBuilder &kb, Value a, Value b, function_ref<int64_t(int64_t)> source,
                               int64_t count) {
  SmallVector<int64_t> mask = llvm::map_to_vector(llvm::seq<int64_t>(0, count), source);
  return vector::ShuffleOp::create(kb.b, kb.loc, a, b, mask);
}

/// Rows as vectors of the output: element i of every row, then element i + 1. A power of two of rows.
SmallVector<Value> TransposeKernel::interleave(KernelBuilder &kb, SmallVector<Value> values) {
  int64_t half = rows / 2;
  for (int64_t round = 1; round < rows; round *= 2) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < half; ++i)
      for (int64_t first : {int64_t(0), lanes / 2})
        next.push_back(shuffle(
            kb, values[i], values[i + half], [&](int64_t k) { return first + k / 2 + k % 2 * lanes; }, lanes));
    values = std::move(next);
  }
  return values;
}

/// The same for any number of rows.
SmallVector<Value> TransposeKernel::interleaveOdd(KernelBuilder &kb, ArrayRef<Value> values) {
  SmallVector<Value> result;
  for (int64_t first = 0; first < rows * lanes; first += lanes) {
    Value merged = values[0];
    for (int64_t row = 1; row < rows; ++row)
      merged = shuffle(
          kb, merged, values[row],
          [&](int64_t k) {
            int64_t position = (first + k) / rows, owner = (first + k) % rows;
            if (owner == row)
              return lanes + position;
            return row == 1 && owner == 0 ? position : k;
          },
          lanes);
    result.push_back(merged);
  }
  return result;
}

void TransposeKernel::tile(KernelBuilder &kb, Value source, Value target, LaneFunction compute) {
  SmallVector<Value> values;
  for (int64_t row = 0; row < rows; ++row) {
    Value from = kb.at(source, row * in.strides[rowsDim] * in.elementBytes());
    values.push_back(compute(kb, kb.load(VectorType::get({lanes}, in.element), from), lanes));
  }
  values = llvm::isPowerOf2_64(rows) ? interleave(kb, values) : interleaveOdd(kb, values);
  if (contiguous()) {
    for (auto [i, value] : llvm::enumerate(values))
      kb.store(value, kb.at(target, i * lanes * out.elementBytes()));
    return;
  }
  int64_t perVector = lanes / rows;
  for (int64_t position = 0; position < lanes; ++position) {
    Value value = values[position / perVector];
    if (perVector > 1)
      value = shuffle(kb, value, value, [&](int64_t k) { return position % perVector * rows + k; }, rows);
    kb.store(value, kb.at(target, position * out.strides[lanesDim] * out.elementBytes()));
  }
}

Kernel TransposeKernel::build(LaneFunction compute) {
  KernelBuilder kb(builder, loc, 2);
  SmallVector<Loop> order = loops();
  auto advance = [&](Value pointer, const View &view, const Loop &loop, Value first) {
    return kb.at(pointer, kb.mul(first, view.strides[loop.dim] * view.elementBytes()));
  };
  std::function<void(ArrayRef<Loop>, Value, Value)> nest = [&](ArrayRef<Loop> rest, Value source, Value target) {
    if (rest.empty())
      return tile(kb, source, target, compute);
    auto body = [&](Value trip) {
      Value first = start(kb, rest.front(), trip);
      nest(rest.drop_front(), advance(source, in, rest.front(), first), advance(target, out, rest.front(), first));
    };
    if (rest.size() == order.size())
      kb.loop(kb.begin(), kb.end(), body);
    else
      kb.loop(trips(rest.front()), body);
  };
  nest(order, kb.argument(0), kb.argument(1));
  return {kb.finish(), order.empty() ? 1 : trips(order.front()), "transpose"};
}

} // namespace

std::optional<Kernel> buildTransposeKernel(OpBuilder &builder, Location loc, const View &input, const View &output,
                                           const CpuTarget &target, LaneFunction compute) {
  TransposeKernel kernel(builder, loc, input, output, target);
  if (!kernel.applies())
    return std::nullopt;
  return kernel.build(compute);
}

} // namespace anybit::cpu
