//===- Functions.h - what is made of the codes of a site --------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_FUNCTIONS_H
#define ANYBIT_LIB_QUANTIZE_FUNCTIONS_H

#include "Network.h"
#include "Search.h"

#include "anybit/Quantize/Executor.h"

#include "llvm/ADT/StringMap.h"

#include <memory>

namespace anybit::quantize {

/// The functions of one tensor (SiLU, HardSwish, Sigmoid, …) that read the codes of a site. Where they are flat, as SiLU
/// is below zero, codes are wasted, so the site's bounds are judged by the functions' values.
class SiteFunctions {
public:
  /// `network` has its quantizers. The references outlive this.
  SiteFunctions(const Network &network, Executor &executor);

  /// The values at `points` of the functions of `site`; none if something else reads its codes too.
  llvm::Expected<FunctionValues> valuesAt(unsigned site, llvm::ArrayRef<float> points);

private:
  /// Steps from one tensor of codes to what others read.
  struct Chain {
    std::string operand;
    std::vector<size_t> steps;
    std::vector<std::string> results;
  };
  const Network &network;
  Executor &executor;
  std::vector<std::vector<Chain>> chains;             ///< By site.
  llvm::StringMap<std::unique_ptr<Program>> programs; ///< By the bytes of their model.

  llvm::Expected<std::vector<Batch>> run(const Chain &chain, llvm::ArrayRef<float> points);
};

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_FUNCTIONS_H
