//===- Report.cpp - stage S7 ----------------------------------------------===//
#include "Report.h"

#include "Statistics.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace anybit::quantize {

namespace {

size_t heldOutOf(size_t samples) { return hasHeldOut(samples) ? samples / 4 : 0; }

StringRef formatName(const WeightChoice &choice) {
  return choice.real ? "float16" : choice.format == Format::Odd ? "odd" : "signed";
}

double weightSqnr(const Report &report, const CandidateChoice &choice, size_t layer) {
  std::vector<float> coded = fakeQuantize(report.network.layers[layer], report.masters[layer], choice.weights[layer]);
  return sqnrOf(report.network.layers[layer].weights, coded);
}

void writeStages(json::OStream &json, const CandidateChoice &choice) {
  json.attributeArray("stages", [&] {
    for (const StageResult &stage : choice.stages)
      json.object([&] {
        json.attribute("name", stage.name);
        json.attribute("loss", stage.distance.loss);
        json.attribute("agreement", stage.distance.agreement);
        json.attribute("kept", stage.kept);
      });
  });
}

void writeCandidate(json::OStream &json, const Report &report, size_t index) {
  const CandidateChoice &choice = report.choices[index];
  json.attribute("name", report.plans[index].name);
  json.attribute("loss", choice.distance.loss);
  json.attribute("agreement", choice.distance.agreement);
  json.attribute("deployable", choice.distance.agreement >= report.threshold);
  writeStages(json, choice);
  json.attributeArray("layers", [&] {
    for (size_t layer = 0; layer < report.network.layers.size(); ++layer)
      json.object([&] {
        json.attribute("name", report.network.layers[layer].name);
        json.attribute("bits", report.plans[index].weights[layer]);
        json.attribute("format", formatName(choice.weights[layer]));
        json.attribute("sqnr_db", weightSqnr(report, choice, layer));
      });
  });
  json.attributeArray("activations", [&] {
    for (size_t site = 0; site < report.network.sites.size(); ++site)
      json.object([&] {
        json.attribute("name", report.network.sites[site].name);
        json.attribute("bits", choice.sites[site].real ? 0 : choice.sites[site].bits);
        json.attribute("scale", choice.sites[site].scale);
        json.attribute("zero", choice.sites[site].zero);
        json.attribute("sqnr_db", choice.siteSqnr[site]);
        json.attribute("channel_loss", choice.siteLoss[site]);
      });
  });
}

} // namespace

void writeJson(const Report &report, raw_ostream &os) {
  json::OStream json(os, 1);
  json.object([&] {
    json.attribute("samples", int64_t(report.samples));
    json.attribute("held_out", int64_t(heldOutOf(report.samples)));
    json.attribute("task", report.task == Task::Classify ? "classify" : "regress");
    json.attributeArray("layers", [&] {
      for (const Layer &layer : report.network.layers)
        json.object([&] {
          json.attribute("name", layer.name);
          json.attribute("weights", int64_t(layer.weights.size()));
          json.attribute("outer", layer.outer);
          json.attribute("kurtosis", kurtosisOf(layer.weights));
        });
    });
    json.attributeArray("candidates", [&] {
      for (size_t i = 0; i < report.choices.size(); ++i)
        json.object([&] { writeCandidate(json, report, i); });
    });
  });
  os << "\n";
}

void writeText(const Report &report, raw_ostream &os) {
  StringRef loss = report.task == Task::Classify ? "KL" : "rel. error";
  os << formatv("{0} samples, {1} of them held out\n", report.samples, heldOutOf(report.samples));
  os << formatv("{0,-12} {1,10} {2,10}  {3}\n", "candidate", loss, "agreement", "stages kept");
  for (size_t i = 0; i < report.choices.size(); ++i) {
    const CandidateChoice &choice = report.choices[i];
    std::vector<std::string> kept;
    for (const StageResult &stage : choice.stages)
      if (stage.kept)
        kept.push_back(stage.name);
    os << formatv("{0,-12} {1,10:F4} {2,9:F1}%  {3}\n", report.plans[i].name, choice.distance.loss,
                  100 * choice.distance.agreement, llvm::join(kept, ", "));
  }
  os << "signal to quantization noise of weights, dB\n" << formatv("{0,-40} {1,8}", "layer", "kurtosis");
  for (const WidthPlan &plan : report.plans)
    os << formatv(" {0,8}", plan.name);
  os << "\n";
  for (size_t layer = 0; layer < report.network.layers.size(); ++layer) {
    os << formatv("{0,-40} {1,8:F1}", report.network.layers[layer].name,
                  kurtosisOf(report.network.layers[layer].weights));
    for (const CandidateChoice &choice : report.choices)
      os << formatv(" {0,8:F1}", weightSqnr(report, choice, layer));
    os << "\n";
  }
}

void writeWarnings(const Report &report, raw_ostream &os) {
  for (size_t i = 0; i < report.choices.size(); ++i)
    if (!(report.choices[i].distance.agreement >= report.threshold))
      os << formatv("warning: candidate '{0}' agrees with the float model on {1:F1} % of the held-out samples, below "
                    "{2:F1} %; do not deploy it\n",
                    report.plans[i].name, 100 * report.choices[i].distance.agreement, 100 * report.threshold);
}

} // namespace anybit::quantize
