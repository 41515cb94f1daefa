#include "Artifact.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

/// Which exit code tells a script what to do about a status.
static ExitCode exitCodeOf(anybit_status status) {
  switch (status) {
  case ANYBIT_OK:
    return Done;
  case ANYBIT_INVALID_ARGUMENT:
  case ANYBIT_INVALID_ARTIFACT:
  case ANYBIT_IO_ERROR:
  case ANYBIT_UNSUPPORTED_CPU: // the wrong file for this machine; another --target helps
    return Invalid;
  case ANYBIT_INCOMPATIBLE_ABI:
    return Unsupported;
  case ANYBIT_OUT_OF_MEMORY:
  case ANYBIT_INTERNAL:
    return Internal;
  }
  return Internal;
}

int anybit::driver::failRuntime(anybit_status status, StringRef what) {
  std::string sentence = anybit_last_error();
  if (!StringRef(sentence).contains(what))
    sentence = what.str() + ": " + sentence;
  return fail(sentence, exitCodeOf(status));
}

int Artifact::open(const std::string &path) {
  file = path;
  if (std::error_code error = sys::fs::file_size(path, bytes))
    return fail("cannot open " + path + ": " + error.message());
  anybit_module *opened = nullptr;
  anybit_status status = anybit_module_open(path.c_str(), &opened);
  if (status != ANYBIT_OK)
    return failRuntime(status, path);
  module.reset(opened);
  return Done;
}

int Artifact::createSession(uint32_t threads) {
  anybit_session_options options = {};
  options.size = sizeof(options);
  options.threads = threads;
  anybit_session *created = nullptr;
  anybit_status status = anybit_session_create(module.get(), &options, &created);
  if (status != ANYBIT_OK)
    return failRuntime(status, file);
  owned.reset(created);
  return Done;
}

std::string Artifact::candidateNames() const {
  return join(map_range(candidates(), [](const anybit_variant &variant) { return std::string(variant.name); }), ", ");
}

int Artifact::findCandidate(const std::string &name) const {
  int32_t index = anybit_module_find_candidate(module.get(), name.c_str());
  if (index < 0)
    fail(file + " has no candidate '" + name + "', it has " + candidateNames());
  return index;
}

int Artifact::useCandidate(uint32_t index) const {
  anybit_status status = anybit_session_set_candidate(session(), index);
  if (status == ANYBIT_OK)
    status = anybit_session_prepare(session());
  return status == ANYBIT_OK ? Done : failRuntime(status, file);
}

ArrayRef<int64_t> anybit::driver::shapeOf(const anybit_tensor &tensor) {
  return {tensor.dimensions, std::min(tensor.rank, ANYBIT_MAX_RANK)};
}

std::string anybit::driver::typeText(const anybit_tensor &tensor) {
  return (data::elementName(static_cast<data::ElementType>(tensor.element_type)) + " " +
          data::shapeText(shapeOf(tensor)))
      .str();
}

Expected<data::Array> anybit::driver::makeArray(const anybit_tensor &tensor) {
  return data::Array::zeros(static_cast<data::ElementType>(tensor.element_type), shapeOf(tensor));
}
