#include "Bindings.h"
#include "Errors.h"

#include "anybit/Pipelines/Compile.h"
#include "anybit/Quantize/Quantize.h"

#include "llvm/Support/raw_ostream.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;

namespace anybit::python {

static std::string optionalPath(nb::handle path) { return path.is_none() ? "" : pathOf(path); }

/// The value that `parse` makes of `text`; raises InvalidInput.
template <class Value>
static Value parsed(const char *what, const std::string &text, llvm::Expected<Value> (*parse)(llvm::StringRef)) {
  llvm::Expected<Value> value = parse(text);
  if (!value)
    raiseInvalidInput(std::string(what) + " is " + llvm::toString(value.takeError()));
  return *value;
}

/// Runs `tool` without the GIL; returns its exit code and its messages.
template <class Options>
static nb::tuple runTool(int (*tool)(const Options &, llvm::raw_ostream &), const Options &options) {
  std::string text;
  int code = 0;
  {
    nb::gil_scoped_release release;
    llvm::raw_string_ostream diagnostics(text);
    code = tool(options, diagnostics);
  }
  return nb::make_tuple(code, textOf(text));
}

static nb::tuple compileModelFrom(nb::object model, nb::object output, const std::string &target,
                                  std::vector<std::string> candidates,
                                  std::vector<std::pair<std::string, int64_t>> dims, const std::string &store,
                                  const std::string &emit, const std::string &stopAfter, unsigned optimization,
                                  bool narrowWeights, bool timing, bool stats, bool quiet) {
  CompileOptions options;
  options.model = pathOf(model);
  options.output = pathOf(output);
  options.target = target;
  options.candidates = std::move(candidates);
  options.dims = std::move(dims);
  options.store = parsed("store", store, parseWeightStore);
  options.emit = parsed("emit", emit, parseEmitKind);
  options.stopAfter = stopAfter.empty() ? "" : parsed("stop_after", stopAfter, parseStage);
  options.optimization = optimization;
  options.narrowWeights = narrowWeights;
  options.timing = timing;
  options.statsJson = stats;
  options.quiet = quiet;
  return runTool(&compileModel, options);
}

static nb::tuple quantizeModelFrom(nb::object model, nb::object output, nb::object calibration,
                                   const std::string &preprocess, std::vector<std::string> candidates,
                                   nb::object candidateFile, unsigned firstLastBits, double threshold,
                                   nb::object report, uint64_t samples, bool quiet) {
  QuantizeOptions options;
  options.model = pathOf(model);
  options.output = pathOf(output);
  options.calibration = pathOf(calibration);
  options.preprocess = preprocess;
  options.candidates = std::move(candidates);
  options.candidateFile = optionalPath(candidateFile);
  options.firstLastBits = firstLastBits;
  options.threshold = threshold;
  options.report = optionalPath(report);
  options.samples = samples;
  options.quiet = quiet;
  return runTool<QuantizeOptions>(&quantizeModel, options);
}

void bindTools(nb::module_ &module) {
  module.def("compile_model", compileModelFrom, nb::kw_only(), nb::arg("model"), nb::arg("output"), nb::arg("target"),
             nb::arg("candidates"), nb::arg("dims"), nb::arg("store"), nb::arg("emit"), nb::arg("stop_after"),
             nb::arg("optimization"), nb::arg("narrow_weights"), nb::arg("timing"), nb::arg("stats"), nb::arg("quiet"),
             "Behind anybit.compile: returns the exit code of the tool and its messages.");
  module.def("quantize_model", quantizeModelFrom, nb::kw_only(), nb::arg("model"), nb::arg("output"),
             nb::arg("calibration"), nb::arg("preprocess"), nb::arg("candidates"), nb::arg("candidate_file").none(),
             nb::arg("first_last_bits"), nb::arg("threshold"), nb::arg("report").none(), nb::arg("samples"),
             nb::arg("quiet"), "Behind anybit.quantize: returns the exit code of the tool and its messages.");
}

} // namespace anybit::python
