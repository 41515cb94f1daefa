//===- Candidates.cpp -----------------------------------------------------===//
#include "Candidates.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <optional>
#include <tuple>

using namespace llvm;

namespace anybit::quantize {

namespace {

constexpr size_t maxCandidates = 256;
constexpr size_t maxSubPatterns = 64;

bool isGlob(StringRef pattern) { return pattern.find_first_of("*?[{\\") != StringRef::npos; }

/// Names come before globs, longer patterns before shorter ones, and "*" comes last.
auto orderOf(StringRef pattern) {
  return std::make_tuple(isGlob(pattern), pattern == "*", -int64_t(pattern.size()), pattern);
}

bool matches(StringRef pattern, StringRef name) {
  if (pattern == name)
    return true;
  Expected<GlobPattern> glob = GlobPattern::create(pattern, maxSubPatterns);
  if (!glob) {
    consumeError(glob.takeError());
    return false;
  }
  return glob->match(name);
}

/// "w4a8" → {4, 8}, "f32" → {0, 0}.
std::optional<Widths> parseName(StringRef name) {
  if (name == "f32")
    return Widths();
  Widths widths;
  if (!name.consume_front("w") || name.consumeInteger(10, widths.weights) || !name.consume_front("a") ||
      name.getAsInteger(10, widths.activations))
    return std::nullopt;
  bool inRange = widths.weights >= 1 && widths.weights <= 8 && widths.activations >= 1 && widths.activations <= 8;
  return inRange ? std::optional<Widths>(widths) : std::nullopt;
}

/// Reads the JSON file; keeps every problem.
class MixReader {
public:
  explicit MixReader(StringRef file) : file(file) {}

  void read(StringRef text) {
    Expected<json::Value> value = json::parse(text);
    if (!value) {
      problems.push_back((file + ": not JSON: " + toString(value.takeError())).str());
      return;
    }
    const json::Object *object = value->getAsObject();
    if (!object) {
      problem("must be an object of candidates");
      return;
    }
    for (const auto &[name, rules] : *object)
      readCandidate(name, rules);
    llvm::sort(candidates, [](const Candidate &a, const Candidate &b) { return a.name < b.name; });
  }

  std::vector<Candidate> candidates;
  std::vector<std::string> problems;

private:
  StringRef file;

  void problem(const Twine &text) { problems.push_back((file + ": " + text).str()); }

  void readCandidate(StringRef name, const json::Value &value) {
    const json::Object *rules = value.getAsObject();
    // A candidate with problems is kept, so that a name that asks for it is not a problem too.
    Candidate &candidate = candidates.emplace_back(Candidate{name.str(), {}});
    if (name.empty() || name.contains(',') || !rules)
      return problem("candidate '" + name + "' must have a name without commas and be an object of layer patterns");
    for (const auto &[pattern, widths] : *rules)
      readRule(candidate, pattern, widths);
    llvm::sort(candidate.rules,
               [](const WidthRule &a, const WidthRule &b) { return orderOf(a.pattern) < orderOf(b.pattern); });
    if (!rules->get("*"))
      problem("candidate '" + name + "' has no pattern \"*\"; add one for the layers that nothing else names");
  }

  void readRule(Candidate &candidate, StringRef pattern, const json::Value &value) {
    Expected<GlobPattern> glob = GlobPattern::create(pattern, maxSubPatterns);
    if (!glob)
      return problem("candidate '" + candidate.name + "': pattern '" + pattern + "': " + toString(glob.takeError()));
    const json::Object *object = value.getAsObject();
    std::optional<int64_t> weights = object ? object->getInteger("weights") : std::nullopt;
    std::optional<int64_t> activations = object ? object->getInteger("activations") : std::nullopt;
    bool sound = weights && activations && object->size() == 2 && *weights >= 1 && *weights <= 8 && *activations >= 1 &&
                 *activations <= 8;
    if (!sound)
      return problem("candidate '" + candidate.name + "': pattern '" + pattern +
                     "' must have \"weights\" and \"activations\", both from 1 to 8");
    candidate.rules.push_back({pattern.str(), {unsigned(*weights), unsigned(*activations)}});
  }
};

} // namespace

Expected<std::vector<Candidate>> parseCandidates(ArrayRef<std::string> names, StringRef mixes, StringRef file) {
  MixReader mixed(file);
  if (!mixes.empty())
    mixed.read(mixes);
  std::vector<Candidate> result;
  StringSet<> seen;
  for (const std::string &name : names) {
    auto mix = llvm::find_if(mixed.candidates, [&](const Candidate &c) { return c.name == name; });
    std::optional<Widths> widths = parseName(name);
    if (!seen.insert(name).second)
      mixed.problems.push_back("candidate '" + name + "' is given twice");
    else if (mix != mixed.candidates.end())
      result.push_back(*mix);
    else if (widths)
      result.push_back({name, {{"*", *widths}}});
    else
      mixed.problems.push_back("candidate '" + name +
                               "' is unknown; say wXaY with X and Y from 1 to 8, f32, or a name of the candidate file");
  }
  if (names.empty())
    result = mixed.candidates;
  if (mixed.problems.empty() && (result.empty() || result.size() > maxCandidates))
    mixed.problems.push_back(std::to_string(result.size()) + " candidates were asked for; give 1 to " +
                             std::to_string(maxCandidates));
  if (mixed.problems.empty())
    return result;
  return createStringError(llvm::join(mixed.problems, "\n"));
}

Widths widthsOf(const Candidate &candidate, StringRef name) {
  for (const WidthRule &rule : candidate.rules)
    if (matches(rule.pattern, name))
      return rule.widths;
  return candidate.rules.back().widths;
}

std::vector<std::string> unusedRules(ArrayRef<Candidate> candidates, ArrayRef<std::string> layers) {
  std::vector<std::string> result;
  for (const Candidate &candidate : candidates)
    for (const WidthRule &rule : candidate.rules)
      if (llvm::none_of(layers, [&](const std::string &layer) { return matches(rule.pattern, layer); }))
        result.push_back("candidate '" + candidate.name + "': pattern '" + rule.pattern + "' names no layer");
  return result;
}

} // namespace anybit::quantize
