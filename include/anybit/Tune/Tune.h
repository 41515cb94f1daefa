//===- Tune.h - kernels chosen by measuring them here -----------*- C++ -*-===//
//
// `anybit compile --tune`: every distinct layer of a network is compiled alone with each of its choices of kernels and
// run on this machine. What was measured is kept in a cache (docs/kernels.md, "Choice").
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_TUNE_TUNE_H
#define ANYBIT_TUNE_TUNE_H

#include "anybit/Pipelines/Compile.h"

#include <memory>

namespace anybit::tune {

struct TuneOptions {
  double seconds = 0;    ///< No layer is begun after so many.
  std::string directory; ///< Of the cache; it is made if there is none.
  std::string target = "native"; ///< As in `CompileOptions`, a CPU that this process can run code for.
  unsigned optimization = 3;
  bool narrowWeights = false; ///< As in `CompileOptions`.
  bool quiet = false;         ///< No progress bar.
};

/// Where the cache is by default: `anybit` in the user's folder of caches; empty if the user has none.
std::string defaultCacheDirectory();

/// Measures layers, those first that compute most. Layers that the budget leaves out are chosen by table. A folder that
/// cannot be made or written is an error, a damaged file in it is a warning and measured again.
std::unique_ptr<KernelTuner> createTuner(const TuneOptions &options);

} // namespace anybit::tune

#endif // ANYBIT_TUNE_TUNE_H
