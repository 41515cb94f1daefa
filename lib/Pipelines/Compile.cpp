#include "anybit/Pipelines/Compile.h"
#include "Header.h"
#include "anybit/Frontend/ONNX/Import.h"
#include "anybit/Frontend/ONNX/Loader.h"
#include "anybit/Pipelines/Register.h"
#include "anybit/Pipelines/Stages.h"
#include "anybit/Support/File.h"
#include "anybit/Support/Progress.h"
#include "anybit/Target/Blobs.h"
#include "anybit/Target/CPU/Emit.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Timer.h"

#include <chrono>

using namespace mlir;

namespace anybit {
namespace {

enum ExitCode { exitDone = 0, exitInternal = 1, exitInvalid = 2, exitUnsupported = 3 };

/// One compilation: state and messages that the stages share.
class Compilation {
public:
  Compilation(const CompileOptions &options, raw_ostream &diagnostics)
      : options(options), diagnostics(diagnostics),
        progress("compile", stageNames().size(), options.quiet || options.tuner) {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    onnx::loadImportDialects(context);
    context.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
        report(diagnostic);
      return success();
    });
  }

  int run();

private:
  using Clock = std::chrono::steady_clock;

  int fail(ExitCode code, const Twine &message) {
    diagnostics << "error: " << message << '\n';
    return code;
  }
  void report(Diagnostic &diagnostic);
  int import();
  int checkDims(const onnx::Model &model);
  int checkCandidates();
  int runStage(StringRef name, function_ref<void(OpPassManager &)> build);
  int tune();
  int emit();
  int writeText(StringRef text);
  int writeCode(const cpu::EmitOptions &emitting);
  int writeObjects(const cpu::EmitOptions &emitting);
  llvm::Error link(cpu::Artifact &artifact, StringRef descriptor);
  int writeIR();
  bool stopsAfter(StringRef stage) const { return options.stopAfter == stage; }
  void timeStage(StringRef name, Clock::time_point start);
  void writeStatistics();
  cpu::EmitOptions emitOptions() const;

  const CompileOptions &options;
  raw_ostream &diagnostics;
  Progress progress;
  MLIRContext context;
  SharedTarget target;
  OwningOpRef<ModuleOp> module;
  bool unsupported = false;
  std::vector<std::pair<std::string, double>> times;
};

/// A pass says "unsupported: …" where the input is legal but has no kernel.
void Compilation::report(Diagnostic &diagnostic) {
  std::string text = diagnostic.str();
  unsupported |= StringRef(text).contains("unsupported:") || StringRef(text).contains("has no kernel");
  std::string layer;
  bool isWhole = module && diagnostic.getLocation() == module->getLoc(); // it bears the name of the graph
  if (!isWhole)
    diagnostic.getLocation()->walk([&](Location inner) {
      if (auto named = dyn_cast<NameLoc>(inner))
        layer = named.getName().str();
      return layer.empty() ? WalkResult::advance() : WalkResult::interrupt();
    });
  diagnostics << "error: " << (layer.empty() ? "" : "node " + layer + ": ") << text << '\n';
}

/// A size for a dimension that the model does not leave open would be ignored without a word.
int Compilation::checkDims(const onnx::Model &model) {
  std::vector<std::string> free;
  llvm::StringSet<> known;
  for (const onnx::ValueInfo &input : model.graph.inputs)
    for (const auto &[index, dimension] : llvm::enumerate(input.dims)) {
      if (dimension.value)
        continue;
      std::string place = input.name + ":" + std::to_string(index);
      free.push_back(dimension.name.empty() ? place : dimension.name);
      known.insert(place);
      if (!dimension.name.empty())
        known.insert(dimension.name);
    }
  int code = exitDone;
  for (const auto &[name, size] : options.dims)
    if (!known.contains(name))
      code = fail(exitInvalid, "the model has no free dimension '" + name + "', it has " +
                                   (free.empty() ? "none" : llvm::join(free, ", ")));
  return code;
}

int Compilation::checkCandidates() {
  llvm::StringSet<> seen;
  int code = exitDone;
  for (const std::string &name : options.candidates)
    if (!seen.insert(name).second)
      code = fail(exitInvalid, "candidate '" + name + "' is given twice");
  return code;
}

int Compilation::import() {
  onnx::Model model;
  std::vector<onnx::Problem> problems;
  bool loaded = onnx::loadModel(options.model, {}, model, problems);
  if (loaded) {
    onnx::ImportOptions importOptions;
    for (const auto &[name, size] : options.dims)
      importOptions.dims[name] = size;
    if (int code = checkDims(model))
      return code;
    importOptions.name = llvm::sys::path::stem(options.model).str();
    module = onnx::importModel(context, model, importOptions, problems);
  }
  ExitCode code = exitDone;
  for (const onnx::Problem &problem : problems) {
    bool invalid = problem.kind == onnx::Problem::Kind::Invalid;
    fail(exitDone, problem.text);
    code = invalid || code == exitInvalid ? exitInvalid : exitUnsupported;
  }
  if (code == exitDone && !module)
    return fail(exitInternal, "the importer gave no module and no reason");
  return code;
}

void Compilation::timeStage(StringRef name, Clock::time_point start) {
  times.emplace_back(name.str(), std::chrono::duration<double>(Clock::now() - start).count());
  progress.advance();
  if (options.timing)
    diagnostics << llvm::format("%-10s %8.3f s\n", name.str().c_str(), times.back().second);
}

int Compilation::runStage(StringRef name, function_ref<void(OpPassManager &)> build) {
  Clock::time_point start = Clock::now();
  PassManager pm(&context);
  build(pm);
  if (failed(pm.run(*module)))
    return unsupported ? exitUnsupported : name == "specialize" ? exitInvalid : exitInternal;
  releaseUnusedBlobs(*module);
  timeStage(name, start);
  return exitDone;
}

int Compilation::tune() {
  if (!options.tuner)
    return exitDone;
  Clock::time_point start = Clock::now();
  if (llvm::Error error = options.tuner->tune(*module, target.cpu(), diagnostics))
    return fail(exitInvalid, llvm::toString(std::move(error)));
  timeStage("tune", start);
  return exitDone;
}

int Compilation::writeText(StringRef text) {
  llvm::Error error = writeFile(options.output, ArrayRef<char>(text.data(), text.size()));
  return error ? fail(exitInvalid, llvm::toString(std::move(error))) : int(exitDone);
}

int Compilation::writeIR() {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, OpPrintingFlags().enableDebugInfo(false));
  return writeText(text);
}

cpu::EmitOptions Compilation::emitOptions() const {
  std::string model = llvm::sys::path::stem(options.model).str();
  for (char &c : model)
    c = llvm::isAlnum(c) ? c : '_';
  bool shared = options.emit == EmitKind::SharedLibrary;
  return {target.cpu(), options.optimization, llvm::sys::path::stem(options.model).str(),
          shared ? "anybit_module_descriptor" : "anybit_" + model, "anybit_" + model + "_"};
}

int Compilation::writeCode(const cpu::EmitOptions &emitting) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (llvm::Error error = cpu::emitText(*module, emitting, options.emit == EmitKind::Assembly, stream))
    return fail(exitInternal, llvm::toString(std::move(error)));
  return writeText(text);
}

/// An object or a library is not left without its header.
llvm::Error Compilation::link(cpu::Artifact &artifact, StringRef descriptor) {
  if (options.emit == EmitKind::SharedLibrary)
    return cpu::linkSharedLibrary(artifact, options.output);
  if (llvm::Error error = options.emit == EmitKind::Object ? cpu::linkObject(artifact, options.output)
                                                           : cpu::writeStaticLibrary(artifact, options.output))
    return error;
  llvm::Error error = writeHeader(artifact, descriptor, headerPath(options.output));
  if (error)
    llvm::sys::fs::remove(options.output);
  return error;
}

int Compilation::writeObjects(const cpu::EmitOptions &emitting) {
  Clock::time_point start = Clock::now();
  llvm::Expected<cpu::Artifact> artifact = cpu::emitObjects(*module, emitting);
  if (!artifact)
    return fail(exitInternal, llvm::toString(artifact.takeError()));
  timeStage("emit", start);
  start = Clock::now();
  if (llvm::Error error = link(*artifact, emitting.descriptor))
    return fail(exitInvalid, llvm::toString(std::move(error)));
  timeStage("link", start);
  return exitDone;
}

int Compilation::emit() {
  bool isText = options.emit == EmitKind::LLVM || options.emit == EmitKind::Assembly;
  return isText ? writeCode(emitOptions()) : writeObjects(emitOptions());
}

/// Counters of the compiled module as one JSON object.
void Compilation::writeStatistics() {
  llvm::json::Object stages, candidates;
  for (auto &[name, seconds] : times)
    stages[name] = seconds;
  for (auto variant : module->getOps<plan::VariantOp>()) {
    int64_t dispatches = 0, macs = 0;
    for (auto dispatch : variant.getBody().front().getOps<plan::DispatchOp>()) {
      ++dispatches;
      macs += dispatch.getMacs();
    }
    candidates[variant.getSymName()] = llvm::json::Object{
        {"dispatches", dispatches}, {"macs", macs}, {"arena_bytes", int64_t(variant.getArenaBytes())}};
  }
  int64_t kernels = llvm::range_size(module->getOps<func::FuncOp>());
  int64_t constants = llvm::range_size(module->getOps<plan::ConstantOp>());
  llvm::json::Value all = llvm::json::Object{{"seconds", std::move(stages)},
                                             {"candidates", std::move(candidates)},
                                             {"kernels", kernels},
                                             {"constants", constants}};
  diagnostics << llvm::formatv("{0:2}", all) << '\n';
}

int Compilation::run() {
  llvm::Expected<CpuTarget> parsed = parseCpuTarget(options.target);
  if (!parsed)
    return fail(exitInvalid, llvm::toString(parsed.takeError()));
  target = SharedTarget(std::move(*parsed));
  bool hasHeader = options.emit == EmitKind::Object || options.emit == EmitKind::StaticLibrary;
  if (hasHeader && headerPath(options.output) == options.output)
    return fail(exitInvalid, "the output " + options.output + " is where its C header goes, give it another extension");
  if (llvm::Error error = checkOutput(options.output, options.model))
    return fail(exitInvalid, llvm::toString(std::move(error)));
  if (int code = checkCandidates())
    return code;
  Clock::time_point start = Clock::now();
  if (int code = import())
    return code;
  releaseUnusedBlobs(*module);
  timeStage("import", start);
  if (stopsAfter("import"))
    return writeIR();
  TargetStageOptions targetOptions;
  targetOptions.target = target;
  targetOptions.noHalide = options.noHalide;
  ScheduleStageOptions schedule;
  schedule.target = target;
  schedule.kernel = options.kernel;
  schedule.narrowWeights = options.narrowWeights;
  SpecializeStageOptions specialize;
  specialize.masters = options.store == WeightStore::Master;
  for (const std::string &name : options.candidates)
    specialize.candidates.push_back(name);
  const std::pair<StringRef, std::function<void(OpPassManager &)>> stages[] = {
      {"specialize", [&](OpPassManager &pm) { buildSpecializeStage(pm, specialize); }},
      {"integerize", [&](OpPassManager &pm) { buildIntegerizeStage(pm); }},
      {"schedule", [&](OpPassManager &pm) { buildScheduleStage(pm, schedule); }},
      {"kernels", [&](OpPassManager &pm) { buildKernelsStage(pm, targetOptions); }}};
  for (const auto &[name, build] : stages) {
    if (int code = name == "schedule" ? tune() : exitDone)
      return code;
    if (int code = runStage(name, build))
      return code;
    if (stopsAfter(name))
      return writeIR();
  }
  int code = emit();
  if (code == exitDone && options.statsJson)
    writeStatistics();
  return code;
}

} // namespace

int compileModel(const CompileOptions &options, llvm::raw_ostream &diagnostics) {
  // The progress bar is on the same terminal: messages wait until it is gone.
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  int code = Compilation(options, stream).run();
  diagnostics << messages;
  return code;
}

} // namespace anybit
