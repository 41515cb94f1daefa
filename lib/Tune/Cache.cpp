#include "Cache.h"

#include "anybit/Support/File.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

using namespace llvm;

namespace anybit::tune {

constexpr size_t mostBytes = 1 << 14;
constexpr size_t mostBrackets = 8;
constexpr double mostNanoseconds = 1e12;

Error Cache::prepare() const {
  std::error_code code = sys::fs::create_directories(directory);
  if (!code && !sys::fs::is_directory(directory))
    code = std::make_error_code(std::errc::not_a_directory);
  if (!code)
    code = sys::fs::access(directory, sys::fs::AccessMode::Write);
  if (!code)
    return Error::success();
  return createStringError("cannot write to the folder of tuning results '" + directory + "': " + code.message() +
                           "; choose another with --tune-cache");
}

std::string Cache::pathOf(StringRef key) const {
  XXH128_hash_t hash = xxh3_128bits(arrayRefFromStringRef(key));
  SmallString<128> path(directory);
  sys::path::append(path, formatv("{0:x-16}{1:x-16}.json", hash.high64, hash.low64).str());
  return path.str().str();
}

Expected<cpu::ChoiceCosts> parseEntry(StringRef text, StringRef key) {
  // The parser of LLVM calls itself for every bracket.
  if (text.size() > mostBytes || text.count('[') + text.count('{') > mostBrackets)
    return createStringError("it is longer than any that is valid");
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return createStringError("it is no JSON: " + toString(value.takeError()));
  const json::Object *object = value->getAsObject();
  const json::Object *times = object ? object->getObject("times") : nullptr;
  if (!times || object->getString("key") != std::optional<StringRef>(key))
    return createStringError("it is not of this layer");
  cpu::ChoiceCosts costs;
  for (const auto &[name, item] : *times) {
    Expected<cpu::WantedChoice> choice = cpu::parseWantedChoice(name.str());
    if (!choice)
      return choice.takeError();
    std::optional<double> time = item.getAsNumber();
    if (!choice->family || !choice->vectors || !time || !(*time > 0 && *time <= mostNanoseconds))
      return createStringError("the time of '" + StringRef(name) + "' is none");
    costs.emplace_back(cpu::KernelChoice{*choice->family, choice->vectors, choice->bytes}, *time);
  }
  return costs;
}

std::optional<cpu::ChoiceCosts> Cache::find(StringRef key, ArrayRef<cpu::KernelChoice> choices) const {
  std::string path = pathOf(key);
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path);
  if (buffer.getError() == std::errc::no_such_file_or_directory)
    return std::nullopt;
  Expected<cpu::ChoiceCosts> costs =
      buffer ? parseEntry((*buffer)->getBuffer(), key) : createStringError(buffer.getError(), "it cannot be read");
  if (!costs) {
    warnings << "warning: the tuning result " << path
             << " is ignored and measured again: " << toString(costs.takeError()) << '\n';
    return std::nullopt;
  }
  // In the order of the choices, whatever that of the file is.
  cpu::ChoiceCosts ordered;
  for (const cpu::KernelChoice &choice : choices)
    for (const auto &[known, time] : *costs)
      if (known == choice)
        ordered.emplace_back(known, time);
  if (ordered.size() != choices.size())
    return std::nullopt;
  return ordered;
}

Error Cache::store(StringRef key, const cpu::ChoiceCosts &costs) const {
  json::Object times;
  for (const auto &[choice, time] : costs)
    times[cpu::toString(choice)] = time;
  std::string text = formatv("{0:2}\n", json::Value(json::Object{{"key", key}, {"times", std::move(times)}}));
  return writeFile(pathOf(key), ArrayRef<char>(text.data(), text.size()));
}

} // namespace anybit::tune
