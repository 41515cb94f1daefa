#include "anybit/Target/CPU/SharedTarget.h"

#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace anybit {

static CpuTarget makeBaseline() {
  if (Expected<CpuTarget> parsed = parseCpuTarget("x86-64"))
    return std::move(*parsed);
  else
    consumeError(parsed.takeError());
  return cantFail(parseCpuTarget("generic"));
}

const CpuTarget &SharedTarget::cpu() const {
  static const CpuTarget baseline = makeBaseline();
  return resolved ? *resolved : baseline;
}

raw_ostream &operator<<(raw_ostream &out, const SharedTarget &target) { return out << target.cpu().name; }

} // namespace anybit

bool cl::parser<anybit::SharedTarget>::parse(Option &option, StringRef name, StringRef text,
                                             anybit::SharedTarget &value) {
  Expected<anybit::CpuTarget> parsed = anybit::parseCpuTarget(text);
  if (!parsed)
    return option.error(toString(parsed.takeError()), name);
  value = anybit::SharedTarget(std::move(*parsed));
  return false;
}
