//===- Quantize.h - a float model to a switchable model ---------*- C++ -*-===//
//
// What `anybit quantize` asks for, as a struct, and the function that does it. The driver only parses flags.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_QUANTIZE_QUANTIZE_H
#define ANYBIT_QUANTIZE_QUANTIZE_H

#include <cstdint>
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace anybit {

namespace quantize {
class Executor;
} // namespace quantize

/// Everything `anybit quantize` can be told; the defaults are those of the command line.
struct QuantizeOptions {
  std::string model;       ///< Path of the float ONNX file.
  std::string output;      ///< Path of the switchable ONNX file; never left half written.
  std::string calibration; ///< A .npy/.npz, a directory of them, or a directory of JPEG/PNG pictures.
  std::string preprocess;  ///< Preset (`imagenet`, `tf`, `unit`, `raw`) or `size=..,crop=..,mean=..`; pictures only.
  std::vector<std::string>
      candidates;             ///< `w8a8`, …, `f32`, or names defined by `candidateFile`; checked by the callee.
  std::string candidateFile;  ///< JSON: name → layer pattern → widths; empty: none.
  unsigned firstLastBits = 8; ///< Width of the first and last layer, 1 to 8; 0: as the candidate says.
  double threshold = 0.5;     ///< Candidates that agree with float on less than this fraction get a loud warning.
  std::string report;         ///< JSON report; empty: none. The text report goes to `diagnostics`.
  uint64_t samples = 0;       ///< At most so many calibration samples; 0: all.
  bool quiet = false;         ///< No progress bars and no text report; warnings stay.
};

/// Quantizes `options.model` without labels. Every message goes to `diagnostics`, one sentence a line.
/// Returns the exit code of the tool: 0 done, 1 internal error, 2 invalid input, 3 unsupported.
/// On anything but 0 `options.output` is as it was before.
int quantizeModel(const QuantizeOptions &options, llvm::raw_ostream &diagnostics);

/// As above, with calibration running on `executor`.
int quantizeModel(const QuantizeOptions &options, quantize::Executor &executor, llvm::raw_ostream &diagnostics);

} // namespace anybit

#endif // ANYBIT_QUANTIZE_QUANTIZE_H
