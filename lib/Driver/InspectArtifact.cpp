#include "Artifact.h"
#include "Inspect.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

static ArrayRef<anybit_dispatch> dispatchesOf(const anybit_variant &variant) {
  return {variant.dispatches, variant.dispatch_count};
}

static json::Array tensorsToJson(ArrayRef<anybit_tensor> tensors) {
  json::Array rows;
  for (const anybit_tensor &tensor : tensors)
    rows.push_back(json::Object{{"name", tensor.name},
                                {"type", data::elementName(static_cast<data::ElementType>(tensor.element_type))},
                                {"shape", json::Array(shapeOf(tensor))}});
  return rows;
}

/// Why each dispatch of each candidate has its kernel.
static std::vector<std::vector<StringRef>> choicesOf(const Artifact &artifact) {
  const anybit_module_descriptor &module = artifact.descriptor();
  StringRef rest = module.choices ? module.choices : "";
  std::vector<std::vector<StringRef>> choices;
  for (const anybit_variant &variant : artifact.candidates()) {
    std::vector<StringRef> &own = choices.emplace_back(variant.dispatch_count);
    for (StringRef &line : own)
      std::tie(line, rest) = rest.split('\n');
  }
  return choices;
}

static json::Object candidateToJson(const Artifact &artifact, const anybit_variant &variant,
                                    ArrayRef<StringRef> choices) {
  json::Array layers;
  for (const auto &[dispatch, choice] : zip_equal(dispatchesOf(variant), choices)) {
    const anybit_kernel &kernel = artifact.descriptor().kernels[dispatch.kernel];
    layers.push_back(json::Object{{"layer", dispatch.layer},
                                  {"kernel", kernel.name},
                                  {"family", kernel.family},
                                  {"choice", choice},
                                  {"grid", dispatch.grid},
                                  {"macs", dispatch.macs}});
  }
  return json::Object{{"name", variant.name},
                      {"weight_bytes", variant.weight_bytes},
                      {"code_bytes", variant.code_bytes},
                      {"arena_bytes", variant.arena_bytes},
                      {"slot_bytes", variant.slot_bytes},
                      {"layers", std::move(layers)}};
}

static void printJson(const Artifact &artifact) {
  const anybit_module_descriptor &module = artifact.descriptor();
  json::Array candidates;
  std::vector<std::vector<StringRef>> choices = choicesOf(artifact);
  for (const auto &[variant, own] : zip_equal(artifact.candidates(), choices))
    candidates.push_back(candidateToJson(artifact, variant, own));
  json::Value value = json::Object{{"model", module.model},
                                   {"producer", module.producer},
                                   {"abi", formatv("{0}.{1}", module.abi_major, module.abi_minor).str()},
                                   {"triple", module.triple},
                                   {"features", module.features},
                                   {"inputs", tensorsToJson(artifact.inputs())},
                                   {"outputs", tensorsToJson(artifact.outputs())},
                                   {"arena_bytes", module.arena_bytes},
                                   {"scratch_bytes", module.scratch_bytes},
                                   {"slot_bytes", module.slot_bytes},
                                   {"kernels", module.kernel_count},
                                   {"artifact_bytes", artifact.fileBytes()},
                                   {"candidates", std::move(candidates)}};
  outs() << formatv("{0:2}\n", value);
}

static void printTensors(StringRef what, ArrayRef<anybit_tensor> tensors) {
  for (const anybit_tensor &tensor : tensors)
    outs() << formatv("{0,-10} {1} {2}\n", what, tensor.name, typeText(tensor));
}

static void printText(const Artifact &artifact) {
  const anybit_module_descriptor &module = artifact.descriptor();
  outs() << formatv("model      {0}\nproducer   {1}, abi {2}.{3}\ntarget     {4} {5}\n", module.model, module.producer,
                    module.abi_major, module.abi_minor, module.triple, module.features);
  printTensors("input", artifact.inputs());
  printTensors("output", artifact.outputs());
  outs() << formatv("bytes      artifact {0}, arena {1}, scratch per thread {2}, weight slots 2 x {3}\n",
                    artifact.fileBytes(), module.arena_bytes, module.scratch_bytes, module.slot_bytes);
  outs() << formatv("kernels    {0}\n\ncandidate   dispatches  weight bytes   code bytes  arena bytes\n",
                    module.kernel_count);
  for (const anybit_variant &variant : artifact.candidates())
    outs() << formatv("{0,-10} {1,11} {2,13} {3,12} {4,12}\n", variant.name, variant.dispatch_count,
                      variant.weight_bytes, variant.code_bytes, variant.arena_bytes);
  std::vector<std::vector<StringRef>> choices = choicesOf(artifact);
  for (const auto &[variant, own] : zip_equal(artifact.candidates(), choices)) {
    outs() << formatv("\n{0,-10} {1,14}  {2,-16}  {3}\n", variant.name, "macs", "family", "layer, and why this family");
    for (const auto &[dispatch, choice] : zip_equal(dispatchesOf(variant), own))
      outs() << formatv("{0,-10} {1,14}  {2,-16}  {3}{4}{5}\n", "", dispatch.macs,
                        module.kernels[dispatch.kernel].family, dispatch.layer, choice.empty() ? "" : ": ", choice);
  }
}

int anybit::driver::inspectArtifact(const std::string &path, bool json) {
  Artifact artifact;
  if (int code = artifact.open(path))
    return code;
  if (json)
    printJson(artifact);
  else
    printText(artifact);
  return Done;
}
