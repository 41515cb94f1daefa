//===- SharedTarget.h - the CPU target as a pass option ---------*- C++ -*-===//
#ifndef ANYBIT_TARGET_CPU_SHAREDTARGET_H
#define ANYBIT_TARGET_CPU_SHAREDTARGET_H

#include "anybit/Target/CPU/CpuTarget.h"

#include "llvm/Support/CommandLine.h"

namespace anybit {

/// A CPU target that is resolved once and then shared by all passes of a pipeline and their clones. Immutable; safe to read
/// from any thread.
class SharedTarget {
public:
  /// The baseline of this architecture: x86-64, elsewhere LLVM's `generic`.
  SharedTarget() = default;
  explicit SharedTarget(CpuTarget target) : resolved(std::make_shared<const CpuTarget>(std::move(target))) {}

  const CpuTarget &cpu() const;

private:
  std::shared_ptr<const CpuTarget> resolved;
};

/// As `parseCpuTarget` takes it.
llvm::raw_ostream &operator<<(llvm::raw_ostream &out, const SharedTarget &target);

} // namespace anybit

/// `target=…` of a pass or a pipeline; what `parseCpuTarget` refuses is an error of the option.
template <> class llvm::cl::parser<anybit::SharedTarget> : public llvm::cl::basic_parser<anybit::SharedTarget> {
public:
  using basic_parser::basic_parser;
  bool parse(Option &option, StringRef name, StringRef text, anybit::SharedTarget &value);
  StringRef getValueName() const override { return "target"; }
  void printOptionDiff(const Option &option, const anybit::SharedTarget &, const OptionValue<anybit::SharedTarget> &,
                       size_t width) const {
    printOptionName(option, width);
  }
};

#endif // ANYBIT_TARGET_CPU_SHAREDTARGET_H
