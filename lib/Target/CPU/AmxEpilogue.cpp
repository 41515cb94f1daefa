#include "AmxEpilogue.h"
#include "CodePacking.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {

/// Of a tile, and of a register.
static constexpr int64_t lanes = 16;

AmxEpilogue::AmxEpilogue(KernelBuilder &kb, lowbit::ConvOp op, const ConvArguments &arguments, const Geometry &g,
                         const AmxRows &rows)
    : kb(kb), op(op), arguments(arguments), g(g), rows(rows),
      columns(cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding()).getColumns()),
      tiles(rows.tilesInPack(columns / lanes)), blocks(llvm::divideCeil(g.channelsOut, columns)) {}

AmxEpilogue::Place AmxEpilogue::place(Value tile, Value row) {
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
  SmallVector<Place> places;
  SmallVector<IRMapping> bodies;
  for (int64_t i = 0; i < tiles; ++i) {
    places.push_back(place(kb.add(tile, i), row));
    Value from = kb.at(sums, kb.add(kb.mul(row, sumsRowBytes()), i * rows.rows * sumsRowBytes()));
    for (int64_t column = 0; column < columns; column += lanes) {
      Value sum = arith::AddIOp::create(kb.b, kb.loc, kb.load(type, kb.at(from, column * 4)),
                                        kb.load(type, kb.at(initial, column * 4)));
      bodies.push_back(arguments.evaluate(kb, sum, places.back().offset, kb.add(channel, column),
                                          std::clamp<int64_t>(valid - column, 0, lanes)));
    }
  }
  bool fourRegisters = bodies.size() == 4;
  CodePacking packing(kb, lanes);
  for (auto [r, scalar] : llvm::enumerate(op.getBody().getTerminator()->getOperands())) {
    auto vectors = [&](Value value) {
      return llvm::map_to_vector<4>(bodies, [&](const IRMapping &map) { return map.lookupOrDefault(value); });
    };
    auto round = scalar.getDefiningOp<lowbit::RoundOp>();
    Value real = round && fourRegisters ? CodePacking::roundedScalar(round) : Value();
    if (real)
      storePacked(packing.roundAndPack(vectors(real), round), r, places, channel, valid);
    else
      store(vectors(scalar), r, places, channel, valid);
  }
}

/// `codes`: in each 16 bytes 4 of every register, of all of tile 0, then of the next one.
void AmxEpilogue::storePacked(Value codes, size_t result, ArrayRef<Place> places, Value channel, int64_t valid) {
  auto dwords = VectorType::get({lanes}, kb.i32);
  int64_t inPlace = 4 / int64_t(places.size());
  auto part = VectorType::get({inPlace * lanes}, kb.i8);
  Value words = vector::BitCastOp::create(kb.b, kb.loc, dwords, codes);
  for (auto [i, place] : llvm::enumerate(places)) {
    SmallVector<int64_t> order;
    for (int64_t d = 0; d < 4 * inPlace; ++d)
      order.push_back(d % 4 * 4 + int64_t(i) * inPlace + d / 4);
    Value ordered = vector::BitCastOp::create(kb.b, kb.loc, part,
                                              vector::ShuffleOp::create(kb.b, kb.loc, words, words, order));
    Value to = arguments.resultAddress(kb, result, place.offset, channel);
    if (!place.valid) {
      kb.storeLanes(ordered, to, valid);
      continue;
    }
    Type bits = kb.b.getIntegerType(unsigned(inPlace * lanes));
    Value some = kb.integer(bits, int64_t(llvm::maskTrailingOnes<uint64_t>(unsigned(valid))));
    Value mask = arith::SelectOp::create(kb.b, kb.loc, place.valid, some, kb.integer(bits, 0));
    Value lanesMask = LLVM::BitcastOp::create(kb.b, kb.loc, VectorType::get({inPlace * lanes}, kb.b.getI1Type()), mask);
    LLVM::MaskedStoreOp::create(kb.b, kb.loc, ordered, to, lanesMask, /*alignment=*/1);
  }
}

void AmxEpilogue::store(ArrayRef<Value> values, size_t result, ArrayRef<Place> places, Value channel, int64_t valid) {
  size_t inRow = values.size() / places.size();
  for (auto [i, place] : llvm::enumerate(places)) {
    auto write = [&, i = i, &place = place] {
      for (size_t v = 0; v < inRow && int64_t(v) * lanes < valid; ++v)
        kb.storeLanes(values[i * inRow + v],
                      arguments.resultAddress(kb, result, place.offset, kb.add(channel, int64_t(v) * lanes)),
                      valid - int64_t(v) * lanes);
    };
    if (place.valid)
      kb.branch(place.valid, write);
    else
      write();
  }
}

} // namespace anybit::cpu
