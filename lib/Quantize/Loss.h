//===- Loss.h - how far a candidate is from the float network ---*- C++ -*-===//
//
// Without labels: the float network's outputs are the truth.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_QUANTIZE_LOSS_H
#define ANYBIT_LIB_QUANTIZE_LOSS_H

#include "anybit/Quantize/Executor.h"

namespace anybit::quantize {

/// Whether there are enough samples to keep some for acceptance.
inline bool hasHeldOut(size_t samples) { return samples >= 8; }

/// Whether a sample counts for acceptance rather than for calibration: every fourth does.
inline bool isHeldOut(size_t sample, size_t samples) { return hasHeldOut(samples) && sample % 4 == 3; }

/// What the outputs are compared by.
enum class Task {
  Classify, ///< One output of [1, classes]: KL divergence, and agreement of the best class.
  Regress,  ///< Anything else: squared error over variance, and 1 minus that (at least 0) for agreement.
};

struct Distance {
  double loss = 0;      ///< 0 is equal.
  double agreement = 0; ///< 0 to 1.
};

/// The task of a float network with these inputs and outputs.
Task taskOf(llvm::ArrayRef<Batch> inputs, llvm::ArrayRef<Batch> outputs);

/// Compares outputs on the held-out samples, on all if there are none.
Distance compare(Task task, llvm::ArrayRef<Batch> expected, llvm::ArrayRef<Batch> actual);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_LOSS_H
