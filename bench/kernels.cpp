//===- kernels.cpp - kernels of compiled artifacts in Google Benchmark ----===//
//
//    anybit-kernels CEILINGS.txt ARTIFACT.so... [flags of Google Benchmark]
//
// A benchmark for every candidate of every artifact: the time of the dispatches of the layer that does most
// multiply-accumulates, in GMAC/s (= MAC/ns), and its share of the ceiling of its family and target in CEILINGS.txt,
// which is what anybit-ceilings printed just before. bench/kernels.py makes the files and calls both.
//
//===----------------------------------------------------------------------===//

#include "anybit/runtime.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

/// Prints why and ends the program: a benchmark that cannot run has no figure.
[[noreturn]] void fail(const std::string &sentence) {
  std::fprintf(stderr, "error: %s\n", sentence.c_str());
  std::exit(2);
}

void check(anybit_status status) {
  if (status != ANYBIT_OK)
    fail(anybit_last_error());
}

/// MAC/ns by the text of the chain.
using Ceilings = std::map<std::string, double>;

Ceilings readCeilings(const std::string &path) {
  std::ifstream file(path);
  if (!file)
    fail(path + " cannot be read");
  Ceilings ceilings;
  for (std::string line; std::getline(file, line);) {
    size_t space = line.find_last_of(' ');
    if (space == std::string::npos)
      continue;
    std::string text = line.substr(0, line.find_last_not_of(' ', space) + 1);
    ceilings[text] = std::atof(line.c_str() + space);
  }
  return ceilings;
}

bool has(const std::string &features, const std::string &name) {
  return ("," + features + ",").find("," + name + ",") != std::string::npos;
}

struct Widths {
  unsigned weights = 0, activations = 0; ///< In bits; 0: none in the candidate's name.
};

Widths widthsOf(const char *candidate) {
  Widths widths;
  if (std::sscanf(candidate, "w%ua%u", &widths.weights, &widths.activations) != 2)
    return {};
  return widths;
}

/// The chain that bounds a family on a target, by what it counts a multiply-accumulate of codes as; "" where loads and
/// stores do (depthwise) or no chain is measured.
std::string ceilingOf(const std::string &family, const std::string &features, Widths widths) {
  std::string wide = has(features, "avx512bw") ? " zmm" : has(features, "avx2") ? " ymm" : " xmm";
  if (family.find("amx") != std::string::npos)
    return "tdpbusd, 2x2 tiles, operands from L1";
  if (family.find("depthwise") != std::string::npos)
    return "";
  if (family.find("real") != std::string::npos)
    return "vfmadd231ps" + wide;
  if (family == "popcount")
    return has(features, "avx512vpopcntdq") ? "vpxord + vpopcntd + vpaddd zmm (1-bit MAC)" : "";
  if (family == "table-dot")
    return "vpermb + vpdpbusd zmm (1-bit weights)";
  if (family == "table-six")
    return "vpermb + vpaddb zmm (1-bit weights)";
  if (family == "table")
    return "vpshufb + vpaddb" + wide + " (1-bit weights)";
  if (has(features, "avx512vnni"))
    return "vpdpbusd zmm";
  if (has(features, "avxvnni"))
    return "vpdpbusd ymm";
  // Pairs of eight-bit weights and codes do not fit 16 bits (docs/kernels.md, R9).
  bool pairs = has(features, "avx2") && widths.weights + widths.activations < 16;
  return (pairs ? "vpmaddubsw + vpaddw" : "vpmaddwd + vpaddd") + wide;
}

/// Pairs of bits that a popcount kernel counts for a multiply-accumulate, or sums that tables are asked for; 1 in other
/// families.
double pairsOfBits(const std::string &family, Widths widths) {
  if (family == "popcount")
    return double(widths.weights) * widths.activations;
  unsigned mostOfTable = family == "table-dot" ? 6 : family.find("table") == 0 ? 4 : 0;
  return mostOfTable ? double(widths.weights) * (widths.activations > mostOfTable ? 2 : 1) : 1;
}

/// A session on one artifact, and what its heaviest layer took in the last run.
class Artifact {
public:
  explicit Artifact(const std::string &path) {
    check(anybit_module_open(path.c_str(), &module));
    check(anybit_session_create(module, nullptr, &session));
    for (uint32_t i = 0; i < descriptor().input_count; ++i)
      inputs.push_back(buffer(descriptor().inputs[i]));
    for (uint32_t i = 0; i < descriptor().output_count; ++i)
      outputs.push_back(buffer(descriptor().outputs[i]));
    check(anybit_session_set_profile(session, record, this));
  }
  ~Artifact() {
    anybit_session_destroy(session);
    anybit_module_close(module);
  }
  Artifact(const Artifact &) = delete;
  Artifact &operator=(const Artifact &) = delete;

  const anybit_module_descriptor &descriptor() const { return *anybit_module_descriptor_of(module); }

  /// The dispatch of `candidate` with most multiply-accumulates.
  const anybit_dispatch &choose(uint32_t candidate) {
    const anybit_variant &variant = descriptor().variants[candidate];
    check(anybit_session_set_candidate(session, candidate));
    check(anybit_session_prepare(session));
    auto less = [](const anybit_dispatch &a, const anybit_dispatch &b) { return a.macs < b.macs; };
    heaviest = std::max_element(variant.dispatches, variant.dispatches + variant.dispatch_count, less);
    return *heaviest;
  }

  /// Nanoseconds of the chosen dispatch in one run.
  uint64_t run() {
    std::vector<const void *> from;
    std::vector<void *> to;
    for (const Bytes &input : inputs)
      from.push_back(input.get());
    for (const Bytes &output : outputs)
      to.push_back(output.get());
    check(anybit_session_run(session, from.data(), to.data()));
    return nanoseconds;
  }

private:
  using Bytes = std::unique_ptr<void, decltype(&std::free)>;

  static Bytes buffer(const anybit_tensor &tensor) {
    size_t bytes = (anybit_tensor_bytes(&tensor) + ANYBIT_ALIGNMENT) / ANYBIT_ALIGNMENT * ANYBIT_ALIGNMENT;
    Bytes memory(std::aligned_alloc(ANYBIT_ALIGNMENT, bytes), std::free);
    if (!memory)
      fail("no memory for a tensor");
    std::fill_n(static_cast<uint8_t *>(memory.get()), bytes, uint8_t(0));
    return memory;
  }

  static void record(void *user, const anybit_dispatch *dispatch, uint64_t nanoseconds) {
    auto *artifact = static_cast<Artifact *>(user);
    if (dispatch == artifact->heaviest)
      artifact->nanoseconds = nanoseconds;
  }

  anybit_module *module = nullptr;
  anybit_session *session = nullptr;
  std::vector<Bytes> inputs, outputs;
  const anybit_dispatch *heaviest = nullptr;
  uint64_t nanoseconds = 0;
};

void measure(benchmark::State &state, Artifact &artifact, uint32_t candidate, const Ceilings &ceilings) {
  const anybit_dispatch &dispatch = artifact.choose(candidate);
  uint64_t least = artifact.run();
  for (auto _ : state) {
    uint64_t nanoseconds = artifact.run();
    least = std::min(least, nanoseconds);
    state.SetIterationTime(1e-9 * double(nanoseconds));
  }
  const char *family = artifact.descriptor().kernels[dispatch.kernel].family;
  double rate = double(dispatch.macs) / double(std::max<uint64_t>(least, 1));
  state.counters["GMAC/s"] = rate;
  Widths widths = widthsOf(artifact.descriptor().variants[candidate].name);
  auto ceiling = ceilings.find(ceilingOf(family, artifact.descriptor().features, widths));
  if (ceiling != ceilings.end() && ceiling->second > 0)
    state.counters["share"] = rate * pairsOfBits(family, widths) / ceiling->second;
  state.SetLabel(family);
}

/// The file's name without folder and endings.
std::string stem(const std::string &path) {
  std::string name = path.substr(path.find_last_of('/') + 1);
  return name.substr(0, name.find('.'));
}

} // namespace

int main(int count, char **words) {
  benchmark::Initialize(&count, words);
  if (count < 3)
    fail("usage: anybit-kernels CEILINGS.txt ARTIFACT.so... [flags of Google Benchmark]");
  Ceilings ceilings = readCeilings(words[1]);
  std::vector<std::unique_ptr<Artifact>> artifacts;
  for (int i = 2; i < count; ++i) {
    Artifact &artifact = *artifacts.emplace_back(std::make_unique<Artifact>(words[i]));
    for (uint32_t candidate = 0; candidate < artifact.descriptor().variant_count; ++candidate) {
      std::string name = stem(words[i]) + "/" + artifact.descriptor().variants[candidate].name;
      auto body = [&artifact, candidate, &ceilings](benchmark::State &state) {
        measure(state, artifact, candidate, ceilings);
      };
      benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->Unit(benchmark::kMicrosecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
