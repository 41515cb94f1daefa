#include "anybit/Frontend/ONNX/Loader.h"

#include "Candidates.h"
#include "GraphBuilder.h"
#include "Prescan.h"

#include "llvm/Support/Path.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>

#include <cerrno>
#include <unistd.h>

using namespace llvm;
using ::onnx::ModelProto;
namespace io = google::protobuf::io;

namespace anybit::onnx {

/// Three messages per subgraph; deep enough that too deep a nesting is found, and named, by the graph builder.
static constexpr int protobufDepth = 256;

static bool parse(io::ZeroCopyInputStream &stream, ModelProto &proto, Diagnostics &diagnostics) {
  io::CodedInputStream input(&stream);
  input.SetTotalBytesLimit(INT_MAX);
  input.SetRecursionLimit(protobufDepth);
  if (proto.ParseFromCodedStream(&input) && input.ConsumedEntireMessage())
    return true;
  return diagnostics.invalid("this is not an ONNX file, or it is damaged: protobuf cannot read it near byte " +
                             Twine(input.CurrentPosition()));
}

static bool checkParsedSize(io::ZeroCopyInputStream &stream, const Limits &limits, Diagnostics &diagnostics) {
  if (parsedSize(stream, limits.parsedBytes) <= limits.parsedBytes)
    return true;
  return diagnostics.invalid("the file describes nodes, attributes, tensors and names that take more than " +
                             Twine(limits.parsedBytes) +
                             " bytes of memory, whatever their content; no real model does");
}

static void checkIrVersion(const ModelProto &proto, Diagnostics &diagnostics) {
  const int64_t version = proto.ir_version();
  if (version < 1)
    diagnostics.invalid("the model has no valid ir_version; it is not an ONNX file, or it is damaged");
  else if (version < minIrVersion || version > maxIrVersion)
    diagnostics.unsupported("the model has IR version " + Twine(version) + "; this reader knows " +
                            Twine(minIrVersion) + " to " + Twine(maxIrVersion));
}

static void readHeader(const ModelProto &proto, const OpsetMap &opsets, Model &model, Diagnostics &diagnostics) {
  model.irVersion = proto.ir_version();
  model.producer = (proto.producer_name() + " " + StringRef(proto.producer_version())).str();
  for (const auto &opset : opsets)
    model.opsets.emplace_back(opset.first().str(), opset.second);
  llvm::sort(model.opsets);
  for (const auto &entry : proto.metadata_props())
    if (!model.metadata.try_emplace(entry.key(), entry.value()).second)
      diagnostics.invalid("metadata key " + quoted(entry.key()) + " occurs twice");
}

static void readModel(ModelProto &proto, StringRef directory, const Limits &limits, Model &model,
                      Diagnostics &diagnostics) {
  checkIrVersion(proto, diagnostics);
  if (!proto.has_graph())
    diagnostics.invalid("the model has no graph");
  if (proto.opset_import_size() == 0)
    diagnostics.invalid("the model imports no opset");
  if (diagnostics.count() != 0)
    return;
  const OpsetMap opsets = readOpsets(proto.opset_import(), "the model", diagnostics);
  FunctionTable functions;
  if (!functions.build(proto, limits, diagnostics))
    return;
  readHeader(proto, opsets, model, diagnostics);
  TensorReader tensors(limits, directory, diagnostics);
  GraphBuilder(limits, functions, tensors, diagnostics).build(*proto.mutable_graph(), opsets, model.graph);
  readCandidates(model, limits, diagnostics);
}

/// `first` and `second` read the same bytes.
static bool load(io::ZeroCopyInputStream &first, io::ZeroCopyInputStream &second, StringRef directory,
                 const LoadOptions &options, Model &model, Diagnostics &diagnostics) {
  model = Model();
  ModelProto proto;
  if (checkParsedSize(first, options.limits, diagnostics) && parse(second, proto, diagnostics))
    readModel(proto, directory, options.limits, model, diagnostics);
  diagnostics.finish();
  return diagnostics.count() == 0;
}

namespace {
/// A file from its beginning, with a position of its own.
class PositionedInput : public io::CopyingInputStream {
public:
  explicit PositionedInput(int descriptor) : descriptor(descriptor) {}
  int Read(void *buffer, int size) override {
    ssize_t got;
    do
      got = ::pread(descriptor, buffer, size, position);
    while (got < 0 && errno == EINTR);
    position += std::max<ssize_t>(got, 0);
    return static_cast<int>(got);
  }
  /// The size of the file is known: what is skipped beyond its end is found missing by the next read.
  int Skip(int count) override {
    position += count;
    return count;
  }

private:
  const int descriptor;
  off_t position = 0;
};
} // namespace

static bool checkSize(int64_t size, const Limits &limits, Diagnostics &diagnostics) {
  const int64_t limit = std::min<int64_t>(limits.fileBytes, INT_MAX);
  if (size <= limit)
    return true;
  return diagnostics.invalid("the model has " + Twine(size) + " bytes; at most " + Twine(limit) +
                             " are allowed, larger weights go into external data");
}

bool loadModel(StringRef path, const LoadOptions &options, Model &model, std::vector<Problem> &problems) {
  Diagnostics diagnostics(problems, options.limits.problems);
  int64_t size = 0;
  std::string error;
  File file = openModelFile(path, size, error);
  if (!file)
    return diagnostics.invalid(error);
  if (!checkSize(size, options.limits, diagnostics))
    return false;
  StringRef directory = sys::path::parent_path(path);
  PositionedInput firstInput(file.get()), secondInput(file.get());
  constexpr int blockBytes = 1 << 16;
  io::CopyingInputStreamAdaptor first(&firstInput, blockBytes), second(&secondInput, blockBytes);
  return load(first, second, directory.empty() ? "." : directory, options, model, diagnostics);
}

bool loadModelFromBytes(ArrayRef<char> bytes, StringRef baseDirectory, const LoadOptions &options, Model &model,
                        std::vector<Problem> &problems) {
  Diagnostics diagnostics(problems, options.limits.problems);
  if (!checkSize(bytes.size(), options.limits, diagnostics))
    return false;
  io::ArrayInputStream first(bytes.data(), static_cast<int>(bytes.size()));
  io::ArrayInputStream second(bytes.data(), static_cast<int>(bytes.size()));
  return load(first, second, baseDirectory, options, model, diagnostics);
}

} // namespace anybit::onnx
