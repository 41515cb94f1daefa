"""artifact.py BUILD OUT: the hand-made module of the runtime tests (y = x * c + c over 64 floats, c = 2, 3, 5 for w8a8,
w4a4, w2a2), sealed like a compiled artifact."""
import ctypes
import os
import shutil
import sys

build, out = sys.argv[1:]
shutil.copy(os.path.join(build, "lib", "libanybit_test_module.so"), out)
runtime = ctypes.CDLL(os.path.join(build, "lib", "libanybit.so"))
runtime.anybit_last_error.restype = ctypes.c_char_p
if runtime.anybit_seal_file(out.encode()) != 0:
    sys.exit(runtime.anybit_last_error().decode())
