#include "AmxEpilogue.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {

/// Of a tile, and of a register.
static constexpr int64_t lanes = 16;

AmxEpilogue::AmxEpilogue(KernelBuilder &kb, lowbit::ConvOp op, const ConvArguments &arguments, const Geometry &g,
                         const AmxRows &rows)
    : kb(kb), arguments(arguments), g(g), rows(rows),
      columns(cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding()).getColumns()),
      tiles(rows.tilesInPack(columns / lanes)), blocks(llvm::divideCeil(g.channelsOut, columns)) {}

ConvArguments::Pixel AmxEpilogue::pixel(Value tile, Value row) {
  Value index = kb.add(rows.start(kb, tile), row);
  if (rows.joined())
    return {[=](const PixelStrides &strides) { return g.pixelOffset(kb, index, strides, 1, 1); }, Value()};
  Value span = rows.span(kb, tile), image = kb.divide(span, rows.imageSpans), y = kb.remainder(span, rows.imageSpans);
  Value x = index, valid;
  if (rows.pitch) {
    y = kb.divide(index, rows.pitch);
    x = kb.remainder(index, rows.pitch);
    valid = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::ult, x, kb.index(g.width));
    // What lies between image rows reads the parameters of the last position.
    x = kb.min(x, kb.index(g.width - 1));
  }
  auto offset = [=](const PixelStrides &strides) -> Value {
    return kb.add(kb.add(kb.mul(image, strides.batch), kb.mul(y, strides.row)), kb.mul(x, strides.pixel));
  };
  return {offset, valid};
}

void AmxEpilogue::finishRows(Value sums, Value tile, Value block, Value from, Value to) {
  auto all = [&](int64_t valid) {
    kb.loop(from, to, [&](Value row) { finishRow(sums, tile, block, row, valid); });
  };
  int64_t tail = g.channelsOut - (blocks - 1) * columns;
  if (blocks == 1 || tail == columns)
    return all(tail);
  Value inGroup = kb.remainder(block, blocks);
  Value last = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, inGroup, kb.index(blocks - 1));
  kb.branch(last, [&] { all(tail); }, [&] { all(columns); });
}

void AmxEpilogue::finishRow(Value sums, Value tile, Value block, Value row, int64_t valid) {
  Value channel = kb.mul(block, columns);
  if (g.groups > 1)
    channel = kb.add(kb.mul(kb.divide(block, blocks), g.channelsOut), kb.mul(kb.remainder(block, blocks), columns));
  Value initial = kb.at(kb.argument(ConvArguments::initial), kb.mul(block, columns * 4));
  auto type = VectorType::get({lanes}, kb.i32);
  SmallVector<ConvArguments::Pixel> pixels;
  SmallVector<Value> accumulators;
  for (int64_t i = 0; i < tiles; ++i) {
    pixels.push_back(pixel(kb.add(tile, i), row));
    Value from = kb.at(sums, kb.add(kb.mul(row, sumsRowBytes()), i * rows.rows * sumsRowBytes()));
    for (int64_t column = 0; column < columns; column += lanes)
      accumulators.push_back(arith::AddIOp::create(kb.b, kb.loc, kb.load(type, kb.at(from, column * 4)),
                                                   kb.load(type, kb.at(initial, column * 4))));
  }
  arguments.emitEpilogue(kb, accumulators, pixels, channel, valid, /*packs=*/true);
}

} // namespace anybit::cpu
