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

/// What sums are looked up in (docs/kernels.md, "table").
enum class TableForm {
  Bytes, ///< Tables of four channels, whose bytes are added.
  Six, ///< The same of six channels: a register holds one, which is worth loading for several registers of bytes only.
  Dot, ///< Four tables of four channels in a register, whose bytes VPDPBUSD adds.
};

/// The form for blocks of `vectors` registers of columns.
inline TableForm tableForm(const CpuTarget &target, int64_t vectors) {
  return !target.permutesBytes ? TableForm::Bytes : vectors > 4 ? TableForm::Six : TableForm::Dot;
}

inline int64_t tableChannels(TableForm form) { return form == TableForm::Six ? 6 : 4; }

/// Parts of codes, of four bits where there are two, that have tables of their own: sums stay bytes, and few enough for
/// several of them where bytes are added.
inline int64_t tableDigits(const CpuTarget &target, int64_t vectors, int64_t inputBits) {
  return inputBits > (tableForm(target, vectors) == TableForm::Dot ? 6 : 4) ? 2 : 1;
}

/// Rows of a tile that looks sums up in tables.
int64_t tableRows(const CpuTarget &target, int64_t vectors, int64_t inputBits, int64_t positions);

} // namespace anybit::cpu

#endif // ANYBIT_TARGET_CPU_DOTTILE_H
