#include "AmxRows.h"

using namespace mlir;

namespace anybit::cpu {

constexpr int64_t mostRows = 16, mostSteps = 16, tileColumns = 16;

AmxRows::AmxRows(int64_t stride, int64_t spans, int64_t length, int64_t imageSpans, int64_t pitch)
    : stride(stride), spans(spans), length(length), imageSpans(imageSpans), pitch(pitch) {
  tilesInSpan = llvm::divideCeil(length, mostRows);
  // Tiles are multiplied in packs; an even number of shorter ones ends without overlapping.
  if (spans == 1 && tilesInSpan > 1)
    tilesInSpan = llvm::alignTo(tilesInSpan, 2);
  rows = llvm::divideCeil(length, tilesInSpan);
}

AmxRows AmxRows::choose(const Geometry &g, const PixelStrides &input) {
  int64_t row = input.row * g.strideHeight;
  // Columns, or matrices of one position a row: what has one element has no stride.
  int64_t pixel = g.width > 1 ? input.pixel * g.strideWidth : g.height > 1 ? row : input.batch;
  bool rowsJoin = g.height == 1 || row == g.width * pixel;
  if (rowsJoin && (g.batch == 1 || input.batch == g.height * g.width * pixel))
    return AmxRows(pixel, 1, g.positions(), 0, 0);
  AmxRows best(pixel, g.batch * g.height, g.width, g.height, 0);
  if (g.height > 1 && row % pixel == 0 && row / pixel >= g.width) {
    AmxRows image(pixel, g.batch, (g.height - 1) * (row / pixel) + g.width, 1, row / pixel);
    if (image.tiles() < best.tiles())
      best = image;
  }
  return best;
}

Value AmxRows::firstTile(KernelBuilder &kb, Value pack, int64_t columnTiles) const {
  int64_t inPack = tilesInPack(columnTiles);
  return packs(columnTiles) == 1 ? kb.index(0) : kb.min(kb.mul(pack, inPack), kb.index(tiles() - inPack));
}

Value AmxRows::span(KernelBuilder &kb, Value tile) const {
  return spans == 1 ? kb.index(0) : kb.divide(tile, tilesInSpan);
}

Value AmxRows::start(KernelBuilder &kb, Value tile) const {
  return kb.min(kb.mul(spans == 1 ? tile : kb.remainder(tile, tilesInSpan), rows), kb.index(length - rows));
}

int64_t amxStepsInTile(int64_t steps) {
  int64_t part = std::min(steps, mostSteps);
  while (steps % part != 0)
    --part;
  return part;
}

double amxWork(const LayerShape &layer, int64_t columns) {
  Geometry g(layer);
  int64_t columnTiles = columns / tileColumns, blocks = g.groups * llvm::divideCeil(g.channelsOut, columns);
  // The input as it mostly lies: channels side by side, the padding between rows.
  PixelStrides input(g.width * g.strideWidth + g.kernelWidth - 1, g.channelsIn * g.groups);
  input.batch = (g.height * g.strideHeight + g.kernelHeight - 1) * input.row;
  bool adjacent = g.groups == 1;
  int64_t taps = adjacent ? g.kernelWidth : 1, all = g.kernelHeight * g.kernelWidth;
  int64_t steps = adjacent && g.channelsIn % 4 != 0 ? llvm::divideCeil(taps * g.channelsIn, 4)
                                                    : taps * llvm::divideCeil(g.channelsIn, 4);
  int64_t products = layer.planes * all / taps * steps / amxStepsInTile(steps);
  AmxRows rows = AmxRows::choose(g, input);
  // A tile takes as long as a full one; a unit is configured, cleared and stored.
  constexpr double perUnit = 100, perCall = 300, perProduct = 16;
  double units = double(rows.packs(columnTiles) * blocks);
  return perCall +
         units * (perUnit + double(rows.tilesInPack(columnTiles) * columnTiles * products) * perProduct);
}

} // namespace anybit::cpu
