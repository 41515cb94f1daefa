#include "CommandLine.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace anybit::driver;
using namespace llvm;

std::string CommandLine::spelling(OptionId id) const { return args.getLastArg(id)->getSpelling().str(); }

std::vector<std::string> CommandLine::list(OptionId id) {
  std::vector<std::string> items;
  if (!has(id))
    return items;
  for (StringRef item : split(args.getLastArgValue(id), ','))
    items.push_back(item.trim().str());
  if (llvm::is_contained(items, ""))
    problem(spelling(id) + " '" + text(id) + "' has an empty item, write names separated by single commas");
  return items;
}

uint64_t CommandLine::number(OptionId id, uint64_t otherwise, uint64_t low, uint64_t high) {
  if (!has(id))
    return otherwise;
  uint64_t value = 0;
  if (to_integer(text(id), value, 10) && value >= low && value <= high)
    return value;
  std::string range = high == std::numeric_limits<uint64_t>::max() ? "of at least " + utostr(low)
                                                                   : "from " + utostr(low) + " to " + utostr(high);
  problem(spelling(id) + " is '" + text(id) + "', expected a whole number " + range);
  return otherwise;
}

double CommandLine::fraction(OptionId id, double otherwise) {
  if (!has(id))
    return otherwise;
  double value = 0;
  if (to_float(text(id), value) && value >= 0 && value <= 1)
    return value;
  problem(spelling(id) + " is '" + text(id) + "', expected a number from 0 to 1");
  return otherwise;
}

std::string CommandLine::required(OptionId id, StringRef flag) {
  if (text(id).empty())
    problem(flag + " is missing");
  return text(id);
}

std::string CommandLine::onlyInput(StringRef what) {
  std::vector<std::string> given = inputs();
  if (given.empty())
    problem(what + " is missing");
  if (given.size() > 1)
    problem("one " + what + " is expected, got " + utostr(given.size()) + ": " + join(given, ", "));
  return given.empty() ? "" : given.front();
}

bool CommandLine::report() const {
  for (const std::string &sentence : problems)
    fail(sentence);
  return !problems.empty();
}

int anybit::driver::fail(const Twine &sentence, ExitCode code) {
  errs() << "anybit: error: " << sentence << '\n';
  return code;
}

int anybit::driver::fail(Error error, ExitCode code) {
  handleAllErrors(std::move(error), [&](const ErrorInfoBase &info) { fail(info.message(), code); });
  return code;
}
