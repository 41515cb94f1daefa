#include "CommandLine.h"

#include "anybit/Pipelines/Compile.h"
#include "anybit/Tune/Tune.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

/// The value that `parse` makes of the flag; what is none is a problem.
template <class Value>
static void parseFlag(CommandLine &line, OptionId id, StringRef flag, Expected<Value> (*parse)(StringRef),
                      Value &value) {
  if (!line.has(id))
    return;
  Expected<Value> parsed = parse(line.text(id));
  if (parsed)
    value = *parsed;
  else
    line.problem(flag + " is " + toString(parsed.takeError()));
}

/// The pairs of every --dim NAME=N; a name may hold '=' itself.
static std::vector<std::pair<std::string, int64_t>> parseDims(CommandLine &line) {
  std::vector<std::pair<std::string, int64_t>> dims;
  for (const std::string &item : line.all(OPT_dim)) {
    auto [name, value] = StringRef(item).rsplit('=');
    int64_t size = 0;
    if (name.empty() || !to_integer(value, size, 10) || size < 1)
      line.problem("--dim is '" + item + "', expected NAME=N with N of at least 1");
    else if (is_contained(make_first_range(dims), name))
      line.problem("--dim gives '" + name + "' twice");
    else
      dims.emplace_back(name.str(), size);
  }
  return dims;
}

/// What --tune and its company ask for, or null.
static std::unique_ptr<KernelTuner> parseTuning(CommandLine &line, const CompileOptions &compiling) {
  constexpr uint64_t mostSeconds = 86400;
  if (line.has(OPT_tune_cache) && !line.has(OPT_tune))
    line.problem("--tune-cache is of no use without --tune");
  if (!line.has(OPT_tune))
    return nullptr;
  tune::TuneOptions options;
  options.seconds = double(line.number(OPT_tune, 0, 1, mostSeconds));
  options.target = compiling.target;
  options.optimization = compiling.optimization;
  options.narrowWeights = compiling.narrowWeights;
  options.quiet = compiling.quiet;
  options.directory = line.text(OPT_tune_cache, tune::defaultCacheDirectory());
  if (options.directory.empty())
    line.problem("there is no folder of caches for the results of --tune, name one with --tune-cache");
  if (StringRef(options.target).split(',').first != "native")
    line.problem("--tune measures this machine and needs --target native, not '" + options.target + "'");
  if (!compiling.kernel.empty())
    line.problem("--tune and --kernel exclude each other");
  return tune::createTuner(options);
}

int anybit::driver::compileCommand(CommandLine &line) {
  CompileOptions options;
  options.model = line.onlyInput("model");
  options.output = line.required(OPT_output_file, "-o");
  options.target = line.text(OPT_target, options.target);
  options.candidates = line.list(OPT_candidates);
  options.dims = parseDims(line);
  parseFlag(line, OPT_store, "--store", parseWeightStore, options.store);
  parseFlag(line, OPT_emit, "--emit", parseEmitKind, options.emit);
  parseFlag(line, OPT_kernel, "--kernel", parseKernel, options.kernel);
  parseFlag(line, OPT_stop_after, "--stop-after", parseStage, options.stopAfter);
  options.narrowWeights = line.has(OPT_narrow_weights);
  options.noHalide = line.has(OPT_no_halide);
  options.optimization = static_cast<unsigned>(line.number(OPT_optimization, options.optimization, 0, 3));
  options.timing = line.has(OPT_timing);
  options.statsJson = line.has(OPT_stats_json);
  options.quiet = line.has(OPT_quiet);
  std::unique_ptr<KernelTuner> tuner = parseTuning(line, options);
  options.tuner = tuner.get();
  return line.report() ? Invalid : compileModel(options, errs());
}
