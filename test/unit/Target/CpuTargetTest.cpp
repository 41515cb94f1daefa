#include "anybit/Target/CPU/CpuTarget.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/TargetParser/Triple.h"

#include <gtest/gtest.h>

using namespace anybit;
using namespace llvm;

namespace {

std::unique_ptr<MCSubtargetInfo> subtarget(StringRef triple, StringRef cpu, StringRef features) {
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(Triple(triple), error);
  return std::unique_ptr<MCSubtargetInfo>(target->createMCSubtargetInfo(Triple(triple), cpu, features));
}

bool isRefused(StringRef text, StringRef words) {
  Expected<CpuTarget> target = parseCpuTarget(text);
  if (target)
    return false;
  std::string sentence = toString(target.takeError());
  EXPECT_TRUE(StringRef(sentence).contains(words)) << sentence;
  return true;
}

/// An artifact that used an instruction it does not ask for would end where a CPU lacks it.
TEST(CpuTarget, AsksForEveryInstructionSetOfEveryCpu) {
  std::string triple = cantFail(parseCpuTarget("native")).triple;
  if (!Triple(triple).isX86())
    GTEST_SKIP() << "the names of x86 CPUs are not of " << triple;
  std::unique_ptr<MCSubtargetInfo> base = subtarget(triple, "x86-64", "");
  FeatureBitset tuning;
  for (const SubtargetSubTypeKV &cpu : base->getAllProcessorDescriptions())
    tuning |= cpu.TuneImplies.getAsBitset();
  unsigned parsed = 0;
  for (const SubtargetSubTypeKV &cpu : base->getAllProcessorDescriptions()) {
    Expected<CpuTarget> target = parseCpuTarget(cpu.Key);
    if (!target) { // a CPU without 64 bits
      consumeError(target.takeError());
      continue;
    }
    ++parsed;
    StringSet<> asked;
    for (const std::string &feature : target->required)
      asked.insert(feature);
    for (const SubtargetFeatureKV &feature :
         subtarget(triple, target->cpu, target->features)->getEnabledProcessorFeatures())
      EXPECT_TRUE(tuning.test(feature.Value) || base->getFeatureBits().test(feature.Value) ||
                  asked.contains(feature.Key) || StringRef(feature.Key).starts_with("amx-"))
          << cpu.Key << " has " << feature.Key;
  }
  EXPECT_GT(parsed, 60u);
}

TEST(CpuTarget, RefusesWhatCannotRun) {
  if (!Triple(cantFail(parseCpuTarget("native")).triple).isX86())
    GTEST_SKIP() << "the names of x86 CPUs are not of this machine";
  EXPECT_TRUE(isRefused("pentium4", "has no 64bit"));
  EXPECT_TRUE(isRefused("x86-64,-sse", "has no sse,"));
  EXPECT_TRUE(isRefused("x86-64,-64bit-mode", "has no 64bit-mode"));
  EXPECT_TRUE(isRefused("x86-64,+sse4a", "'+sse4a' is of no use to kernels"));
  EXPECT_TRUE(isRefused("x86-64,+16bit-mode", "'+16bit-mode' is of no use to kernels"));
  EXPECT_TRUE(isRefused("x86-64,+nonsense", "unknown target feature '+nonsense'"));
  EXPECT_TRUE(isRefused("nonsense", "unknown target cpu 'nonsense'"));
}

TEST(CpuTarget, CountsPipes) {
  EXPECT_EQ(cantFail(parseCpuTarget("rocketlake")).productRate, 64);
  EXPECT_EQ(cantFail(parseCpuTarget("sapphirerapids,-amx-int8,-amx-tile")).productRate, 128);
}

} // namespace
