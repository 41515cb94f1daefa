#include "anybit/Pipelines/Compile.h"
#include "Header.h"
#include "anybit/Frontend/ONNX/Import.h"
#include "anybit/Frontend/ONNX/Loader.h"
#include "anybit/Pipelines/Register.h"
#include "anybit/Pipelines/Stages.h"
#include "anybit/Target/CPU/Emit.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

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
  Compilation(const CompileOptions &options, raw_ostream &diagnostics) : options(options), diagnostics(diagnostics) {
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
  int runStage(StringRef name, function_ref<void(OpPassManager &)> build);
  int emit();
  int writeIR();
  bool stopsAfter(StringRef stage) const { return options.stopAfter == stage; }
  void timeStage(StringRef name, Clock::time_point start);
  void writeStatistics();
  cpu::EmitOptions emitOptions() const;

  const CompileOptions &options;
  raw_ostream &diagnostics;
  MLIRContext context;
  CpuTarget target;
  OwningOpRef<ModuleOp> module;
  bool unsupported = false;
  std::vector<std::pair<std::string, double>> times;
};

/// A pass says "unsupported: …" where the input is legal but has no kernel.
void Compilation::report(Diagnostic &diagnostic) {
  std::string text = diagnostic.str();
  unsupported |= StringRef(text).contains("unsupported:") || StringRef(text).contains("has no kernel");
  std::string layer;
  diagnostic.getLocation()->walk([&](Location inner) {
    if (auto named = dyn_cast<NameLoc>(inner))
      layer = named.getName().str();
    return layer.empty() ? WalkResult::advance() : WalkResult::interrupt();
  });
  diagnostics << "error: " << (layer.empty() ? "" : "node " + layer + ": ") << text << '\n';
}

int Compilation::import() {
  onnx::Model model;
  std::vector<onnx::Problem> problems;
  bool loaded = onnx::loadModel(options.model, {}, model, problems);
  if (loaded) {
    onnx::ImportOptions importOptions;
    for (const auto &[name, size] : options.dims)
      importOptions.dims[name] = size;
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
  if (options.timing)
    diagnostics << llvm::format("%-10s %8.3f s\n", name.str().c_str(), times.back().second);
}

int Compilation::runStage(StringRef name, function_ref<void(OpPassManager &)> build) {
  Clock::time_point start = Clock::now();
  PassManager pm(&context);
  build(pm);
  if (failed(pm.run(*module)))
    return unsupported ? exitUnsupported : name == "specialize" ? exitInvalid : exitInternal;
  timeStage(name, start);
  return exitDone;
}

int Compilation::writeIR() {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, OpPrintingFlags().enableDebugInfo(false));
  if (llvm::Error error = llvm::writeToOutput(options.output, [&](raw_ostream &out) {
        out << text;
        return llvm::Error::success();
      }))
    return fail(exitInvalid, "cannot write " + options.output + ": " + llvm::toString(std::move(error)));
  return exitDone;
}

cpu::EmitOptions Compilation::emitOptions() const {
  std::string model = llvm::sys::path::stem(options.model).str();
  for (char &c : model)
    c = llvm::isAlnum(c) ? c : '_';
  bool shared = options.emit == EmitKind::SharedLibrary;
  return {target, options.optimization, llvm::sys::path::stem(options.model).str(),
          shared ? "anybit_module_descriptor" : "anybit_" + model, "anybit_" + model + "_"};
}

int Compilation::emit() {
  Clock::time_point start = Clock::now();
  cpu::EmitOptions emitting = emitOptions();
  auto check = [&](llvm::Error error) -> int {
    return error ? fail(exitInternal, llvm::toString(std::move(error))) : int(exitDone);
  };
  if (options.emit == EmitKind::LLVM || options.emit == EmitKind::Assembly) {
    return check(llvm::writeToOutput(options.output, [&](raw_ostream &out) {
      return cpu::emitText(*module, emitting, options.emit == EmitKind::Assembly, out);
    }));
  }
  llvm::Expected<cpu::Artifact> artifact = cpu::emitObjects(*module, emitting);
  if (!artifact)
    return check(artifact.takeError());
  timeStage("emit", start);
  start = Clock::now();
  llvm::Error error = options.emit == EmitKind::SharedLibrary ? cpu::linkSharedLibrary(*artifact, options.output)
                      : options.emit == EmitKind::Object      ? cpu::linkObject(*artifact, options.output)
                                                              : cpu::writeStaticLibrary(*artifact, options.output);
  if (error)
    return fail(exitInvalid, llvm::toString(std::move(error)));
  timeStage("link", start);
  if (options.emit == EmitKind::SharedLibrary)
    return exitDone;
  return check(writeHeader(*module, emitting.descriptor, options.output));
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
  target = *parsed;
  Clock::time_point start = Clock::now();
  if (int code = import())
    return code;
  timeStage("import", start);
  if (stopsAfter("import"))
    return writeIR();
  TargetStageOptions targetOptions;
  targetOptions.target = options.target;
  SpecializeStageOptions specialize;
  specialize.masters = options.store == WeightStore::Master;
  for (const std::string &name : options.candidates)
    specialize.candidates.push_back(name);
  const std::pair<StringRef, std::function<void(OpPassManager &)>> stages[] = {
      {"specialize", [&](OpPassManager &pm) { buildSpecializeStage(pm, specialize); }},
      {"integerize", [&](OpPassManager &pm) { buildIntegerizeStage(pm); }},
      {"schedule", [&](OpPassManager &pm) { buildScheduleStage(pm, targetOptions); }},
      {"kernels", [&](OpPassManager &pm) { buildKernelsStage(pm, targetOptions); }}};
  for (const auto &[name, build] : stages) {
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

llvm::ArrayRef<llvm::StringRef> stageNames() {
  static constexpr llvm::StringRef names[] = {"import", "specialize", "integerize", "schedule", "kernels", "emit"};
  return names;
}

int compileModel(const CompileOptions &options, llvm::raw_ostream &diagnostics) {
  return Compilation(options, diagnostics).run();
}

} // namespace anybit
