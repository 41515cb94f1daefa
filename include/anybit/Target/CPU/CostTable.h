//===- CostTable.h - what choices of kernels cost ---------------*- C++ -*-===//
//
// Measured times of layers over a grid of shapes, formats and choices, one table per class of CPUs. The tables are data
// (lib/Target/CPU/Costs/*.json, made by utils/measure_kernels.py) and part of the compiler (docs/kernels.md, "Choice").
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_TARGET_CPU_COSTTABLE_H
#define ANYBIT_TARGET_CPU_COSTTABLE_H

#include "anybit/Target/CPU/KernelChoice.h"

#include <map>

namespace anybit::cpu {

/// The times of one class of CPUs, on one thread.
class CostTable {
public:
  /// Reads JSON of the form that utils/measure_kernels.py describes. An error names the key that is wrong. What is read
  /// is bounded: 1 MiB, 256 layers, 4096 rows.
  static llvm::Expected<CostTable> parse(llvm::StringRef json);

  /// The shipped table whose CPU is most like `target`.
  static const CostTable &nearest(const CpuTarget &target);
  /// All shipped tables.
  static llvm::ArrayRef<CostTable> shipped();

  /// Nanoseconds of a choice: its work by rule times the time of an instruction, interpolated over the layers of the
  /// grid. Equal to the measured time for a layer of the grid. For a target of another class instructions of
  /// the family take longer or shorter as the rates of both targets say. None where the family was not measured.
  std::optional<double> nanoseconds(const LayerShape &layer, const KernelChoice &choice, const CpuTarget &target) const;

  /// Whether `target` offers kernels what the CPU of the table does.
  bool isOf(const CpuTarget &target) const;
  const CpuTarget &cpu() const { return measured; }
  /// What the table was measured for, as `anybit compile --target` takes it.
  llvm::StringRef name() const { return targetText; }

  /// The times of one choice at one pair of widths.
  struct Row {
    KernelChoice choice;
    unsigned weightBits, inputBits;
    std::vector<double> nanoseconds; ///< Of each layer; 0 where there is none.
  };
  llvm::ArrayRef<LayerShape> layers() const { return shapes; }
  llvm::ArrayRef<Row> rows() const { return times; }
  /// The layer `index` of the grid at the widths of `row`.
  LayerShape layerOf(const Row &row, size_t index) const;

private:
  void addRow(Row row);
  const Row *findRow(const LayerShape &layer, const KernelChoice &choice) const;

  std::string targetText;
  CpuTarget measured;
  std::vector<LayerShape> shapes;
  std::vector<Row> times;
};

/// A choice, and why: the times of the fastest choice of each family and where they come from.
struct ChosenKernel {
  KernelChoice choice;
  std::string reason;
  double nanoseconds = 0; ///< Expected of one thread; 0 where nothing was measured.
};

/// The costs of some choices of one layer, in nanoseconds.
using ChoiceCosts = std::vector<std::pair<KernelChoice, double>>;

/// The least of `costs`, which are not empty, with what bytes of narrow weights cost to be read; `source` ends the reason.
ChosenKernel chooseLeast(ChoiceCosts costs, const LayerShape &layer, llvm::StringRef source);

/// The choice for a layer by the table nearest to `target`, among those that `wanted` admits; a wish that the layer
/// cannot have is passed over.
ChosenKernel chooseKernel(const LayerShape &layer, const CpuTarget &target, const WantedChoice &wanted = {});

/// What a thread takes at least of a grid that takes so long on one thread, and at most half of it; none where the work of
/// two threads would not be worth their meeting.
std::optional<int64_t> claimOf(int64_t grid, double nanoseconds);

} // namespace anybit::cpu

#endif // ANYBIT_TARGET_CPU_COSTTABLE_H
