#include "anybit/Tune/Tune.h"
#include "Cache.h"
#include "KernelSources.h"
#include "Layer.h"
#include "anybit/Support/HostCpu.h"
#include "anybit/Support/Progress.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <chrono>

using namespace mlir;

namespace anybit::tune {
namespace {

/// Choices that the table expects to take longer than so many times the least are not measured.
constexpr double hopeless = 2;

/// Layers with the same description.
struct Group {
  std::string key;
  SmallVector<lowbit::ConvOp> layers;
  SmallVector<cpu::KernelChoice> choices;
  int64_t macs = 0; ///< Of all layers.
};

class Tuner : public KernelTuner {
public:
  explicit Tuner(const TuneOptions &options) : options(options) {}
  ~Tuner() override {
    if (!folder.empty())
      llvm::sys::fs::remove_directories(folder);
  }

  llvm::Error tune(ModuleOp module, const CpuTarget &target, llvm::raw_ostream &warnings) override;

private:
  std::vector<Group> findGroups(ModuleOp module, const CpuTarget &target) const;
  std::string keyOf(lowbit::ConvOp op, const CpuTarget &target) const;
  llvm::Expected<cpu::ChoiceCosts> measure(const Group &group);

  TuneOptions options;
  SmallString<128> folder; ///< Of the artifacts that are measured.
};

/// What is worth measuring of the choices of a layer.
SmallVector<cpu::KernelChoice> hopefulChoices(lowbit::ConvOp op, const CpuTarget &target, bool narrowWeights) {
  cpu::LayerShape layer = cpu::LayerShape::of(op);
  const cpu::CostTable &table = cpu::CostTable::nearest(target);
  SmallVector<cpu::KernelChoice> all = cpu::enumerateChoices(layer, target);
  cpu::WantedChoice wanted;
  wanted.narrow = narrowWeights;
  llvm::erase_if(all, [&](const cpu::KernelChoice &choice) { return !wanted.admits(choice); });
  auto costOf = [&](const cpu::KernelChoice &choice) { return table.nanoseconds(layer, choice, target).value_or(0); };
  double least = std::numeric_limits<double>::infinity();
  for (const cpu::KernelChoice &choice : all)
    if (double cost = costOf(choice))
      least = std::min(least, cost);
  llvm::erase_if(all, [&](const cpu::KernelChoice &choice) { return costOf(choice) > hopeless * least; });
  return all;
}

std::string Tuner::keyOf(lowbit::ConvOp op, const CpuTarget &target) const {
  return (Twine("anybit " ANYBIT_VERSION " " ANYBIT_KERNEL_SOURCES ", ") + hostCpuName() + ", " + target.cpu + " " +
          llvm::join(target.required, ",") + ", O" + Twine(options.optimization) + ": " + describeLayer(op))
      .str();
}

/// Largest first, else in the order of the module.
std::vector<Group> Tuner::findGroups(ModuleOp module, const CpuTarget &target) const {
  llvm::StringMap<unsigned> known;
  std::vector<Group> groups;
  module.walk([&](lowbit::ConvOp op) {
    if (!canStandAlone(op))
      return;
    std::string key = keyOf(op, target);
    auto [at, isNew] = known.try_emplace(key, groups.size());
    if (isNew)
      groups.push_back({key, {}, hopefulChoices(op, target, options.narrowWeights), 0});
    groups[at->second].layers.push_back(op);
    groups[at->second].macs += macsOf(op);
  });
  llvm::erase_if(groups, [](const Group &group) { return group.choices.size() < 2; });
  llvm::stable_sort(groups, [](const Group &a, const Group &b) { return a.macs > b.macs; });
  return groups;
}

llvm::Expected<cpu::ChoiceCosts> Tuner::measure(const Group &group) {
  if (folder.empty())
    if (std::error_code code = llvm::sys::fs::createUniqueDirectory("anybit-tune", folder))
      return llvm::createStringError("cannot create a temporary folder: " + code.message());
  SmallString<128> library(folder);
  llvm::sys::path::append(library, "layer.so");
  OwningOpRef<ModuleOp> module = layerModule(group.layers.front(), group.choices);
  if (llvm::Error error = compileLayers(*module, options.target, options.optimization, library))
    return std::move(error);
  llvm::Expected<std::vector<double>> times = timeCandidates(library);
  if (!times)
    return times.takeError();
  cpu::ChoiceCosts costs;
  for (auto [choice, time] : llvm::zip_equal(group.choices, *times))
    costs.emplace_back(choice, time);
  return costs;
}

llvm::Error Tuner::tune(ModuleOp module, const CpuTarget &target, llvm::raw_ostream &warnings) {
  Cache cache(options.directory, warnings);
  if (llvm::Error error = cache.prepare())
    return error;
  std::vector<Group> groups = findGroups(module, target);
  Progress progress("tune", groups.size(), options.quiet);
  auto start = std::chrono::steady_clock::now();
  auto isOver = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > options.seconds;
  };
  std::string source = "tuned on " + hostCpuName();
  for (Group &group : groups) {
    std::optional<cpu::ChoiceCosts> costs = cache.find(group.key, group.choices);
    if (!costs && !isOver()) {
      llvm::Expected<cpu::ChoiceCosts> measured = measure(group);
      if (!measured)
        return measured.takeError();
      if (llvm::Error error = cache.store(group.key, *measured))
        return error;
      costs = *measured;
    }
    progress.advance();
    if (!costs)
      continue;
    cpu::ChosenKernel chosen = cpu::chooseLeast(*costs, cpu::LayerShape::of(group.layers.front()), source);
    for (lowbit::ConvOp op : group.layers)
      op.setChoice(cpu::toAttribute(op.getContext(), chosen.choice, chosen.reason, chosen.nanoseconds));
  }
  return llvm::Error::success();
}

} // namespace

std::string defaultCacheDirectory() {
  SmallString<128> path;
  if (!llvm::sys::path::cache_directory(path))
    return "";
  llvm::sys::path::append(path, "anybit");
  return path.str().str();
}

std::unique_ptr<KernelTuner> createTuner(const TuneOptions &options) { return std::make_unique<Tuner>(options); }

} // namespace anybit::tune
