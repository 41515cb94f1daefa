#include "anybit/Driver/Driver.h"

#include "CommandLine.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace anybit::driver;
using namespace llvm;

namespace {

#define OPTTABLE_STR_TABLE_CODE
#include "anybit/Driver/Options.inc"
#undef OPTTABLE_STR_TABLE_CODE
#define OPTTABLE_PREFIXES_TABLE_CODE
#include "anybit/Driver/Options.inc"
#undef OPTTABLE_PREFIXES_TABLE_CODE

using opt::DefaultVis;
constexpr opt::OptTable::Info optionInfos[] = {
#define OPTION(...) LLVM_CONSTRUCT_OPT_INFO(__VA_ARGS__),
#include "anybit/Driver/Options.inc"
#undef OPTION
};

struct DriverOptions : opt::GenericOptTable {
  DriverOptions() : GenericOptTable(OptionStrTable, OptionPrefixesTable, optionInfos) {}
};

struct Verb {
  StringLiteral name;
  StringLiteral summary;
  const char *usage;
  VerbVisibility visibility;
  int (*command)(CommandLine &line);
  /// Of a verb whose flags another program reads; `usage`, `visibility` and `command` are not used then.
  int (*handOver)(ArrayRef<const char *> arguments) = nullptr;
};

constexpr Verb verbs[] = {
    {"quantize", "a float model becomes a switchable model, without labels",
     "anybit quantize MODEL.onnx --calibration PATH --candidates LIST -o SWITCHABLE.onnx", QuantizeVerb,
     quantizeCommand},
    {"compile", "a model becomes one artifact with all its candidates", "anybit compile MODEL.onnx [options] -o OUT",
     CompileVerb, compileCommand},
    {"run", "an artifact runs on arrays", "anybit run ARTIFACT --input [NAME=]X.npy.. [options]", RunVerb, runCommand},
    {"bench", "latency, size and switch time per candidate", "anybit bench ARTIFACT [options]", BenchVerb,
     benchCommand},
    {"inspect", "what an artifact or a model contains", "anybit inspect ARTIFACT|MODEL.onnx [--json]", InspectVerb,
     inspectCommand},
    {"supported-ops", "the ONNX operators that can be compiled", "anybit supported-ops [--markdown]", SupportedOpsVerb,
     supportedOpsCommand},
    {"train", "a network learns several precisions from labelled data (Python, PyTorch)", nullptr, NoVerb, nullptr,
     trainCommand},
};

/// The page of `anybit --help`.
void printOverview(raw_ostream &out) {
  out << "OVERVIEW: compiles an ONNX network into one file that switches among precisions\n\n"
         "USAGE: anybit VERB ...\n\nVERBS:\n";
  for (const Verb &verb : verbs)
    out << formatv("  {0,-14} {1}\n", verb.name, verb.summary);
  out << "\n'anybit VERB --help' lists the options of a verb, 'anybit --version' prints the version\n";
}

/// Reports flags that the verb does not have and flags without their value.
void checkFlags(const DriverOptions &table, const Verb &verb, const opt::InputArgList &args, unsigned missingIndex,
                unsigned missingCount, CommandLine &line) {
  if (missingCount)
    line.problem(Twine(args.getArgString(missingIndex)) + " needs a value");
  for (const opt::Arg *arg : args.filtered(OPT_UNKNOWN)) {
    std::string flag = arg->getAsString(args), nearest;
    bool close = table.findNearest(flag, nearest, opt::Visibility(verb.visibility)) <= 2;
    line.problem("anybit " + verb.name + " has no option " + flag + ", " +
                 (close ? "did you mean " + nearest : "see 'anybit " + verb.name.str() + " --help'"));
  }
}

int runVerb(const Verb &verb, ArrayRef<const char *> arguments) {
  if (verb.handOver)
    return verb.handOver(arguments);
  DriverOptions table;
  unsigned missingIndex = 0, missingCount = 0;
  opt::InputArgList args = table.ParseArgs(arguments, missingIndex, missingCount, opt::Visibility(verb.visibility));
  CommandLine line(args);
  if (line.has(OPT_help)) {
    table.printHelp(outs(), verb.usage, verb.summary.data(), /*ShowHidden=*/false, /*ShowAllAliases=*/false,
                    opt::Visibility(verb.visibility));
    return Done;
  }
  checkFlags(table, verb, args, missingIndex, missingCount, line);
  return line.report() ? Invalid : verb.command(line);
}

/// LLVM reports what it cannot recover from (memory, impossible states) here; it would abort otherwise.
void onFatalError(void *, const char *reason, bool) {
  errs() << "anybit: internal error: " << reason << '\n';
  std::_Exit(Internal);
}

int runArguments(ArrayRef<const char *> arguments) {
  StringRef first = arguments.empty() ? "" : arguments.front();
  if (first == "--help" || first == "-h" || first == "help") {
    printOverview(outs());
    return Done;
  }
  if (first == "--version") {
    outs() << "anybit " << ANYBIT_VERSION << '\n';
    return Done;
  }
  if (first.empty()) {
    printOverview(errs());
    return Invalid;
  }
  const Verb *verb = llvm::find_if(verbs, [&](const Verb &candidate) { return candidate.name == first; });
  if (verb == std::end(verbs))
    return fail("there is no verb '" + first + "', see 'anybit --help'");
  return runVerb(*verb, arguments.drop_front());
}

/// Of a full disk or a closed pipe; an error left in the stream would end the process in its destructor.
int finishOutput(int code) {
  outs().flush();
  std::error_code error = outs().error();
  outs().clear_error();
  return error && code == Done ? fail("cannot write to standard output: " + error.message()) : code;
}

} // namespace

int anybit::driverMain(ArrayRef<const char *> arguments) {
  ScopedFatalErrorHandler handler(onFatalError);
  return finishOutput(runArguments(arguments));
}
