#include "Artifact.h"

#include "anybit/Data/Npy.h"
#include "anybit/Support/Progress.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <optional>

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

namespace {

/// The arrays of one call, in the order of the artifact. An array of `slices` times the rows that the artifact takes is
/// `slices` runs.
struct Batch {
  std::vector<data::Array> inputs;
  std::vector<data::Array> outputs;
  int64_t slices = 1;
};

/// An input file and the tensor it is for.
struct InputFile {
  std::string path;
  size_t index;
};

} // namespace

static std::string inputNames(const Artifact &artifact) {
  return join(map_range(artifact.inputs(), [](const anybit_tensor &tensor) { return std::string(tensor.name); }), ", ");
}

/// Matches every `[NAME=]X.npy` with an input: by name, and nameless ones in order.
static std::vector<InputFile> matchInputs(CommandLine &line, const Artifact &artifact,
                                          ArrayRef<std::string> arguments) {
  std::vector<InputFile> files;
  std::vector<bool> taken(artifact.inputs().size());
  size_t next = 0;
  for (const std::string &argument : arguments) {
    const anybit_tensor *named = find_if(artifact.inputs(), [&](const anybit_tensor &tensor) {
      return StringRef(argument).starts_with(std::string(tensor.name) + "=");
    });
    bool hasName = named != artifact.inputs().end();
    while (!hasName && next < taken.size() && taken[next])
      ++next;
    size_t index = hasName ? named - artifact.inputs().begin() : next;
    if (!hasName && StringRef(argument).contains('=') && !sys::fs::exists(argument)) {
      line.problem("'" + argument + "' names no input of " + artifact.path() + ", it has " + inputNames(artifact));
      continue;
    }
    if (index >= taken.size()) {
      line.problem("there is no input left for '" + argument + "', " + artifact.path() + " has " +
                   utostr(taken.size()));
      continue;
    }
    if (taken[index])
      line.problem("input '" + Twine(named->name) + "' is given twice");
    taken[index] = true;
    files.push_back({hasName ? argument.substr(strlen(named->name) + 1) : argument, index});
  }
  for (const auto &[tensor, given] : zip(artifact.inputs(), taken))
    if (!given)
      line.problem("input '" + Twine(tensor.name) + "' (" + typeText(tensor) + ") is missing, add --input " +
                   tensor.name + "=FILE.npy");
  return files;
}

/// How many runs `array` is for `tensor`, or nullopt if type or shape do not fit.
static std::optional<int64_t> countSlices(const data::Array &array, const anybit_tensor &tensor) {
  ArrayRef<int64_t> want = shapeOf(tensor), have = array.dims;
  if (static_cast<uint32_t>(array.type) != tensor.element_type || have.size() != want.size())
    return std::nullopt;
  if (have.empty() || have == want)
    return 1;
  bool rowsDivide = want[0] > 0 && have[0] > 0 && have[0] % want[0] == 0;
  if (!rowsDivide || have.drop_front() != want.drop_front())
    return std::nullopt;
  return have[0] / want[0];
}

static int readInputs(CommandLine &line, const Artifact &artifact, ArrayRef<InputFile> files, Batch &batch) {
  batch.inputs.resize(files.size());
  std::optional<int64_t> slices;
  for (const InputFile &file : files) {
    Expected<data::Array> array = data::readNpy(file.path);
    if (!array)
      return fail(array.takeError());
    const anybit_tensor &tensor = artifact.inputs()[file.index];
    std::optional<int64_t> count = countSlices(*array, tensor);
    if (!count)
      line.problem(file.path + " holds " + data::elementName(array->type) + " " + data::shapeText(array->dims) +
                   ", but input '" + tensor.name + "' is " + typeText(tensor) +
                   (tensor.rank ? " (or a multiple of its rows)" : ""));
    else if (slices.value_or(*count) != *count)
      line.problem(file.path + " has rows for " + itostr(*count) + " runs, the inputs before it for " +
                   itostr(*slices) + ", give all inputs equally many");
    slices = slices.value_or(count.value_or(1));
    batch.inputs[file.index] = std::move(*array);
  }
  batch.slices = slices.value_or(1);
  return line.report() ? Invalid : Done;
}

/// Room for the outputs of all runs: `slices` times the rows; a scalar becomes a vector when there are several.
static int makeOutputs(const Artifact &artifact, Batch &batch) {
  for (const anybit_tensor &tensor : artifact.outputs()) {
    SmallVector<int64_t, 8> dims(shapeOf(tensor));
    if (dims.empty() && batch.slices > 1)
      dims.push_back(1);
    if (!dims.empty() && MulOverflow(dims[0], batch.slices, dims[0]))
      return fail("output '" + Twine(tensor.name) + "' of " + itostr(batch.slices) + " runs is too large");
    Expected<data::Array> array = data::Array::zeros(static_cast<data::ElementType>(tensor.element_type), dims);
    if (!array)
      return fail(array.takeError());
    batch.outputs.push_back(std::move(*array));
  }
  return Done;
}

static int runSlices(const Artifact &artifact, Batch &batch, bool quiet) {
  Progress progress("run", batch.slices, quiet);
  std::vector<const void *> inputs(batch.inputs.size());
  std::vector<void *> outputs(batch.outputs.size());
  for (int64_t slice = 0; slice < batch.slices; ++slice) {
    for (auto [pointer, array] : zip(inputs, batch.inputs))
      pointer = array.bytes.data() + array.bytes.size() / batch.slices * slice;
    for (auto [pointer, array] : zip(outputs, batch.outputs))
      pointer = array.bytes.data() + array.bytes.size() / batch.slices * slice;
    anybit_status status = anybit_session_run(artifact.session(), inputs.data(), outputs.data());
    if (status != ANYBIT_OK)
      return failRuntime(status, artifact.path());
    progress.advance();
  }
  return Done;
}

/// A file name for an output: names may hold slashes.
static std::string fileName(StringRef name) {
  std::string safe = name.empty() ? "output" : name.str();
  for (char &c : safe)
    c = isAlnum(c) || StringRef("._-").contains(c) ? c : '_';
  return safe.front() == '.' ? "_" + safe : safe;
}

static int writeFolder(const Artifact &artifact, const Batch &batch, const std::string &folder) {
  if (std::error_code error = sys::fs::create_directories(folder))
    return fail("cannot make the folder " + folder + ": " + error.message());
  StringSet<> used;
  for (auto [tensor, array] : zip(artifact.outputs(), batch.outputs)) {
    std::string name = fileName(tensor.name);
    while (!used.insert(name).second)
      name += '_';
    SmallString<128> path(folder);
    sys::path::append(path, name + ".npy");
    if (Error error = data::writeNpy(path, array))
      return fail(std::move(error));
  }
  return Done;
}

static std::string valueText(const data::Array &array, size_t index) {
  switch (array.type) {
  case data::ElementType::Float32:
    return formatv("{0:g}", array.values<float>()[index]);
  case data::ElementType::Int8:
    return itostr(array.values<int8_t>()[index]);
  case data::ElementType::Int32:
    return itostr(array.values<int32_t>()[index]);
  case data::ElementType::Int64:
    return itostr(array.values<int64_t>()[index]);
  default:
    return utostr(array.values<uint8_t>()[index]);
  }
}

/// The first values of every output, for people.
static void printOutputs(const Artifact &artifact, const Batch &batch) {
  constexpr size_t shown = 10;
  for (auto [tensor, array] : zip(artifact.outputs(), batch.outputs)) {
    outs() << tensor.name << ' ' << data::elementName(array.type) << ' ' << data::shapeText(array.dims) << ':';
    size_t count = std::min<size_t>(array.count(), shown);
    for (size_t i = 0; i < count; ++i)
      outs() << ' ' << valueText(array, i);
    outs() << (count < static_cast<size_t>(array.count()) ? " ...\n" : "\n");
  }
}

/// Writes or prints the outputs as the flags say.
static int deliver(const CommandLine &line, const Artifact &artifact, const Batch &batch) {
  if (line.has(OPT_output_dir))
    return writeFolder(artifact, batch, line.text(OPT_output_dir));
  if (!line.has(OPT_output)) {
    printOutputs(artifact, batch);
    return Done;
  }
  Error error = data::writeNpy(line.text(OPT_output), batch.outputs.front());
  return error ? fail(std::move(error)) : Done;
}

/// Everything behind the flags that need no artifact.
static int runArtifact(CommandLine &line, Artifact &artifact, ArrayRef<std::string> files, uint32_t threads) {
  int candidate = line.has(OPT_candidate) ? artifact.findCandidate(line.text(OPT_candidate)) : 0;
  if (line.has(OPT_output) && artifact.outputs().size() != 1)
    line.problem(artifact.path() + " has " + utostr(artifact.outputs().size()) + " outputs, use --output-dir");
  std::vector<InputFile> matched = matchInputs(line, artifact, files);
  if (line.report() || candidate < 0)
    return Invalid;

  Batch batch;
  if (int code = readInputs(line, artifact, matched, batch))
    return code;
  if (int code = makeOutputs(artifact, batch))
    return code;
  if (int code = artifact.createSession(threads))
    return code;
  if (int code = artifact.useCandidate(candidate))
    return code;
  if (int code = runSlices(artifact, batch, line.has(OPT_quiet)))
    return code;
  return deliver(line, artifact, batch);
}

int anybit::driver::runCommand(CommandLine &line) {
  std::vector<std::string> arguments = line.inputs(), files = line.all(OPT_input);
  if (arguments.empty())
    line.problem("artifact is missing");
  uint32_t threads = static_cast<uint32_t>(line.number(OPT_threads, 1, 1, maxThreads));
  if (line.has(OPT_output) && line.has(OPT_output_dir))
    line.problem("--output and --output-dir exclude each other");
  if (line.report())
    return Invalid;
  // The shell expands --input *.npy to one flag and many arguments.
  files.insert(files.end(), arguments.begin() + 1, arguments.end());
  Artifact artifact;
  if (int code = artifact.open(arguments.front()))
    return code;
  return runArtifact(line, artifact, files, threads);
}
