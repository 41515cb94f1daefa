//===- Compile.h - one ONNX file to one artifact ----------------*- C++ -*-===//
//
// What `anybit compile` asks for, as a struct, and the function that does it. The driver only parses flags.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_PIPELINES_COMPILE_H
#define ANYBIT_PIPELINES_COMPILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace llvm {
class raw_ostream;
} // namespace llvm
namespace mlir {
class ModuleOp;
} // namespace mlir

namespace anybit {

struct CpuTarget;

/// Chooses kernels by other means than the tables of costs.
class KernelTuner {
public:
  virtual ~KernelTuner() = default;
  /// `module` is what the stage `integerize` left: the choice for a `lowbit.conv` goes into its attribute
  /// `lowbit.choice`. `warnings` takes sentences, one a line. An error is the user's to mend.
  virtual llvm::Error tune(mlir::ModuleOp module, const CpuTarget &target, llvm::raw_ostream &warnings) = 0;
};

/// Where the weights of a candidate live (docs/architecture.md, "Weight stores").
enum class WeightStore { Packed, Master };

/// What is written to `CompileOptions::output`.
enum class EmitKind {
  SharedLibrary, ///< `so`: what `anybit run` opens.
  Object,        ///< `obj`: one relocatable object and a C header beside it.
  StaticLibrary, ///< `lib`: an archive and a C header beside it.
  LLVM,          ///< `llvm`: textual LLVM IR.
  Assembly,      ///< `asm`
};

/// Everything `anybit compile` can be told; the defaults are those of the command line.
struct CompileOptions {
  std::string model;                                 ///< Path of the ONNX file.
  std::string output;                                ///< Path to write; never left half written.
  std::string target = "native";                     ///< `native`, `x86-64[-v3|-v4]` or `CPUNAME[,+feature|-feature…]`.
  std::vector<std::string> candidates;               ///< Names to keep, in this order; empty keeps all.
  std::vector<std::pair<std::string, int64_t>> dims; ///< Values (≥ 1) of free dimensions, by name.
  std::string kernel;                                ///< `FAMILY[:VECTORS[:bytes]]` where a layer has it; empty: by cost.
  WeightStore store = WeightStore::Packed;
  EmitKind emit = EmitKind::SharedLibrary;
  std::string stopAfter;     ///< A name of `stageNames()`: the IR after that stage is the output. Empty: all stages.
  unsigned optimization = 3; ///< 0 to 3, for the code of kernels.
  bool noHalide = false;      ///< Every kernel is of our own, even where Halide's object is faster.
  bool narrowWeights = false; ///< Weights of four and fewer bits are never bytes, even where that is faster.
  bool timing = false;       ///< Time per stage on `diagnostics`.
  bool statsJson = false;    ///< Counters per stage and candidate as one JSON object on `diagnostics`.
  bool quiet = false;        ///< No progress bars.
  KernelTuner *tuner = nullptr; ///< Asked before the stage `schedule`; it has a progress bar of its own.
};

/// The stages in order: import, specialize, integerize, schedule, kernels, emit.
llvm::ArrayRef<llvm::StringRef> stageNames();

/// The spellings of the command line: `packed` or `master`; `so`, `obj`, `lib`, `llvm` or `asm`; a name of
/// `stageNames()`. The message of an error quotes `text` and lists what there is: put the option's name before it.
llvm::Expected<WeightStore> parseWeightStore(llvm::StringRef text);
llvm::Expected<EmitKind> parseEmitKind(llvm::StringRef text);
llvm::Expected<std::string> parseStage(llvm::StringRef text);
/// `FAMILY[:VECTORS[:bytes]]`, the text of `CompileOptions::kernel`.
llvm::Expected<std::string> parseKernel(llvm::StringRef text);

/// Compiles `options.model`. Every message goes to `diagnostics`, one sentence a line.
/// Returns the exit code of the tool: 0 done, 1 internal error, 2 invalid input, 3 unsupported.
/// On anything but 0 `options.output` is as it was before.
int compileModel(const CompileOptions &options, llvm::raw_ostream &diagnostics);

/// Compiles what the stage `integerize` left to a shared library at `path`. `target` as in `CompileOptions`.
llvm::Error compileLayers(mlir::ModuleOp module, llvm::StringRef target, unsigned optimization, llvm::StringRef path);

} // namespace anybit

#endif // ANYBIT_PIPELINES_COMPILE_H
