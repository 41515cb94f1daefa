#include "InputFrame.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;

namespace anybit::cpu {

InputFrame::InputFrame(const Geometry &g, const View &view, bool skipsColumns)
    : stepHeight(g.kernelHeight == 1 ? g.strideHeight : 1),
      stepWidth(skipsColumns && g.kernelWidth == 1 ? g.strideWidth : 1), strideHeight(g.strideHeight / stepHeight),
      strideWidth(g.strideWidth / stepWidth), g(g), source(view) {
  height = (g.height - 1) * strideHeight + (g.kernelHeight - 1) * g.dilationHeight + 1;
  width = (g.width - 1) * strideWidth + (g.kernelWidth - 1) * g.dilationWidth + 1;
}

Value InputFrame::rowOf(KernelBuilder &kb, Value position, int64_t below) const {
  Value row = kb.divide(position, g.width);
  if (g.batch == 1)
    return kb.add(kb.mul(row, strideHeight), below);
  Value image = kb.divide(row, g.height), inImage = kb.remainder(row, g.height);
  return kb.add(kb.add(kb.mul(image, height), kb.mul(inImage, strideHeight)), below);
}

Value InputFrame::address(KernelBuilder &kb, Value row) const {
  Value input = kb.argument(ConvArguments::input);
  if (g.batch == 1)
    return kb.at(input, kb.mul(row, source.row * stepHeight));
  Value image = kb.divide(row, height), inImage = kb.remainder(row, height);
  return kb.at(input, kb.add(kb.mul(image, source.batch), kb.mul(inImage, source.row * stepHeight)));
}

Value InputFrame::rewriteRows(KernelBuilder &kb, Value first, Value last, int64_t rowBytes,
                              function_ref<void(Value from, Value to)> rewrite) const {
  Value begin = rowOf(kb, first, 0), end = rowOf(kb, last, (g.kernelHeight - 1) * g.dilationHeight + 1);
  Value base = kb.at(kb.scratch(), kb.mul(begin, -rowBytes));
  kb.loop(begin, end, [&](Value row) { rewrite(address(kb, row), kb.at(base, kb.mul(row, rowBytes))); });
  return base;
}

int64_t InputFrame::mostRows(int64_t positions) const {
  int64_t outputRows = llvm::divideCeil(positions - 1, g.width) + 1,
          window = (g.kernelHeight - 1) * g.dilationHeight + 1;
  // Between two images lie as many rows more as the windows of the last row reach down.
  int64_t images = g.batch == 1 ? 1 : llvm::divideCeil(outputRows - 1, g.height) + 1;
  return std::min(g.batch * height, (outputRows - 1) * strideHeight + images * window);
}

} // namespace anybit::cpu
