"""lit: our tools from build/bin and LLVM's test tools are on PATH; %python is the interpreter of the build."""
import os
import platform

import lit.formats

config.name = "anybit"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".onnxtxt"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.anybit_build, "test", "lit")

config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.anybit_build, "bin"), config.llvm_tools, config.environment["PATH"]])
# A variable of one function must not leak into the next.
config.environment["FILECHECK_OPTS"] = "-enable-var-scope"

config.substitutions += [
    ("%python", config.python),
    ("%anybit_source", config.anybit_source),
    ("%anybit_build", config.anybit_build),
    ("%anybit_runtime_include", os.path.join(config.anybit_source, "runtime", "include")),
]

config.available_features.add(platform.machine())
data = os.environ.get("ANYBIT_TEST_DATA")
if data and os.path.isdir(data):
    config.environment["ANYBIT_TEST_DATA"] = data
    config.available_features.add("anybit-test-data")
    config.substitutions.append(("%test_data", data))
