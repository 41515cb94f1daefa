#include "CommandLine.h"

#include "anybit/Pipelines/Compile.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

#include <optional>

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

static WeightStore parseStore(CommandLine &line) {
  std::string text = line.text(OPT_store, "packed");
  auto store = StringSwitch<std::optional<WeightStore>>(text)
                   .Case("packed", WeightStore::Packed)
                   .Case("master", WeightStore::Master)
                   .Default(std::nullopt);
  if (!store)
    line.problem("--store is '" + text + "', expected packed or master");
  return store.value_or(WeightStore::Packed);
}

static EmitKind parseEmit(CommandLine &line) {
  std::string text = line.text(OPT_emit, "so");
  auto kind = StringSwitch<std::optional<EmitKind>>(text)
                  .Case("so", EmitKind::SharedLibrary)
                  .Case("obj", EmitKind::Object)
                  .Case("lib", EmitKind::StaticLibrary)
                  .Case("llvm", EmitKind::LLVM)
                  .Case("asm", EmitKind::Assembly)
                  .Default(std::nullopt);
  if (!kind)
    line.problem("--emit is '" + text + "', expected so, obj, lib, llvm or asm");
  return kind.value_or(EmitKind::SharedLibrary);
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

static std::string parseStage(CommandLine &line) {
  std::string stage = line.text(OPT_stop_after);
  if (line.has(OPT_stop_after) && !is_contained(stageNames(), StringRef(stage)))
    line.problem("--stop-after is '" + stage + "', expected one of " + join(stageNames(), ", "));
  return stage;
}

int anybit::driver::compileCommand(CommandLine &line) {
  CompileOptions options;
  options.model = line.onlyInput("model");
  options.output = line.required(OPT_output_file, "-o");
  options.target = line.text(OPT_target, options.target);
  options.candidates = line.list(OPT_candidates);
  options.dims = parseDims(line);
  options.store = parseStore(line);
  options.emit = parseEmit(line);
  options.stopAfter = parseStage(line);
  options.optimization = static_cast<unsigned>(line.number(OPT_optimization, options.optimization, 0, 3));
  options.timing = line.has(OPT_timing);
  options.statsJson = line.has(OPT_stats_json);
  options.quiet = line.has(OPT_quiet);
  return line.report() ? Invalid : compileModel(options, errs());
}
