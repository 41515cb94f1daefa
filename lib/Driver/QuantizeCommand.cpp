#include "CommandLine.h"

#include "anybit/Quantize/Quantize.h"

#include "llvm/Support/raw_ostream.h"

using namespace anybit;
using namespace anybit::driver;

int anybit::driver::quantizeCommand(CommandLine &line) {
  QuantizeOptions options;
  options.model = line.onlyInput("model");
  options.output = line.required(OPT_output_file, "-o");
  options.calibration = line.required(OPT_calibration, "--calibration");
  options.preprocess = line.text(OPT_preprocess);
  options.candidates = line.list(OPT_candidates);
  options.candidateFile = line.text(OPT_candidate_file);
  options.firstLastBits = static_cast<unsigned>(line.number(OPT_first_last, options.firstLastBits, 0, 8));
  options.threshold = line.fraction(OPT_threshold, options.threshold);
  options.samples = line.number(OPT_samples, options.samples, 1);
  options.report = line.text(OPT_report);
  options.quiet = line.has(OPT_quiet);
  if (options.candidates.empty() && options.candidateFile.empty())
    line.problem("--candidates is missing, for example --candidates w8a8,w4a4");
  return line.report() ? Invalid : quantizeModel(options, llvm::errs());
}
