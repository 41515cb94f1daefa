"""One inference engine in a process of its own, for bench/peers.py.

    python peer_worker.py ENGINE FILE THREADS INPUT.npy

Prints ``ready`` or ``missing REASON``. Each line ``SECONDS [CANDIDATE]`` read from stdin is answered with the least
milliseconds of the calls made in that time (at least one). Environment variables that an engine reads when it is
loaded (ONEDNN_MAX_CPU_ISA, TVM_NUM_THREADS) are set by the parent.
"""

from __future__ import annotations

import ctypes
import pathlib
import sys
import time
from typing import Callable

import numpy as np

Call = Callable[[], object]
MOST_OUTPUTS = 4096  # Of the networks of bench/peers.py, each with one input and one output.


class Engine:
    """A loaded network; ``call`` is the cheapest complete inference that the engine's Python package offers."""

    def __init__(self, call: Call, choose: Callable[[str], None] | None = None) -> None:
        self.call, self.choose = call, choose


class _SessionOptions(ctypes.Structure):
    """anybit_session_options of runtime.h."""

    _fields_ = [("size", ctypes.c_size_t), ("threads", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("memory", ctypes.c_void_p), ("memory_bytes", ctypes.c_size_t)]


def anybit(file: str, threads: int, x: np.ndarray) -> Engine:
    """The C interface: a call of the Python package takes 3 µs, half of the time of the smallest network here."""
    library = ctypes.CDLL(str(pathlib.Path(__file__).resolve().parents[1] / "build" / "lib" / "libanybit.so"))
    library.anybit_last_error.restype = ctypes.c_char_p

    def checked(status: int) -> None:
        if status:
            raise RuntimeError(library.anybit_last_error().decode())
    module, session = ctypes.c_void_p(), ctypes.c_void_p()
    options = _SessionOptions(ctypes.sizeof(_SessionOptions), threads, 0, None, 0)
    checked(library.anybit_module_open(file.encode(), ctypes.byref(module)))
    checked(library.anybit_session_create(module, ctypes.byref(options), ctypes.byref(session)))
    result = np.empty(MOST_OUTPUTS, np.float32)
    inputs, outputs = (ctypes.c_void_p * 1)(x.ctypes.data), (ctypes.c_void_p * 1)(result.ctypes.data)
    kept = x, result, inputs, outputs  # The calls hold addresses only.
    return Engine(lambda: library.anybit_session_run(session, inputs, kept[3]),
                  lambda candidate: checked(library.anybit_session_set_candidate_by_name(session, candidate.encode())))


def onnx_runtime(file: str, threads: int, x: np.ndarray) -> Engine:
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return Engine(lambda: session.run(None, feed))


def openvino(file: str, threads: int, x: np.ndarray) -> Engine:
    import openvino as ov
    core = ov.Core()
    model = core.read_model(file)
    model.reshape(list(x.shape))
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(x))
    return Engine(request.infer)


def litert(file: str, threads: int, x: np.ndarray) -> Engine:
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(model_path=file, num_threads=threads)
    interpreter.allocate_tensors()
    only = interpreter.get_input_details()[0]
    interpreter.set_tensor(only["index"], np.zeros(only["shape"], only["dtype"]))
    return Engine(interpreter.invoke)


def iree(file: str, threads: int, x: np.ndarray) -> Engine:
    import iree.runtime as rt
    if threads > 1:
        rt.flags.parse_flags(f"--task_topology_group_count={threads}")
    config = rt.Config("local-task" if threads > 1 else "local-sync")
    module = rt.load_vm_module(rt.VmModule.mmap(config.vm_instance, file), config)
    function = next(module[name] for name in module.vm_module.function_names
                    if not name.startswith("_") and "$" not in name)
    argument = rt.asdevicearray(config.device, x)
    return Engine(lambda: function(argument).to_host())


def tvm(file: str, threads: int, x: np.ndarray) -> Engine:
    import tvm as package
    from tvm import relax
    library = package.runtime.load_module(file)
    device = package.cpu()
    machine = relax.VirtualMachine(library, device)
    argument = package.runtime.tensor(x, device)
    return Engine(lambda: machine["main"](argument))


ENGINES = {engine.__name__: engine for engine in (anybit, onnx_runtime, openvino, litert, iree, tvm)}


def least(call: Call, seconds: float) -> float:
    """Milliseconds of the fastest call. Before that it runs as long without being timed: caches are full of another
    engine's data, and on a busy machine it takes a while until threads that slept get processors of their own."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        call()
    best, end = np.inf, time.perf_counter() + seconds
    while best == np.inf or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, 1000 * (time.perf_counter() - start))
    return best


def main() -> int:
    name, file, threads, sample = sys.argv[1:]
    try:
        engine = ENGINES[name](file, int(threads), np.load(sample))
        engine.call()
    except Exception as error:  # noqa: BLE001: whatever is wrong with a peer becomes a word of the table
        print("missing", " ".join(f"{type(error).__name__}: {error}".split())[:300], flush=True)
        return 0
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, *candidate = line.split()
        if candidate and engine.choose:
            engine.choose(candidate[0])
            engine.call()
        print(least(engine.call, float(seconds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
