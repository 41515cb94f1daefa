//===- AmxEpilogue.h - from tiles of sums to outputs ------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_AMXEPILOGUE_H
#define ANYBIT_LIB_TARGET_CPU_AMXEPILOGUE_H

#include "AmxRows.h"

namespace anybit::cpu {

/// Sums of a pack of tiles of positions by one or two tiles of columns, as they lie in scratch memory:
/// [tile][row][column].
class AmxEpilogue {
public:
  AmxEpilogue(KernelBuilder &kb, lowbit::ConvOp op, const ConvArguments &arguments, const Geometry &g,
              const AmxRows &rows);

  int64_t sumsRowBytes() const { return columns * 4; }
  int64_t sumsBytes() const { return tiles * rows.rows * sumsRowBytes(); }
  /// Writes the outputs of the rows [from, to) of all tiles, of which `tile` is the first, for column block `block`.
  void finishRows(mlir::Value sums, mlir::Value tile, mlir::Value block, mlir::Value from, mlir::Value to);

private:
  /// Where a row of a tile goes.
  ConvArguments::Pixel pixel(mlir::Value tile, mlir::Value row);
  void finishRow(mlir::Value sums, mlir::Value tile, mlir::Value block, mlir::Value row, int64_t valid);

  KernelBuilder &kb;
  const ConvArguments &arguments;
  const Geometry &g;
  const AmxRows &rows;
  int64_t columns, tiles, blocks;
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_AMXEPILOGUE_H
