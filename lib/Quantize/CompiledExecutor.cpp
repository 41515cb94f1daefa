//===- CompiledExecutor.cpp - calibration on our own compiled code --------===//

#include "anybit/Pipelines/Compile.h"
#include "anybit/Quantize/Executor.h"
#include "anybit/Quantize/Quantize.h"
#include "anybit/runtime.h"

#include "onnx-ml.pb.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Parallel.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace anybit::quantize {
namespace {

struct CloseModule {
  void operator()(anybit_module *module) const { anybit_module_close(module); }
};
struct DestroySession {
  void operator()(anybit_session *session) const { anybit_session_destroy(session); }
};

Error runtimeError() { return createStringError(anybit_last_error()); }

size_t elements(const anybit_tensor &tensor) {
  size_t count = 1;
  for (uint32_t d = 0; d < tensor.rank; ++d)
    count *= tensor.dimensions[d];
  return count;
}

/// A graph as a loaded artifact of one candidate.
class CompiledProgram : public Program {
public:
  static Expected<std::unique_ptr<Program>> open(StringRef path) {
    auto program = std::make_unique<CompiledProgram>();
    anybit_module *module = nullptr;
    if (anybit_module_open(path.str().c_str(), &module) != ANYBIT_OK)
      return runtimeError();
    program->module.reset(module);
    // Samples in parallel rather than parts of one: the graphs are small, and waiting at each costs as much as they do.
    size_t workers = std::min<size_t>(mostWorkers, hardware_concurrency().compute_thread_count());
    for (size_t worker = 0; worker < workers; ++worker) {
      anybit_session_options options = {};
      options.size = sizeof(options);
      options.threads = 1;
      anybit_session *session = nullptr;
      if (anybit_session_create(module, &options, &session) != ANYBIT_OK)
        return runtimeError();
      program->sessions.emplace_back(session);
    }
    return program;
  }

  Expected<std::vector<Batch>> run(size_t samples, ArrayRef<const Batch *> inputs) override {
    const anybit_module_descriptor *descriptor = anybit_module_descriptor_of(module.get());
    if (inputs.size() != descriptor->input_count)
      return createStringError("a calibration graph of %u inputs was given %zu", descriptor->input_count,
                               inputs.size());
    std::vector<Batch> results(descriptor->output_count);
    for (uint32_t i = 0; i < descriptor->output_count; ++i) {
      const anybit_tensor &tensor = descriptor->outputs[i];
      results[i].dims.assign(tensor.dimensions, tensor.dimensions + tensor.rank);
      results[i].rows = samples;
      results[i].values.resize(samples * elements(tensor));
    }
    std::vector<std::string> errors(sessions.size());
    parallelFor(0, sessions.size(), [&](size_t worker) {
      size_t begin = samples * worker / sessions.size(), end = samples * (worker + 1) / sessions.size();
      errors[worker] = runRange(worker, begin, end, inputs, results);
    });
    for (const std::string &error : errors)
      if (!error.empty())
        return createStringError(error);
    return results;
  }

private:
  static constexpr size_t mostWorkers = 4; ///< Each has an arena of its own.
  std::unique_ptr<anybit_module, CloseModule> module;
  std::vector<std::unique_ptr<anybit_session, DestroySession>> sessions;

  /// Runs samples [begin, end); returns an error's words, which the runtime keeps per thread.
  std::string runRange(size_t worker, size_t begin, size_t end, ArrayRef<const Batch *> inputs,
                       std::vector<Batch> &results) {
    std::vector<const void *> in(inputs.size());
    std::vector<void *> out(results.size());
    for (size_t sample = begin; sample < end; ++sample) {
      for (size_t i = 0; i < inputs.size(); ++i)
        in[i] = inputs[i]->row(inputs[i]->rows == 1 ? 0 : sample).data();
      for (size_t i = 0; i < results.size(); ++i)
        out[i] = results[i].row(sample).data();
      if (anybit_session_run(sessions[worker].get(), in.data(), out.data()) != ANYBIT_OK)
        return anybit_last_error();
    }
    return {};
  }
};

class CompiledExecutor : public Executor {
public:
  ~CompiledExecutor() override {
    if (!directory.empty())
      sys::fs::remove_directories(directory);
  }

  Expected<std::unique_ptr<Program>> load(const ::onnx::ModelProto &model) override {
    if (directory.empty())
      if (std::error_code error = sys::fs::createUniqueDirectory("anybit-calibration", directory))
        return createStringError(error, "cannot create a temporary directory: " + error.message());
    SmallString<128> source(directory), library(directory);
    sys::path::append(source, "graph" + Twine(count) + ".onnx");
    sys::path::append(library, "graph" + Twine(count++) + ".so");
    if (Error error = writeToOutput(source, [&](raw_ostream &out) {
          out << model.SerializeAsString();
          return Error::success();
        }))
      return std::move(error);
    CompileOptions options;
    options.model = source.str().str();
    options.output = library.str().str();
    options.optimization = 2;
    options.quiet = true;
    std::string text;
    raw_string_ostream diagnostics(text);
    if (compileModel(options, diagnostics) != 0)
      return createStringError(StringRef(text).rtrim());
    Expected<std::unique_ptr<Program>> program = CompiledProgram::open(library);
    sys::fs::remove(source);
    sys::fs::remove(library); // stays mapped
    return program;
  }

private:
  SmallString<128> directory;
  unsigned count = 0;
};

} // namespace
} // namespace anybit::quantize

namespace anybit {

int quantizeModel(const QuantizeOptions &options, raw_ostream &diagnostics) {
  quantize::CompiledExecutor executor;
  return quantizeModel(options, executor, diagnostics);
}

} // namespace anybit
