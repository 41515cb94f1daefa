//===- Diagnostics.h - collecting what is wrong -----------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_DIAGNOSTICS_H
#define ANYBIT_LIB_FRONTEND_ONNX_DIAGNOSTICS_H

#include "anybit/Frontend/ONNX/Graph.h"

#include "llvm/ADT/Twine.h"

namespace anybit::onnx {

/// `text` in quotes, fit for one line of a message: control and non-UTF-8 bytes escaped, long text shortened.
std::string quoted(llvm::StringRef text);

/// Problems in the order found, bounded.
class Diagnostics {
public:
  Diagnostics(std::vector<Problem> &problems, unsigned limit) : problems(problems), limit(limit) {}

  /// Both return false, so that a check can end with `return diagnostics.invalid(…)`.
  bool invalid(const llvm::Twine &text) { return add(Problem::Kind::Invalid, text); }
  bool unsupported(const llvm::Twine &text) { return add(Problem::Kind::Unsupported, text); }

  /// Checks that `name` of `owner` is UTF-8 and has at most `maxBytes` bytes.
  bool checkName(llvm::StringRef name, const llvm::Twine &owner, int64_t maxBytes);

  size_t count() const { return found; }

  /// Says how many were left out.
  void finish();

private:
  bool add(Problem::Kind kind, const llvm::Twine &text);

  std::vector<Problem> &problems;
  const unsigned limit;
  size_t found = 0;
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_DIAGNOSTICS_H
