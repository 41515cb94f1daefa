//===- Place.cpp - stage S0: quantizers in the graph ----------------------===//
//
// A quantizer goes in front of the moves (pools, concats, reshapes) between a tensor and the reader of its codes, so
// that they run on codes. Tensors that meet in a concat share one site.
//
//===----------------------------------------------------------------------===//
#include "Edges.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace anybit::quantize {

using onnx::Node;

namespace {

class Placer {
public:
  explicit Placer(Network &network) : network(network), edges(network) {
    for (size_t i = 0; i < network.steps.size(); ++i)
      for (const std::string &output : network.steps[i].node.outputs)
        producer[output] = i;
    for (const auto &entry : producer)
      names.insert(entry.getKey());
    for (const auto &entry : network.graph.initializers)
      names.insert(entry.getKey());
    for (const onnx::ValueInfo &input : network.graph.inputs)
      names.insert(input.name);
  }

  void run() {
    for (const Demand &demand : edges.demands)
      spread(inputOf(demand), demand.role);
    std::vector<Step> result;
    size_t next = 0;
    for (size_t i = 0; i < network.steps.size(); ++i) {
      Step step = network.steps[i];
      for (; next < edges.demands.size() && edges.demands[next].step == i; ++next) {
        const Demand &demand = edges.demands[next];
        step.node.inputs[demand.input] = codes(inputOf(demand), demand.role, result);
        if (step.kind == Step::Kind::Layer)
          addReader(inputOf(demand), step.index);
      }
      result.push_back(std::move(step));
    }
    network.steps = std::move(result);
    dropUnread();
    restoreNames();
  }

private:
  Network &network;
  Edges edges;
  StringMap<size_t> producer;
  StringMap<std::string> made;         ///< Key of (tensor, role) → the tensor of its codes.
  StringSet<> keys;                    ///< Owns the keys of `sites`.
  EquivalenceClasses<StringRef> sites; ///< Keys of tensors that share a site.
  StringMap<unsigned> siteOfLeader;
  StringSet<> spreadTo;          ///< Keys that spread() has seen.
  StringSet<> names;             ///< Of all tensors.
  StringMap<std::string> copies; ///< Copy of a moved tensor → the tensor of the file.

  static std::string key(StringRef name, Role role) { return (Twine(role == Role::Layer ? "l:" : "w:") + name).str(); }
  StringRef intern(StringRef name, Role role) { return keys.insert(key(name, role)).first->getKey(); }
  static StringRef suffix(Role role) { return role == Role::Layer ? "/codes" : "/codes8"; }

  const std::string &inputOf(const Demand &demand) const {
    return network.steps[demand.step].node.inputs[demand.input];
  }

  /// The step that moves values into `name`, or null.
  const Step *moverOf(StringRef name) const {
    auto found = producer.find(name);
    if (found == producer.end())
      return nullptr;
    const Step &step = network.steps[found->second];
    bool moves =
        step.kind == Step::Kind::Plain && movesValues(step.node, network.graph) && !edges.dataInputs(step).empty();
    return moves ? &step : nullptr;
  }

  /// Joins the classes of everything that moves into `name`.
  void spread(const std::string &name, Role role) {
    std::vector<std::string> open = {name};
    while (!open.empty()) {
      std::string value = std::move(open.back());
      open.pop_back();
      if (!spreadTo.insert(key(value, role)).second)
        continue;
      sites.insert(intern(value, role));
      const Step *mover = moverOf(value);
      for (size_t input : mover ? edges.dataInputs(*mover) : std::vector<size_t>()) {
        sites.unionSets(intern(value, role), intern(mover->node.inputs[input], role));
        open.push_back(mover->node.inputs[input]);
      }
    }
  }

  std::string fresh(const std::string &hint) {
    std::string name = hint;
    while (!names.insert(name).second)
      name += "_";
    return name;
  }

  unsigned siteOf(const std::string &name, Role role) {
    StringRef leader = sites.getLeaderValue(intern(name, role));
    auto [entry, isNew] = siteOfLeader.try_emplace(leader, network.sites.size());
    if (isNew) {
      network.sites.emplace_back();
      network.sites.back().wide = role == Role::Wide;
    }
    return entry->second;
  }

  void addReader(const std::string &name, unsigned layer) {
    network.sites[siteOf(name, Role::Layer)].readers.push_back(layer);
  }

  /// The tensor of the codes of `name`; appends the quantizers and copies of moves that it needs to `result`.
  std::string codes(const std::string &name, Role role, std::vector<Step> &result) {
    std::vector<std::string> stack = {name};
    while (!stack.empty()) {
      std::string value = stack.back();
      const Step *mover = moverOf(value);
      std::vector<std::string> missing;
      for (size_t input : mover ? edges.dataInputs(*mover) : std::vector<size_t>())
        if (!made.count(key(mover->node.inputs[input], role)))
          missing.push_back(mover->node.inputs[input]);
      if (!missing.empty()) {
        stack.insert(stack.end(), missing.rbegin(), missing.rend());
        continue;
      }
      stack.pop_back();
      if (made.count(key(value, role)))
        continue;
      if (mover)
        copyMove(*mover, role, result);
      else
        quantize(value, role, result);
    }
    return made.lookup(key(name, role));
  }

  void copyMove(const Step &mover, Role role, std::vector<Step> &result) {
    Step copy = mover;
    for (size_t input : edges.dataInputs(mover))
      copy.node.inputs[input] = made.lookup(key(mover.node.inputs[input], role));
    for (std::string &output : copy.node.outputs) {
      std::string name = fresh(output + suffix(role).str());
      made[key(output, role)] = name;
      copies[name] = output;
      output = name;
    }
    copy.node.name += suffix(role);
    result.push_back(std::move(copy));
  }

  void quantize(const std::string &value, Role role, std::vector<Step> &result) {
    unsigned index = siteOf(value, role);
    Site &site = network.sites[index];
    std::string name = fresh(value + suffix(role).str());
    if (site.sources.empty())
      site.name = name;
    site.sources.push_back(value);
    Step step{Step::Kind::Quantizer, {}, index};
    step.node.name = name;
    step.node.inputs = {value};
    step.node.outputs = {name};
    made[key(value, role)] = name;
    result.push_back(std::move(step));
  }

  void dropUnread() {
    StringSet<> read;
    for (const onnx::ValueInfo &output : network.graph.outputs)
      read.insert(output.name);
    std::vector<Step> kept;
    for (Step &step : llvm::reverse(network.steps)) {
      if (llvm::none_of(step.node.outputs, [&](const std::string &name) { return read.contains(name); }))
        continue;
      read.insert(step.node.inputs.begin(), step.node.inputs.end());
      kept.push_back(std::move(step));
    }
    std::reverse(kept.begin(), kept.end());
    network.steps = std::move(kept);
  }

  /// Where only one copy of a moved tensor is left, it takes the tensor's and the node's name.
  void restoreNames() {
    StringSet<> taken;
    for (const Step &step : network.steps)
      taken.insert(step.node.outputs.begin(), step.node.outputs.end());
    StringMap<std::string> renamed;
    for (Step &step : network.steps) {
      for (std::string &input : step.node.inputs)
        if (auto found = renamed.find(input); found != renamed.end())
          input = found->second;
      bool copied = step.kind == Step::Kind::Plain && copies.count(step.node.outputs[0]);
      if (!copied || taken.contains(copies.lookup(step.node.outputs[0])))
        continue;
      for (std::string &output : step.node.outputs) {
        std::string original = copies.lookup(output);
        renamed[output] = original;
        taken.insert(original);
        output = original;
      }
      step.node.name.resize(step.node.name.rfind('/'));
    }
  }
};

} // namespace

void placeQuantizers(Network &network) { Placer(network).run(); }

} // namespace anybit::quantize
