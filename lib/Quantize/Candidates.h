//===- Candidates.h - which widths a candidate gives a layer ----*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_CANDIDATES_H
#define ANYBIT_LIB_QUANTIZE_CANDIDATES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace anybit::quantize {

/// Bits of weights and of the activations in front of them, 1 to 8; 0 stands for float32 (always both).
struct Widths {
  unsigned weights = 0;
  unsigned activations = 0;
  bool real() const { return weights == 0; }
};

/// A glob of layer names and the widths of the layers it names.
struct WidthRule {
  std::string pattern;
  Widths widths;
};

/// One precision setting of the whole network.
struct Candidate {
  std::string name;
  std::vector<WidthRule> rules; ///< Most specific first; the last one names every layer.
};

/// Resolves names such as `w4a8` and `f32`, and those that the JSON text `mixes` defines (candidate → glob of layer
/// names → {"weights": bits, "activations": bits}; an exact name beats a glob, a longer glob a shorter one). An empty
/// list of names takes all of `mixes`. All problems are reported at once; `file` names the text in them.
llvm::Expected<std::vector<Candidate>> parseCandidates(llvm::ArrayRef<std::string> names, llvm::StringRef mixes,
                                                       llvm::StringRef file);

/// The widths that `candidate` gives the layer `name`.
Widths widthsOf(const Candidate &candidate, llvm::StringRef name);

/// The rules of `candidates` that name none of `layers`: a likely spelling mistake, one sentence each.
std::vector<std::string> unusedRules(llvm::ArrayRef<Candidate> candidates, llvm::ArrayRef<std::string> layers);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_CANDIDATES_H
