#include "anybit/Target/CPU/DepthwiseLayout.h"
#include "ConvGeometry.h"

#include "llvm/Support/MathExtras.h"

namespace anybit::cpu {

/// The narrowest register: interleaving works within 16 bytes.
static constexpr int64_t narrowest = 16;

bool DepthwiseLayout::applies(lowbit::ConvOp op, const CpuTarget &target) {
  return !op.isReal() && target.dot != DotForm::Portable;
}

DepthwiseLayout::DepthwiseLayout(lowbit::ConvOp op, const CpuTarget &target) {
  Geometry g(op);
  vertical = g.kernelHeight > 1;
  taps = vertical ? g.kernelHeight : g.kernelWidth;
  steps = vertical ? g.kernelWidth : 1;
  stride = vertical ? g.strideHeight : g.strideWidth;
  int64_t dilation = vertical ? g.dilationHeight : g.dilationWidth, extent = vertical ? g.height : g.width;
  quads = llvm::divideCeil(taps, 4);
  // A second output costs no further dword where the last one has room for its taps.
  if (dilation == 1 && extent > 1 && taps + stride <= 4 * quads)
    outputs = 2;
  parts = target.dot == DotForm::Madd ? 2 : 1;
  addBlocks(g.groups, registers * target.lanes32());
}

void DepthwiseLayout::addBlocks(int64_t channels, int64_t widest) {
  fullBlocks = channels / widest;
  for (int64_t block = 0; block < fullBlocks; ++block)
    blocks.push_back({block * widest, widest, widest});
  int64_t start = fullBlocks * widest;
  while (start < channels) {
    int64_t width = std::max<int64_t>(narrowest, llvm::PowerOf2Ceil(channels - start));
    if (width <= channels) {
      blocks.push_back({channels - width, width, width});
      return;
    }
    if (width == narrowest) {
      blocks.push_back({0, width, channels});
      return;
    }
    blocks.push_back({start, width / 2, width / 2});
    start += width / 2;
  }
}

/// The weight of a tap, which may lie beside the kernel.
int8_t DepthwiseLayout::weight(llvm::ArrayRef<int8_t> channelTaps, int64_t step, int64_t tap) const {
  if (tap < 0 || tap >= taps)
    return 0;
  return channelTaps[vertical ? tap * steps + step : tap];
}

std::vector<int64_t> DepthwiseLayout::channelOrder() const {
  std::vector<int64_t> order;
  for (const ChannelBlock &block : blocks)
    for (int64_t lane = 0; lane < block.width; ++lane) {
      int64_t inRegister = lane % (block.width / registers), index = lane / (block.width / registers);
      int64_t channel = inRegister / 4 * narrowest + index * 4 + inRegister % 4;
      order.push_back(channel < block.valid ? block.start + channel : -1);
    }
  return order;
}

std::vector<char> DepthwiseLayout::packWeights(llvm::ArrayRef<int8_t> allTaps) const {
  std::vector<char> packed;
  std::vector<int64_t> order = channelOrder();
  auto channelTaps = [&](int64_t channel) { return allTaps.slice(channel * taps * steps, taps * steps); };
  // One lane of one part: four int8, or two int16 that are two taps apart.
  auto append = [&](int64_t channel, int64_t step, int64_t firstTap, int64_t part) {
    for (int64_t tap = part; tap < 4; tap += parts) {
      int8_t w = channel < 0 ? 0 : weight(channelTaps(channel), step, firstTap + tap);
      packed.push_back(w);
      if (parts == 2)
        packed.push_back(w < 0 ? -1 : 0);
    }
  };
  int64_t first = 0;
  for (const ChannelBlock &block : blocks) {
    int64_t lanes = block.width / registers;
    for (int64_t i = 0; i < steps * quads * outputs * registers; ++i) {
      int64_t index = i % registers, output = i / registers % outputs, quad = i / registers / outputs % quads;
      for (int64_t part = 0; part < parts; ++part)
        for (int64_t lane = 0; lane < lanes; ++lane)
          append(order[first + index * lanes + lane], i / registers / outputs / quads, 4 * quad - output * stride, part);
    }
    first += block.width;
  }
  return packed;
}

} // namespace anybit::cpu
