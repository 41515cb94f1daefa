//===- Calibration.h - samples from files -----------------------*- C++ -*-===//
#ifndef ANYBIT_DATA_CALIBRATION_H
#define ANYBIT_DATA_CALIBRATION_H

#include "anybit/Data/Array.h"
#include "anybit/Data/Preprocess.h"

#include <memory>
#include <optional>

namespace anybit::data {

/// One input of a model. The first dimension counts rows of a batch; a free (negative) one means one row a sample.
struct InputSpec {
  std::string name;
  ElementType type = ElementType::Float32;
  llvm::SmallVector<int64_t, 4> dims;
};

/// Samples for a model's inputs, read on demand, always in the same order (files sorted by name, then rows).
///
/// Thread rule: one thread at a time.
class CalibrationSource {
public:
  /// Opens `path`:
  ///  * a `.npy` file (models of one input) or `.npz` file (one array per input, by name; one unnamed array will do for
  ///    one input), first axis = rows;
  ///  * a directory of such files, of one kind; a file may also hold one row without the first axis;
  ///  * a JPEG or PNG, or a directory of them, with `preprocess`, which is adapted to the input (`adaptToShape`).
  /// Checks every array file's types and shapes, and reports all that do not fit at once (up to 8).
  static llvm::Expected<CalibrationSource> open(llvm::StringRef path, llvm::ArrayRef<InputSpec> inputs,
                                                std::optional<PreprocessOptions> preprocess);

  /// Number of samples: whole batches only, at least 1.
  int64_t size() const;

  /// Sample `index` (below size()): one array per input, in the order given to `open`, with the dimensions of the input
  /// and 1 for a free first dimension. Errors name the file.
  llvm::Expected<std::vector<Array>> sample(int64_t index);

  CalibrationSource(CalibrationSource &&) noexcept;
  CalibrationSource &operator=(CalibrationSource &&) noexcept;
  ~CalibrationSource();

private:
  struct Impl;
  explicit CalibrationSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace anybit::data

#endif // ANYBIT_DATA_CALIBRATION_H
