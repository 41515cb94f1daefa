//===- CommandLine.h - what all verbs share ---------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_DRIVER_COMMANDLINE_H
#define ANYBIT_LIB_DRIVER_COMMANDLINE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Option/ArgList.h"
#include "llvm/Option/OptTable.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace anybit::driver {

/// Exit codes, the same for every verb.
enum ExitCode : int { Done = 0, Internal = 1, Invalid = 2, Unsupported = 3 };

/// The most threads that --threads takes.
inline constexpr uint64_t maxThreads = 1024;

/// The verbs that a flag is visible to (Options.td).
enum VerbVisibility : unsigned {
  NoVerb = 0,
  QuantizeVerb = 1 << 1,
  CompileVerb = 1 << 2,
  RunVerb = 1 << 3,
  BenchVerb = 1 << 4,
  InspectVerb = 1 << 5,
  SupportedOpsVerb = 1 << 6,
};

enum OptionId {
  OPT_INVALID = 0,
#define OPTION(...) LLVM_MAKE_OPT_ID(__VA_ARGS__),
#include "anybit/Driver/Options.inc"
#undef OPTION
};

/// The flags and positional arguments of one call of a verb. Problems are collected, so that all are told at once.
class CommandLine {
public:
  explicit CommandLine(llvm::opt::InputArgList &args) : args(args) {}

  bool has(OptionId id) const { return args.hasArg(id); }
  /// The last value of a flag, or `otherwise`.
  std::string text(OptionId id, llvm::StringRef otherwise = "") const {
    return args.getLastArgValue(id, otherwise).str();
  }
  std::vector<std::string> all(OptionId id) const { return args.getAllArgValues(id); }
  /// The last value of a flag, split at commas; an empty item is a problem.
  std::vector<std::string> list(OptionId id);
  /// The last value of a flag as a whole number in [low, high]; anything else is a problem.
  uint64_t number(OptionId id, uint64_t otherwise, uint64_t low, uint64_t high = std::numeric_limits<uint64_t>::max());
  /// The last value of a flag as a fraction in [0, 1].
  double fraction(OptionId id, double otherwise);
  /// The value of a flag that must be there; `flag` is how messages spell it.
  std::string required(OptionId id, llvm::StringRef flag);
  /// The only positional argument, called `what` in messages.
  std::string onlyInput(llvm::StringRef what);
  /// All positional arguments.
  std::vector<std::string> inputs() const { return args.getAllArgValues(OPT_INPUT); }

  void problem(const llvm::Twine &sentence) { problems.push_back(sentence.str()); }
  /// Prints the problems; true if there were any.
  bool report() const;

private:
  std::string spelling(OptionId id) const;

  llvm::opt::InputArgList &args;
  std::vector<std::string> problems;
};

/// Prints `anybit: error: sentence` and returns `code`.
int fail(const llvm::Twine &sentence, ExitCode code = Invalid);
/// The same for an error of the data room: bad files are invalid input.
int fail(llvm::Error error, ExitCode code = Invalid);

// The verbs, one file each. They return the exit code.
int quantizeCommand(CommandLine &line);
int compileCommand(CommandLine &line);
int runCommand(CommandLine &line);
int benchCommand(CommandLine &line);
int inspectCommand(CommandLine &line);
int supportedOpsCommand(CommandLine &line);

/// Training is Python: hands its arguments to `python3 -m anybit.torch.train` (ANYBIT_PYTHON names another interpreter)
/// and returns its exit code, or Unsupported if Python or a package is missing.
int trainCommand(llvm::ArrayRef<const char *> arguments);

} // namespace anybit::driver

#endif // ANYBIT_LIB_DRIVER_COMMANDLINE_H
