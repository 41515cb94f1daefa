#include "anybit/Target/CPU/DotTile.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

namespace anybit::cpu {

StepForm stepForm(const CpuTarget &target, unsigned pairSteps) {
  if (target.dot == DotForm::Vnni)
    return StepForm::Dot;
  if (target.dot == DotForm::Madd && pairSteps > 0)
    return StepForm::Pairs;
  return target.wordPairs ? StepForm::Words : StepForm::Dwords;
}

/// Every row has an address: more of them cost more loads of addresses than they save loads of weights.
static constexpr int64_t mostRows = 14;

/// Rows that registers hold: accumulators, the weights of a step, the codes of a row, and what computes with them.
static int64_t rowsThatFit(const CpuTarget &target, StepForm form, int64_t vectors) {
  int64_t perVector = form == StepForm::Words ? 2 : form == StepForm::Dwords ? 4 : 1;
  // Wide words are multiplied half a step after the other.
  int64_t temporaries = form == StepForm::Words ? 3 : form == StepForm::Dwords ? 5 : 2;
  int64_t spare = int64_t(target.vectorRegisters) - perVector * vectors - temporaries;
  return std::clamp<int64_t>(spare / vectors, 1, mostRows);
}

/// Time of a step of a tile in multiplications of one register: the multiplications, unless loads (two at a time, like
/// multiplications) or the latency of a chain (five times two pipes) take longer; widening the codes of a row; weights,
/// which mostly come from the second cache.
double stepCost(StepForm form, int64_t rows, int64_t vectors) {
  bool chained = form == StepForm::Real || form == StepForm::Dot;
  bool widens = form == StepForm::Words || form == StepForm::Dwords;
  int64_t products = (form == StepForm::WideWords ? 2 : 1) * rows * vectors;
  int64_t busy = std::max({products, rows + vectors, int64_t(chained ? 10 : 1)});
  return double(busy) + (widens ? 0.5 * double(rows) : 0.0) + 2.0 * double(vectors) + 1;
}

int64_t chooseRows(const CpuTarget &target, StepForm form, int64_t vectors, int64_t positions) {
  int64_t best = 1;
  auto cost = [&](int64_t rows) { return double(llvm::divideCeil(positions, rows)) * stepCost(form, rows, vectors); };
  for (int64_t rows = 2, most = std::min(positions, rowsThatFit(target, form, vectors)); rows <= most; ++rows)
    if (cost(rows) <= cost(best))
      best = rows;
  return best;
}

int64_t countingRows(const CpuTarget &target, int64_t vectors, int64_t positions) {
  // Next to the sums: the weights of a word, an input word and temporaries (VPSHUFB needs two constants more).
  int64_t spare = int64_t(target.vectorRegisters) - (target.countsWords ? vectors + 4 : 8);
  return std::min(positions, std::clamp<int64_t>(spare / vectors, 1, 6));
}

int64_t tableRows(const CpuTarget &target, int64_t vectors, int64_t inputBits, int64_t positions) {
  // Sums of bytes stay in registers. Those of 16 bits, two registers each, do so where sums of long codes become them
  // after a few tables. Beside them are indices, a table, what is found, and constants.
  TableForm form = tableForm(target, vectors);
  bool six = form == TableForm::Six, dots = form == TableForm::Dot;
  int64_t perRow = dots ? vectors : vectors / 4, best = 1;
  int64_t spare = int64_t(target.vectorRegisters) - perRow - 2;
  int64_t most = dots                        ? std::min<int64_t>((spare - 5) / perRow, 10)
                 : inputBits > (six ? 2 : 3) ? spare / (3 * perRow)
                                             : (six ? 16 : 8) / perRow;
  auto cost = [&](int64_t rows) { return llvm::divideCeil(positions, rows) * (2 * rows * perRow + rows + 2 * perRow); };
  for (int64_t rows = 2; rows <= std::min(positions, most); ++rows)
    if (cost(rows) <= cost(best))
      best = rows;
  return best;
}

int64_t chooseVectors(const CpuTarget &target, StepForm form, int64_t outputs, int64_t positions) {
  int64_t registers = llvm::divideCeil(outputs, int64_t(target.lanes32()));
  if (registers <= 2)
    return std::max<int64_t>(1, registers);
  auto cost = [&](int64_t vectors) {
    int64_t rows = chooseRows(target, form, vectors, positions);
    return double(llvm::divideCeil(registers, vectors) * llvm::divideCeil(positions, rows)) *
           stepCost(form, rows, vectors);
  };
  int64_t best = 2;
  for (int64_t vectors = 3; vectors <= 4; ++vectors)
    if (cost(vectors) < cost(best))
      best = vectors;
  return best;
}

} // namespace anybit::cpu
