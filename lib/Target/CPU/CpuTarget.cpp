#include "anybit/Target/CPU/CpuTarget.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace anybit {

/// Features beyond the least CPU of an architecture that generated code may use. An artifact asks for those of these
/// that its target has; the runtime checks them by CPUID. All other instructions are switched off: nobody could tell a
/// CPU without them from one that has them.
static constexpr StringLiteral kernelFeatures[] = {"sse3",
                                                   "ssse3",
                                                   "sse4.1",
                                                   "sse4.2",
                                                   "popcnt",
                                                   "avx",
                                                   "avx2",
                                                   "fma",
                                                   "f16c",
                                                   "bmi",
                                                   "bmi2",
                                                   "lzcnt",
                                                   "movbe",
                                                   "avx512f",
                                                   "avx512bw",
                                                   "avx512vl",
                                                   "avx512dq",
                                                   "avx512cd",
                                                   "avx512vnni",
                                                   "avx512vbmi",
                                                   "avx512vbmi2",
                                                   "avx512bitalg",
                                                   "avx512vpopcntdq",
                                                   "gfni",
                                                   "avxvnni",
                                                   "amx-tile",
                                                   "amx-int8"};

/// What every 64-bit x86 CPU has and generated code takes for granted.
static constexpr StringLiteral x86Baseline[] = {"64bit", "64bit-mode", "cmov", "cx8", "fxsr", "sse", "x87"};

static Error unknown(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

static Expected<const Target *> lookupTarget(const std::string &triple) {
  // Registration is idempotent but not thread-safe: a function-local static runs it once.
  static const bool initialized = [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
    InitializeAllAsmParsers();
    return true;
  }();
  (void)initialized;
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(Triple(triple), error);
  if (!target)
    return unknown("no code generator for " + triple + ": " + error);
  return target;
}

/// The CPU of this machine; the caller's features follow its own, so that they win.
static void useHost(CpuTarget &target) {
  target.cpu = sys::getHostCPUName().str();
  std::string own;
  for (const auto &feature : sys::getHostCPUFeatures())
    own += (feature.second ? "+" : "-") + feature.first().str() + ",";
  target.features = StringRef(own + target.features).rtrim(',').str();
}

/// Cores that execute one 512-bit VPDPBUSD a cycle. A virtual server may call itself a client core; FP16, which no such
/// core has and which nobody switches off with AMX, gives it away.
static bool hasOneDotPipe(StringRef cpu, const StringSet<> &has) {
  static constexpr StringLiteral cores[] = {"znver4", "icelake-client", "tigerlake", "rocketlake"};
  return is_contained(cores, cpu) && !has.contains("avx512fp16");
}

/// Rates of docs/kernels.md, "popcount".
static void chooseRates(CpuTarget &target, const StringSet<> &has) {
  bool wide = target.vectorBits == 512;
  if (target.dot == DotForm::Vnni)
    target.productRate = wide && !hasOneDotPipe(target.cpu, has) ? 128 : 64;
  else if (target.dot == DotForm::Madd)
    target.productRate = wide ? 90 : 45; // of few bits, in int16 (recipe R9)
  else if (target.wordPairs)
    target.productRate = 7; // PMADDWD of 128 bits
  if (target.dot == DotForm::Vnni && wide && has.contains("amx-tile") && has.contains("amx-int8"))
    target.tileRate = 1024;
  target.countsWords = wide && has.contains("avx512vpopcntdq");
  bool countsBytes = wide && has.contains("avx512bitalg");
  if (target.countsWords || countsBytes)
    target.countRate = 340;
  else if (target.dot != DotForm::Portable)
    target.countRate = wide ? 160 : 120;
}

/// Chooses vector width and dot form from the features.
static void chooseForms(CpuTarget &target, const StringSet<> &has) {
  bool wide = has.contains("avx512bw") && has.contains("avx512vl") && has.contains("avx512dq");
  if (wide) {
    target.vectorBits = 512;
    target.vectorRegisters = 32;
    target.dot = has.contains("avx512vnni") ? DotForm::Vnni : DotForm::Madd;
  } else if (has.contains("avx2")) {
    target.vectorBits = 256;
    target.dot = has.contains("avxvnni") ? DotForm::Vnni : DotForm::Madd;
  }
  target.wordPairs = has.contains("sse2");
  target.shufflesBytes = has.contains("ssse3");
  target.permutesBytes = wide && target.dot == DotForm::Vnni && has.contains("avx512vbmi");
  target.slicesBits = target.vectorBits >= 256 && has.contains("gfni");
  chooseRates(target, has);
  target.fma = has.contains("fma") || has.contains("neon") || has.contains("f");
}

/// Features that say how fast instructions are, not which there are: what LLVM tunes any CPU by.
static FeatureBitset tuningFeatures(const MCSubtargetInfo &info) {
  FeatureBitset tuning;
  for (const SubtargetSubTypeKV &cpu : info.getAllProcessorDescriptions())
    tuning |= cpu.TuneImplies.getAsBitset();
  return tuning;
}

static Error checkNames(const CpuTarget &target, StringRef features, const MCSubtargetInfo &base) {
  if (!base.isCPUStringValid(target.cpu))
    return unknown("unknown target cpu '" + target.cpu +
                   "', use native, x86-64, x86-64-v3, x86-64-v4 or a cpu name of llvm such as znver4 or haswell");
  StringSet<> known;
  for (const SubtargetFeatureKV &feature : base.getAllProcessorFeatures())
    known.insert(feature.Key);
  for (StringRef feature : split(features, ','))
    if (!feature.empty() &&
        (!(feature.starts_with("+") || feature.starts_with("-")) || !known.contains(feature.drop_front())))
      return unknown("unknown target feature '" + feature + "', write +name or -name with a feature of llvm");
  return Error::success();
}

/// Switches off what the runtime cannot check; an error if `asked`, the caller's features, name such a one.
static Error dropUnchecked(CpuTarget &target, StringRef asked, const MCSubtargetInfo &base,
                           const MCSubtargetInfo &info) {
  FeatureBitset tuning = tuningFeatures(info);
  SmallVector<StringRef> named = llvm::to_vector(split(asked, ','));
  for (const SubtargetFeatureKV &feature : info.getEnabledProcessorFeatures()) {
    StringRef name = feature.Key;
    if (tuning.test(feature.Value) || base.getFeatureBits().test(feature.Value) || is_contained(kernelFeatures, name))
      continue;
    if (is_contained(named, ("+" + name).str()))
      return unknown("target feature '+" + name +
                     "' is of no use to kernels and cannot be checked where an artifact is "
                     "loaded; leave it out");
    target.features += (target.features.empty() ? "-" : ",-") + name.str();
  }
  return Error::success();
}

Expected<CpuTarget> parseCpuTarget(StringRef text) {
  CpuTarget target;
  target.name = text.str();
  target.triple = sys::getDefaultTargetTriple();
  Triple triple(target.triple);
  auto [cpu, features] = text.split(',');
  target.cpu = cpu.str();
  target.features = features.str();
  if (cpu == "native")
    useHost(target);
  Expected<const Target *> registered = lookupTarget(target.triple);
  if (!registered)
    return registered.takeError();
  StringRef least = triple.isX86() ? "x86-64" : "generic";
  std::unique_ptr<MCSubtargetInfo> base((*registered)->createMCSubtargetInfo(triple, least, ""));
  if (Error error = checkNames(target, features, *base))
    return error;
  std::unique_ptr<MCSubtargetInfo> info((*registered)->createMCSubtargetInfo(triple, target.cpu, target.features));
  StringSet<> has;
  for (const SubtargetFeatureKV &feature : info->getEnabledProcessorFeatures())
    has.insert(feature.Key);
  for (StringRef feature : x86Baseline)
    if (triple.isX86() && !has.contains(feature))
      return unknown("target '" + target.name + "' has no " + feature + ", which 64-bit code needs; name a 64-bit cpu");
  if (Error error = dropUnchecked(target, features, *base, *info))
    return error;
  chooseForms(target, has);
  // Only kernels that name them use tile registers, which the operating system may refuse.
  for (StringRef feature : kernelFeatures)
    if (has.contains(feature) && (target.tileRate > 0 || !feature.starts_with("amx-")))
      target.required.push_back(feature.str());
  return target;
}

Expected<std::unique_ptr<TargetMachine>> createTargetMachine(const CpuTarget &target, unsigned level) {
  Expected<const Target *> registered = lookupTarget(target.triple);
  if (!registered)
    return registered.takeError();
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Strict; // numerics N5
  options.FunctionSections = true;
  static constexpr CodeGenOptLevel levels[] = {CodeGenOptLevel::None, CodeGenOptLevel::Less, CodeGenOptLevel::Default,
                                               CodeGenOptLevel::Aggressive};
  std::unique_ptr<TargetMachine> machine((*registered)
                                             ->createTargetMachine(Triple(target.triple), target.cpu, target.features,
                                                                   options, Reloc::PIC_, std::nullopt, levels[level]));
  if (!machine)
    return unknown("no code generator for " + target.triple + " " + target.cpu);
  return machine;
}

} // namespace anybit
