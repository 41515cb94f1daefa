//===- AmxRows.h - output positions in the rows of tiles --------*- C++ -*-===//
//
// Shared by the kernel and the choice of the family, which knows the places of tensors only about.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_TARGET_CPU_AMXROWS_H
#define ANYBIT_LIB_TARGET_CPU_AMXROWS_H

#include "ConvGeometry.h"
#include "anybit/Target/CPU/KernelChoice.h"

#include "llvm/Support/MathExtras.h"

namespace anybit::cpu {

/// How positions fill tiles. A tile reads its rows at one stride, so it lies in a span of equally distant places: all
/// positions, an image (where its rows are whole strides apart, the places between them are no outputs), or an image row.
struct AmxRows {
  /// The spans with the fewest tiles; the rows of a tile all belong to one span, whose last tile overlaps.
  static AmxRows choose(const Geometry &g, const PixelStrides &input);

  int64_t tiles() const { return spans * tilesInSpan; }
  /// Tiles are multiplied in packs, by one or two tiles of columns: at most four tiles of sums.
  int64_t tilesInPack(int64_t columnTiles) const { return std::min(4 / columnTiles, tiles()); }
  int64_t packs(int64_t columnTiles) const { return llvm::divideCeil(tiles(), tilesInPack(columnTiles)); }
  /// The first tile of a pack, the span of a tile, the place of its first row there. Last ones overlap.
  mlir::Value firstTile(KernelBuilder &kb, mlir::Value pack, int64_t columnTiles) const;
  mlir::Value span(KernelBuilder &kb, mlir::Value tile) const;
  mlir::Value start(KernelBuilder &kb, mlir::Value tile) const;
  bool joined() const { return imageSpans == 0; }

  int64_t stride = 0;            ///< Bytes from one place to the next.
  int64_t spans = 1, length = 1; ///< Places in a span.
  int64_t imageSpans = 0;        ///< Of one image: 1 or its rows; 0: the only span is all positions of all images.
  int64_t pitch = 0;             ///< Places from one image row to the next where a span is an image, else 0.
  int64_t tilesInSpan = 1, rows = 1;

private:
  AmxRows(int64_t stride, int64_t spans, int64_t length, int64_t imageSpans, int64_t pitch);
};

/// Steps of four codes in a tile: the longest part of the innermost loop of a reduction that a tile holds.
int64_t amxStepsInTile(int64_t steps);

/// Cycles of a layer by rule, with blocks of `columns` columns: 16 or 32.
double amxWork(const LayerShape &layer, int64_t columns);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_AMXROWS_H
