#include "Diagnostics.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace anybit::onnx {

static constexpr size_t maxQuoted = 120;

static bool isUtf8(StringRef text) {
  const auto *begin = reinterpret_cast<const UTF8 *>(text.begin());
  return isLegalUTF8String(&begin, reinterpret_cast<const UTF8 *>(text.end()));
}

static bool isPrintable(StringRef text) {
  return isUtf8(text) && all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

std::string quoted(StringRef text) {
  const bool cut = text.size() > maxQuoted;
  std::string result = "'";
  if (StringRef shown = text.take_front(maxQuoted); isPrintable(shown)) {
    result += shown;
  } else {
    raw_string_ostream stream(result);
    printEscapedString(shown, stream);
  }
  return result + (cut ? "…'" : "'");
}

bool Diagnostics::add(Problem::Kind kind, const Twine &text) {
  if (found++ < limit)
    problems.push_back({kind, text.str()});
  return false;
}

bool Diagnostics::checkName(StringRef name, const Twine &owner, int64_t maxBytes) {
  if (static_cast<int64_t>(name.size()) > maxBytes)
    return invalid(owner + " has a name of " + Twine(name.size()) + " bytes; at most " + Twine(maxBytes) +
                   " are allowed");
  return isUtf8(name) || invalid(owner + " has the name " + quoted(name) + ", which is not UTF-8");
}

void Diagnostics::finish() {
  if (found > limit)
    problems.push_back({Problem::Kind::Invalid, ("and " + Twine(found - limit) + " more problems").str()});
}

} // namespace anybit::onnx
