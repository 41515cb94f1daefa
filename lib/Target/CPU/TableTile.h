//===- TableTile.h - tiles that look sums up --------------------*- C++ -*-===//
//
// Recipes R5, R6 and R8 (docs/kernels.md, "table"). Four codes of a position have sixteen sums of subsets, six have
// sixty-four: a table of bytes, which the scratch of the thread holds for every position and four (six) channels. As
// many bits of weights of one plane (weights.h, ANYBIT_ORDER_PLANES) are an index.
//
// `odd` weights: an entry is the sum of |q M - a|, M the highest code, as bits that differ are what numerics N9
// counts; else it is the sum of q a. Codes whose sums would leave a byte are two digits with tables of their own.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_TARGET_CPU_TABLETILE_H
#define ANYBIT_LIB_TARGET_CPU_TABLETILE_H

#include "FrameTile.h"

namespace anybit::cpu {

class TableTile : public FrameTile {
protected:
  /// What a step of the reduction reads: so many tables, of so many channels each. One table, or eight of four
  /// channels, which then are those of even and those of odd number.
  struct Form {
    int64_t tables, channels;
  };
  TableTile(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views, const CpuTarget &target,
            Form form);

  /// One digit of the input and one plane of the weights.
  struct Pass {
    mlir::Value tables; ///< Offset of the digit's tables.
    mlir::Value weights;
    int64_t exponent; ///< Sums count 2^exponent times, and
    bool negative;    ///< are subtracted.
    int64_t digitBits;
  };
  /// `planeBytes`: of one plane of a block, as it is read.
  llvm::SmallVector<Pass> passes(mlir::Value weights, int64_t planeBytes);
  /// Offset of the tables of run `run`: of kernel positions whose tables lie side by side.
  mlir::Value tableOffset(mlir::Value run);
  int64_t runs() const { return taps() / tapsInRun; }
  int64_t runSteps() const { return tapsInRun * stepsOfPosition; }

  int64_t taps() const { return g.kernelHeight * g.kernelWidth; }
  int64_t words() const { return llvm::divideCeil(g.channelsIn, 32); }
  int64_t wordBytes() const { return packed.getColumns() * 4; }

  mlir::Value shifted(mlir::Value value, int64_t left);
  mlir::Value masked(mlir::Value value, int64_t mask);

  int64_t inputBits;
  Form form;
  int64_t tableBytes, stepsOfPosition;
  int64_t stepBytes; ///< Of tables.
  mlir::VectorType bytes, dwords;

private:
  int64_t blockBytes() const override { return int64_t(packed.getBits()) * taps() * words() * wordBytes(); }
  void prepareChannels(mlir::Value from, mlir::Value to) override;
  void prepareQuads(mlir::Value from, mlir::Value to);
  void prepareSixes(mlir::Value from, mlir::Value to);
  void buildQuads(mlir::Value from, mlir::Value to, int64_t codes, int64_t quads);
  void buildSixes(mlir::Value from, mlir::Value to, int64_t codes);
  mlir::Value digitOf(mlir::Value codes, int64_t digit);
  mlir::Value shuffled(mlir::Value value, llvm::ArrayRef<int64_t> order);
  mlir::Value sumsOfPairs(mlir::Value codes, int64_t high);
  mlir::Value quadsOf(mlir::Value pairs, int64_t tables, int64_t distance);

  bool isOdd() { return op.getWeightFormat()->getKind() == msq::FormatKind::Odd; }
  int64_t digits() const;
  int64_t digitBits(int64_t digit) const { return std::min<int64_t>(digits() > 1 ? 4 : 8, inputBits - 4 * digit); }

  int64_t tapsInRun;
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_TABLETILE_H
