//===- quantize-ort.cpp - quantize with ONNX Runtime underneath -----------===//
//
// quantize-ort PYTHON HELPER MODEL CALIBRATION CANDIDATES OUTPUT [key=value ..]
//
//===----------------------------------------------------------------------===//
#include "OrtExecutor.h"

#include "anybit/Quantize/Quantize.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

static void setOption(anybit::QuantizeOptions &options, StringRef key, StringRef value) {
  if (key == "samples")
    value.getAsInteger(10, options.samples);
  else if (key == "first-last")
    value.getAsInteger(10, options.firstLastBits);
  else if (key == "threshold")
    value.getAsDouble(options.threshold);
  else if (key == "preprocess")
    options.preprocess = value.str();
  else if (key == "report")
    options.report = value.str();
  else if (key == "candidate-file")
    options.candidateFile = value.str();
}

int main(int argc, char **argv) {
  if (argc < 7) {
    errs() << "usage: quantize-ort PYTHON HELPER MODEL CALIBRATION CANDIDATES OUTPUT [key=value ..]\n";
    return 2;
  }
  anybit::QuantizeOptions options;
  options.model = argv[3];
  options.calibration = argv[4];
  SmallVector<StringRef> names;
  StringRef(argv[5]).split(names, ',', -1, false);
  options.candidates.assign(names.begin(), names.end());
  options.output = argv[6];
  for (int i = 7; i < argc; ++i)
    setOption(options, StringRef(argv[i]).split('=').first, StringRef(argv[i]).split('=').second);
  auto executor = anybit::quantize::startOrtExecutor(argv[1], argv[2]);
  if (!executor) {
    errs() << toString(executor.takeError()) << "\n";
    return 1;
  }
  return anybit::quantizeModel(options, **executor, errs());
}
