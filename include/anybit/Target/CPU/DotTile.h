//===- DotTile.h - register tiles of convolutions ---------------*- C++ -*-===//
//
// Shared by the packing of weights, which fixes the columns of a block, and the kernels, which choose the rows.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_TARGET_CPU_DOTTILE_H
#define ANYBIT_TARGET_CPU_DOTTILE_H

#include "anybit/Target/CPU/CpuTarget.h"

namespace anybit::cpu {

/// What multiplies one step of a reduction: four codes of a row with four weights of every column, or one real.
enum class StepForm {
  Real,      ///< float32 multiply-add.
  Dot,       ///< VPDPBUSD into int32.
  Pairs,     ///< VPMADDUBSW into int16, widened after a proven number of steps (recipe R9).
  Words,     ///< VPMADDWD on codes and weights widened to int16: exact for all.
  WideWords, ///< The same on codes that were widened before the tiles.
  Dwords,    ///< int32 multiplies: any target.
};

/// The form for codes; `pairSteps` is that of `#lowbit.packed`, 0 where int16 sums are not proven.
StepForm stepForm(const CpuTarget &target, unsigned pairSteps);

/// Registers of columns in a block of weights, 1 to 4, for `outputs` columns (of one group) at `positions`.
int64_t chooseVectors(const CpuTarget &target, StepForm form, int64_t outputs, int64_t positions);

/// Rows of the tile: as many as registers hold beside the weights of a step, fewer where that wastes less at the end
/// of the positions.
int64_t chooseRows(const CpuTarget &target, StepForm form, int64_t vectors, int64_t positions);

/// Time of a step of a tile by rule, in multiplications of one register.
double stepCost(StepForm form, int64_t rows, int64_t vectors);

/// Rows of a tile that counts bits.
int64_t countingRows(const CpuTarget &target, int64_t vectors, int64_t positions);

/// Whether tables are of six channels instead of four: a register of them holds one, and is worth loading for two or
/// more registers of bytes, `vectors` of columns, only.
inline bool looksUpSix(const CpuTarget &target, int64_t vectors) { return target.permutesBytes && vectors > 4; }

/// Parts of codes, of four bits where there are two, that have tables of their own: sums stay bytes, and few enough for
/// several of them where bytes are added.
inline int64_t tableDigits(const CpuTarget &target, int64_t vectors, int64_t inputBits) {
  return inputBits > (target.permutesBytes && !looksUpSix(target, vectors) ? 6 : 4) ? 2 : 1;
}

/// Rows of a tile that looks sums up in tables.
int64_t tableRows(const CpuTarget &target, int64_t vectors, int64_t inputBits, int64_t positions);

} // namespace anybit::cpu

#endif // ANYBIT_TARGET_CPU_DOTTILE_H
