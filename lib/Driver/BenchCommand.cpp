#include "Measure.h"

#include "anybit/Support/File.h"
#include "anybit/Support/HostCpu.h"

#include "llvm/ADT/Sequence.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

namespace {

/// Everything that `bench` found out.
struct Findings {
  uint64_t threads = 1;
  std::vector<Latency> latencies;
  std::vector<LayerTime> layers;
  double switchNanoseconds = 0;
};

} // namespace

static json::Array candidatesToJson(const Artifact &artifact, const Findings &findings) {
  json::Array rows;
  for (const Latency &latency : findings.latencies) {
    const anybit_variant &variant = artifact.candidates()[latency.candidate];
    rows.push_back(json::Object{{"name", variant.name},
                                {"min_ms", latency.minimum},
                                {"median_ms", latency.median},
                                {"p99_ms", latency.p99},
                                {"weight_bytes", variant.weight_bytes}});
  }
  return rows;
}

static json::Array layersToJson(const Artifact &artifact, const Findings &findings) {
  json::Array rows;
  for (const LayerTime &layer : findings.layers)
    rows.push_back(json::Object{{"candidate", artifact.candidates()[layer.candidate].name},
                                {"layer", layer.layer},
                                {"kernel", layer.kernel},
                                {"family", layer.family},
                                {"min_ms", layer.minimum},
                                {"macs", layer.macs}});
  return rows;
}

static Error writeJson(const Artifact &artifact, const Findings &findings, const std::string &path) {
  json::Value value = json::Object{{"cpu", json::Object{{"name", hostCpuName()}, {"features", hostCpuFeatures()}}},
                                   {"threads", findings.threads},
                                   {"candidates", candidatesToJson(artifact, findings)},
                                   {"arena_bytes", artifact.descriptor().arena_bytes},
                                   {"artifact_bytes", artifact.fileBytes()},
                                   {"switch_ns", findings.switchNanoseconds},
                                   {"layers", layersToJson(artifact, findings)}};
  std::string text = formatv("{0:2}\n", value);
  return writeFile(path, ArrayRef<char>(text.data(), text.size()));
}

static void printTable(const Artifact &artifact, const Findings &findings) {
  outs() << formatv("{0} on {1}, {2} thread{3}\n\n", artifact.descriptor().model, hostCpuName(), findings.threads,
                    findings.threads == 1 ? "" : "s");
  outs() << "candidate       min ms   median ms      p99 ms  weight bytes    runs\n";
  for (const Latency &latency : findings.latencies) {
    const anybit_variant &variant = artifact.candidates()[latency.candidate];
    outs() << formatv("{0,-10} {1,11:F4} {2,11:F4} {3,11:F4} {4,13} {5,7}\n", variant.name, latency.minimum,
                      latency.median, latency.p99, variant.weight_bytes, latency.runs);
  }
  outs() << formatv("\narena {0} bytes, artifact {1} bytes, switch {2:F1} ns\n", artifact.descriptor().arena_bytes,
                    artifact.fileBytes(), findings.switchNanoseconds);
}

static void printLayers(const Artifact &artifact, const Findings &findings) {
  outs() << "\ncandidate       min ms    GMAC/s  family            layer\n";
  for (const LayerTime &layer : findings.layers)
    outs() << formatv("{0,-10} {1,11:F4} {2,9:F1}  {3,-16}  {4}\n", artifact.candidates()[layer.candidate].name,
                      layer.minimum, layer.minimum > 0 ? 1e-6 * layer.macs / layer.minimum : 0.0, layer.family,
                      layer.layer);
}

static int measure(const Artifact &artifact, ArrayRef<uint32_t> candidates, const CommandLine &line,
                   Findings &findings) {
  Measurement measurement(artifact);
  if (int code = measurement.prepare())
    return code;
  if (int code = measurement.measureLatencies(candidates, line.has(OPT_quiet), findings.latencies))
    return code;
  if (int code = measurement.measureSwitch(findings.switchNanoseconds))
    return code;
  return line.has(OPT_profile) ? measurement.profile(candidates, findings.layers) : static_cast<int>(Done);
}

/// The candidates to measure: one or all; empty after printing that there is no such candidate.
static std::vector<uint32_t> chooseCandidates(const Artifact &artifact, const std::string &name) {
  if (name == "all") {
    auto indices = seq<uint32_t>(0, artifact.candidates().size());
    return {indices.begin(), indices.end()};
  }
  int index = artifact.findCandidate(name);
  return index < 0 ? std::vector<uint32_t>() : std::vector<uint32_t>{static_cast<uint32_t>(index)};
}

int anybit::driver::benchCommand(CommandLine &line) {
  Findings findings;
  std::string path = line.onlyInput("artifact");
  findings.threads = line.number(OPT_threads, 1, 1, maxThreads);
  if (line.report())
    return Invalid;
  if (line.has(OPT_json_file))
    if (Error error = checkOutput(line.text(OPT_json_file), path))
      return fail(std::move(error));

  Artifact artifact;
  if (int code = artifact.open(path))
    return code;
  std::vector<uint32_t> candidates = chooseCandidates(artifact, line.text(OPT_candidate, "all"));
  if (candidates.empty())
    return Invalid;
  if (int code = artifact.createSession(static_cast<uint32_t>(findings.threads)))
    return code;
  if (int code = measure(artifact, candidates, line, findings))
    return code;

  printTable(artifact, findings);
  if (line.has(OPT_profile))
    printLayers(artifact, findings);
  if (!line.has(OPT_json_file))
    return Done;
  Error error = writeJson(artifact, findings, line.text(OPT_json_file));
  return error ? fail(std::move(error)) : Done;
}
