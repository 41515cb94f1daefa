// The flags of every verb. A flag is visible to the verbs that list it; `--help` and the parser see no others.
include "llvm/Option/OptParser.td"

def QuantizeVerb : OptionVisibility;
def CompileVerb : OptionVisibility;
def RunVerb : OptionVisibility;
def BenchVerb : OptionVisibility;
def InspectVerb : OptionVisibility;
def SupportedOpsVerb : OptionVisibility;

// --name VALUE and --name=VALUE.
multiclass Value<string name, string metavar, list<OptionVisibility> verbs, string help,
                 list<HelpTextVariant> variants = []> {
  def NAME : Separate<["--"], name>, MetaVarName<metavar>, Visibility<verbs>, HelpText<help> {
    let HelpTextsForVariants = variants;
  }
  def NAME#_eq : Joined<["--"], name#"=">, Visibility<verbs>, Alias<!cast<Option>(NAME)>;
}

def help : Flag<["--"], "help">, HelpText<"Print this page and exit">,
    Visibility<[QuantizeVerb, CompileVerb, RunVerb, BenchVerb, InspectVerb, SupportedOpsVerb]>;
def help_short : Flag<["-"], "h">, Alias<help>,
    Visibility<[QuantizeVerb, CompileVerb, RunVerb, BenchVerb, InspectVerb, SupportedOpsVerb]>;
def quiet : Flag<["-"], "q">, Visibility<[QuantizeVerb, CompileVerb, RunVerb, BenchVerb]>,
    HelpText<"No progress bars, no notes; warnings and errors stay">;
def output_file : JoinedOrSeparate<["-"], "o">, MetaVarName<"<file>">, Visibility<[QuantizeVerb, CompileVerb]>,
    HelpText<"Where to write (required)">;

defm candidates : Value<"candidates", "<list>", [QuantizeVerb, CompileVerb],
    "Which candidates to keep, separated by commas (default all)",
    [HelpTextVariant<[QuantizeVerb], "What to make: w8a8,w4a4,f32,.. or names of --candidate-file">]>;

// quantize
defm calibration : Value<"calibration", "<path>", [QuantizeVerb],
    "Samples: .npy, .npz, a folder of them or of JPEG and PNG pictures (required)">;
defm preprocess : Value<"preprocess", "<how>", [QuantizeVerb],
    "Of pictures: imagenet, tf, unit, raw or size=..,crop=..,mean=..,std=..,layout=..">;
defm candidate_file : Value<"candidate-file", "<json>", [QuantizeVerb],
    "Mixed candidates: name -> layer pattern -> widths">;
defm first_last : Value<"first-last", "<bits>", [QuantizeVerb],
    "Width of first and last layer, 1 to 8; 0: as the candidate says (default 8)">;
defm threshold : Value<"threshold", "<fraction>", [QuantizeVerb],
    "Warn if a candidate agrees with float on less than this (default 0.5)">;
defm samples : Value<"samples", "<n>", [QuantizeVerb], "Use at most n samples (default all)">;
defm report : Value<"report", "<json>", [QuantizeVerb], "Write the per-layer and per-candidate report here too">;

// compile
defm target : Value<"target", "<cpu>", [CompileVerb],
    "native (default), x86-64, x86-64-v3, x86-64-v4 or CPUNAME[,+feature..]">;
defm store : Value<"store", "<kind>", [CompileVerb],
    "packed (default: switch a pointer) or master (rebuild from one float16 copy)">;
defm dim : Value<"dim", "<name=n>", [CompileVerb],
    "Size of a free dimension, repeatable; a free first dimension is 1 by default">;
defm emit : Value<"emit", "<kind>", [CompileVerb],
    "so (default), obj or lib (with a C header beside it), llvm, asm">;
defm tune : Value<"tune", "<seconds>", [CompileVerb],
    "Choose kernels by measuring them here for about so long; needs --target native">;
defm tune_cache : Value<"tune-cache", "<folder>", [CompileVerb],
    "Where --tune keeps results (default anybit in the user's folder of caches)">;
defm kernel : Value<"kernel", "<family[:n[:bytes]]>", [CompileVerb],
    "For measurements: only this family, n registers of columns, weights as bytes">;
def narrow_weights : Flag<["--"], "narrow-weights">, Visibility<[CompileVerb]>,
    HelpText<"Weights of few bits never as bytes, even where that is faster">;
def no_halide : Flag<["--"], "no-halide">, Visibility<[CompileVerb]>,
    HelpText<"For measurements: no kernels of Halide, even where these are faster">;
defm stop_after : Value<"stop-after", "<stage>", [CompileVerb],
    "Write the IR after import, specialize, integerize, schedule, kernels or emit">;
def optimization : Joined<["-"], "O">, MetaVarName<"<0..3>">, Visibility<[CompileVerb]>,
    HelpText<"Optimization of kernels (default 3)">;
def timing : Flag<["--"], "timing">, Visibility<[CompileVerb]>, HelpText<"Print the time of every stage">;
def stats_json : Flag<["--"], "stats=json">, Visibility<[CompileVerb]>,
    HelpText<"Print counters of every stage and candidate as JSON">;

// run, bench
defm input : Value<"input", "<[name=]x.npy>", [RunVerb],
    "An input, repeatable; more rows than the model takes are run slice by slice">;
defm candidate : Value<"candidate", "<name>", [RunVerb, BenchVerb],
    "Which candidate to run (default the first)",
    [HelpTextVariant<[BenchVerb], "Which candidate to measure, or all (default)">]>;
defm output : Value<"output", "<y.npy>", [RunVerb], "Write the output of a model that has one">;
defm output_dir : Value<"output-dir", "<folder>", [RunVerb], "Write every output to NAME.npy in this folder">;
defm threads : Value<"threads", "<n>", [RunVerb, BenchVerb], "Threads of the session (default 1)">;
def profile : Flag<["--"], "profile">, Visibility<[BenchVerb]>, HelpText<"Time every layer too">;
defm json_file : Value<"json", "<file>", [BenchVerb], "Write the results as JSON too">;

// inspect, supported-ops
// A flag, but of another kind than the option of `bench`: TableGen wants one option per name and kind.
def json : Joined<["--"], "json">, MetaVarName<"">, Visibility<[InspectVerb]>,
    HelpText<"Print JSON instead of text">;
def markdown : Flag<["--"], "markdown">, Visibility<[SupportedOpsVerb]>, HelpText<"Print a Markdown table">;
