#include "Reduction.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {

SmallVector<ReductionLoop> reductionLoops(const Geometry &g, lowbit::PackedAttr packed, const PixelStrides &input,
                                          bool real) {
  constexpr int64_t valueBytes = 4; // four codes or one real
  int64_t steps = llvm::divideCeil(int64_t(packed.getTaps()) * g.channelsIn, real ? 1 : 4);
  SmallVector<ReductionLoop> loops{{steps, valueBytes}};
  for (ReductionLoop outer :
       {ReductionLoop{packed.getPlanes(), 0}, ReductionLoop{g.kernelWidth / packed.getTaps(), input.pixel * g.dilationWidth},
        ReductionLoop{g.kernelHeight, input.row * g.dilationHeight}}) {
    if (outer.count == 1)
      continue;
    ReductionLoop &inner = loops.front();
    if (outer.inputStride == inner.count * inner.inputStride)
      inner.count *= outer.count;
    else
      loops.insert(loops.begin(), outer);
  }
  return loops;
}

int64_t stepsFrom(ArrayRef<ReductionLoop> loops, size_t level) {
  int64_t steps = 1;
  for (const ReductionLoop &inner : loops.drop_front(level))
    steps *= inner.count;
  return steps;
}

void expandSteps(KernelBuilder &kb, DotProduct &dot, lowbit::ConvOp op, lowbit::PackedAttr packed, int64_t steps,
                 int64_t vectors, Value weights, Value to) {
  int64_t packedBytes = packed.getColumns() * 4 * packed.getBits() / 8, bytes = vectors * dot.preparedBytes();
  kb.loop(steps, [&](Value s) {
    SmallVector<DotProduct::Weights> columns =
        dot.loadWeights(kb.at(weights, kb.mul(s, packedBytes)), packed, *op.getWeightFormat(),
                        int32_t(op.getWeightZero()), vectors);
    for (int64_t v = 0; v < vectors; ++v)
      dot.storePrepared(columns[v], kb.at(to, kb.add(kb.mul(s, bytes), v * dot.preparedBytes())));
  });
}

} // namespace anybit::cpu
