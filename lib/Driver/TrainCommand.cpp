#include "CommandLine.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

// Runs in the interpreter; the first argument is a folder to look for the package in, or empty.
static constexpr StringLiteral bootstrap = R"(
import importlib.util, runpy, sys
folder = sys.argv.pop(1)
if folder:
    sys.path.insert(0, folder)
if {"-h", "--help"} & set(sys.argv) and importlib.util.find_spec("anybit"):
    from anybit._train_options import parser
    parser().parse_args(["--help"])
missing = [name for name in ("anybit", "numpy", "onnx", "torch") if importlib.util.find_spec(name) is None]
if missing:
    print(f"anybit: error: training needs the Python packages {', '.join(missing)}, which {sys.executable} does not "
          "have: pip install 'anybit[torch]', or name another interpreter in ANYBIT_PYTHON", file=sys.stderr)
    sys.exit(3)
sys.argv[0] = "anybit train"
runpy.run_module("anybit.torch.train", run_name="__main__", alter_sys=True)
)";

/// The folder with the package beside this program, as a build tree has it; empty where there is none.
static std::string packageFolder() {
  static int anchor;
  SmallString<256> folder(sys::fs::getMainExecutable("anybit", &anchor));
  for (int level = 0; level < 2; ++level)
    sys::path::remove_filename(folder);
  sys::path::append(folder, "python");
  SmallString<256> package(folder);
  sys::path::append(package, "anybit", "torch", "train.py");
  return sys::fs::exists(package) ? folder.str().str() : "";
}

int anybit::driver::trainCommand(ArrayRef<const char *> arguments) {
  std::string wanted = sys::Process::GetEnv("ANYBIT_PYTHON").value_or("python3");
  ErrorOr<std::string> python = sys::findProgramByName(wanted);
  if (!python)
    return fail("training needs Python: there is no program '" + Twine(wanted) +
                    "'; install Python 3.11 and 'anybit[torch]', or name the interpreter in ANYBIT_PYTHON",
                Unsupported);
  std::string folder = packageFolder();
  // -P: a folder called torch where the user happens to stand is not the package.
  SmallVector<StringRef> command = {*python, "-P", "-c", bootstrap, folder};
  command.append(arguments.begin(), arguments.end());
  std::string message;
  int code = sys::ExecuteAndWait(*python, command, /*Env=*/std::nullopt, /*Redirects=*/{}, /*SecondsToWait=*/0,
                                 /*MemoryLimit=*/0, &message);
  return code < 0 ? fail("'" + Twine(*python) + "' ended abnormally: " + message, Internal) : code;
}
