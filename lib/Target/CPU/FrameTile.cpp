#include "FrameTile.h"

using namespace mlir;

namespace anybit::cpu {

void FrameTile::layOut(int64_t bytes, int64_t count, int64_t mostBytes, int64_t leastTiles) {
  frames = count;
  groupBytes = bytes;
  inputBytes = frames * readFrame(frame, g.groups * bytes, mostBytes / frames, leastTiles);
}

void FrameTile::prepareRow(Value from, Value to) {
  kb.loop(frame.width, [&](Value x) {
    Value pixelFrom = kb.at(from, kb.mul(x, sourcePixel)), pixelTo = kb.at(to, kb.mul(x, input.pixel));
    kb.loop(g.groups, [&](Value group) {
      prepareChannels(kb.at(pixelFrom, kb.mul(group, g.channelsIn)), kb.at(pixelTo, kb.mul(group, groupBytes)));
    });
  });
}

Value FrameTile::prepareInput(Value first, Value last) {
  return frame.rewriteRows(kb, first, last, input.row, [&](Value from, Value to) { prepareRow(from, to); });
}

} // namespace anybit::cpu
