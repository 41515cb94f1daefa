//===- Quantize.cpp - a float model to a switchable model -----------------===//
#include "anybit/Quantize/Quantize.h"

#include "Calibrate.h"
#include "Report.h"
#include "WriteModel.h"

#include "anybit/Data/Calibration.h"
#include "anybit/Data/Preprocess.h"
#include "anybit/Frontend/ONNX/Convention.h"
#include "anybit/Frontend/ONNX/Loader.h"
#include "anybit/Quantize/Executor.h"
#include "anybit/Support/File.h"
#include "anybit/Support/Progress.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <optional>

using namespace llvm;
using namespace anybit::quantize;
using anybit::onnx::Problem;

namespace anybit {

namespace {

enum ExitCode { done = 0, internalError = 1, invalidInput = 2, unsupported = 3 };

/// Values of calibration held at a time.
constexpr size_t memoryBudget = size_t(4) << 30;

/// Prints an error, one sentence a line.
int fail(raw_ostream &diagnostics, Error error, ExitCode code) {
  SmallVector<StringRef> lines;
  std::string text = toString(std::move(error));
  StringRef(text).split(lines, '\n', -1, false);
  for (StringRef line : lines)
    diagnostics << "error: " << line << "\n";
  return code;
}

int report(raw_ostream &diagnostics, ArrayRef<Problem> problems) {
  ExitCode code = unsupported;
  for (const Problem &problem : problems) {
    diagnostics << "error: " << problem.text << "\n";
    if (problem.kind == Problem::Kind::Invalid)
      code = invalidInput;
  }
  return code;
}

/// What the loaded model must be for a quantizer to make sense of it.
void checkModel(const onnx::Model &model, std::vector<Problem> &problems) {
  auto refuse = [&](const Twine &text) { problems.push_back({Problem::Kind::Unsupported, text.str()}); };
  if (!model.candidates.empty())
    return refuse(
        "the model is switchable already (it has candidates); quantize the float model that it was made from");
  const onnx::Graph &graph = model.graph;
  for (const onnx::ValueInfo &input : graph.inputs)
    if (input.type != onnx::ElementType::Float)
      refuse("input '" + input.name + "' is " + onnx::elementName(input.type) +
             "; quantize takes models whose inputs are float32");
  if (graph.inputs.empty())
    refuse("the model has no input");
}

/// The name that the switchable file needs; looked for when the nodes of branches are in the graph too.
void checkNames(const onnx::Graph &graph, std::vector<Problem> &problems) {
  bool taken = graph.initializers.count(onnx::candidateInput) ||
               llvm::any_of(graph.inputs, [](const auto &input) { return input.name == onnx::candidateInput; }) ||
               llvm::any_of(graph.nodes,
                            [](const onnx::Node &node) { return is_contained(node.outputs, onnx::candidateInput); });
  if (taken)
    problems.push_back({Problem::Kind::Unsupported,
                        "a tensor of the model is called 'candidate', the name of the input "
                        "that chooses the precision; rename it"});
}

std::optional<Network> prepare(const std::string &path, std::vector<Problem> &problems) {
  onnx::Model model;
  if (!onnx::loadModel(path, {}, model, problems))
    return std::nullopt;
  checkModel(model, problems);
  if (!problems.empty())
    return std::nullopt;
  simplify(model.graph);
  upgradeToOpset17(model.graph, problems);
  simplify(model.graph);
  checkNames(model.graph, problems);
  if (!problems.empty())
    return std::nullopt;
  Network network = splitLayers(std::move(model.graph), problems);
  if (network.layers.empty())
    problems.push_back({Problem::Kind::Unsupported, "the model has no Conv, Gemm or MatMul with constant weights, so "
                                                    "there is nothing to quantize"});
  placeQuantizers(network);
  return problems.empty() ? std::optional<Network>(std::move(network)) : std::nullopt;
}

Expected<std::vector<Candidate>> readCandidates(const QuantizeOptions &options) {
  if (options.candidateFile.empty())
    return parseCandidates(options.candidates, "", "");
  auto buffer = MemoryBuffer::getFile(options.candidateFile, /*IsText=*/true);
  if (!buffer)
    return createStringError("cannot read the candidate file '" + options.candidateFile +
                             "': " + buffer.getError().message());
  return parseCandidates(options.candidates, (*buffer)->getBuffer(), options.candidateFile);
}

Expected<data::CalibrationSource> openSamples(const QuantizeOptions &options, const Network &network) {
  std::optional<data::PreprocessOptions> preprocess;
  if (!options.preprocess.empty()) {
    Expected<data::PreprocessOptions> parsed = data::parsePreprocess(options.preprocess);
    if (!parsed)
      return parsed.takeError();
    preprocess = *parsed;
  }
  std::vector<data::InputSpec> specs;
  for (const onnx::ValueInfo &input : network.graph.inputs) {
    data::InputSpec spec{input.name, data::ElementType::Float32, {}};
    for (const onnx::Dimension &dim : input.dims)
      spec.dims.push_back(dim.value.value_or(-1));
    specs.push_back(std::move(spec));
  }
  return data::CalibrationSource::open(options.calibration, specs, preprocess);
}

/// Appends sample `index` to `inputs`.
Error appendSample(data::CalibrationSource &source, int64_t index, std::vector<Batch> &inputs) {
  Expected<std::vector<data::Array>> sample = source.sample(index);
  if (!sample)
    return sample.takeError();
  inputs.resize(sample->size());
  for (auto [input, array] : llvm::zip_equal(inputs, *sample)) {
    if (input.rows && ArrayRef<int64_t>(input.dims) != ArrayRef<int64_t>(array.dims))
      return createStringError("calibration sample " + Twine(index) + " has shape " + data::shapeText(array.dims) +
                               ", the first one " + data::shapeText(input.dims) + "; give samples of one shape");
    ArrayRef<float> values = array.values<float>();
    if (!llvm::all_of(values, [](float value) { return std::isfinite(value); }))
      return createStringError("calibration sample " + Twine(index) + " holds values that are not finite");
    input.dims.assign(array.dims.begin(), array.dims.end());
    input.values.insert(input.values.end(), values.begin(), values.end());
    ++input.rows;
  }
  return Error::success();
}

/// `count` samples, spread evenly over the source (whose files are often sorted by class).
Expected<std::vector<Batch>> readSamples(data::CalibrationSource &source, size_t count) {
  std::vector<Batch> inputs;
  for (size_t i = 0; i < count; ++i)
    if (Error error = appendSample(source, int64_t(i * size_t(source.size()) / count), inputs))
      return std::move(error);
  return inputs;
}

class Session {
public:
  Session(const QuantizeOptions &options, Executor &executor, raw_ostream &diagnostics)
      : options(options), executor(executor), diagnostics(diagnostics) {}

  int run() {
    if (options.firstLastBits > 8 || !(options.threshold >= 0 && options.threshold <= 1))
      return fail(diagnostics, createStringError("--first-last takes 0 to 8 bits, --threshold 0 to 1"), invalidInput);
    Expected<std::vector<Candidate>> candidates = readCandidates(options);
    if (!candidates)
      return fail(diagnostics, candidates.takeError(), invalidInput);
    std::vector<Problem> problems;
    std::optional<Network> network = prepare(options.model, problems);
    if (!network)
      return report(diagnostics, problems);
    warnUnused(*candidates, *network);
    Expected<data::CalibrationSource> source = openSamples(options, *network);
    if (!source)
      return fail(diagnostics, source.takeError(), invalidInput);
    for (const Candidate &candidate : *candidates)
      plans.push_back(planOf(*network, candidate, options.firstLastBits));
    return calibrate(*network, *source);
  }

private:
  const QuantizeOptions &options;
  Executor &executor;
  raw_ostream &diagnostics;
  std::vector<WidthPlan> plans;
  std::vector<CandidateChoice> choices;
  size_t samples = 0;

  void warnUnused(ArrayRef<Candidate> candidates, const Network &network) {
    std::vector<std::string> names;
    for (const Layer &layer : network.layers)
      names.push_back(layer.name);
    for (const std::string &text : unusedRules(candidates, names))
      diagnostics << "warning: " << text << "\n";
  }

  /// How many samples fit in memory, as a run of one has shown.
  size_t affordable(const Calibrator &calibrator, const data::CalibrationSource &source) {
    size_t wanted = options.samples ? std::min<size_t>(options.samples, source.size()) : source.size();
    size_t fit = std::max<size_t>(1, memoryBudget / std::max<size_t>(1, calibrator.bytesPerSample()));
    if (fit < wanted && !options.quiet)
      diagnostics << "note: " << fit << " of " << wanted
                  << " calibration samples are used; more do not fit in memory\n";
    return std::min(fit, wanted);
  }

  int calibrate(Network &network, data::CalibrationSource &source) {
    Calibrator calibrator(network, executor);
    Expected<std::vector<Batch>> inputs = readSamples(source, 1);
    if (!inputs)
      return fail(diagnostics, inputs.takeError(), invalidInput);
    if (Error error = calibrator.measureFloat(*inputs))
      return fail(diagnostics, std::move(error), unsupported);
    samples = affordable(calibrator, source);
    inputs = readSamples(source, samples);
    if (!inputs)
      return fail(diagnostics, inputs.takeError(), invalidInput);
    if (Error error = calibrator.equalize(*inputs))
      return fail(diagnostics, std::move(error), unsupported);
    if (Error error = runStages(calibrator, network, *inputs))
      return fail(diagnostics, std::move(error), unsupported);
    Report result{network, calibrator.masters(), plans, choices, calibrator.task(), samples, options.threshold};
    return write(result);
  }

  Error runStages(Calibrator &calibrator, const Network &network, ArrayRef<Batch> inputs) {
    uint64_t passes = Calibrator::passesFloat + plans.size() * Calibrator::passesCandidate;
    Progress progress("calibrate", passes * network.steps.size(), options.quiet);
    calibrator.onStep([&] { progress.advance(); });
    if (Error error = calibrator.measureFloat(inputs))
      return error;
    for (const WidthPlan &plan : plans) {
      Expected<CandidateChoice> choice = calibrator.calibrate(plan);
      if (!choice)
        return choice.takeError();
      choices.push_back(std::move(*choice));
    }
    return Error::success();
  }

  int write(const Report &result) {
    std::string bytes = writeModel(result.network, result.masters, plans, choices);
    std::string json;
    raw_string_ostream stream(json);
    writeJson(result, stream);
    if (!options.report.empty())
      if (Error error = writeFile(options.report, ArrayRef<char>(json.data(), json.size())))
        return fail(diagnostics, std::move(error), invalidInput);
    if (Error error = writeFile(options.output, ArrayRef<char>(bytes.data(), bytes.size())))
      return fail(diagnostics, std::move(error), invalidInput);
    if (!options.quiet)
      writeText(result, diagnostics);
    writeWarnings(result, diagnostics);
    return done;
  }
};

} // namespace

int quantizeModel(const QuantizeOptions &options, Executor &executor, raw_ostream &diagnostics) {
  for (const std::string &path : {options.output, options.report})
    if (!path.empty())
      if (Error error = checkOutput(path, options.model))
        return fail(diagnostics, std::move(error), invalidInput);
  return Session(options, executor, diagnostics).run();
}

} // namespace anybit
