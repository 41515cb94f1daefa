#!/usr/bin/env python3
"""Measures what the choices of kernels cost on this CPU and writes a table of the compiler (docs/kernels.md, "Choice").

    build/bin/anybit-ceilings > ceilings.txt
    nice -n -10 python utils/measure_kernels.py --target x86-64-v3 --ceilings ceilings.txt \\
        -o lib/Target/CPU/Costs/x86-64-v3.json

Every layer of the grid is a model of its own: a quantizer, one convolution, ReLU and the next quantizer, at all pairs of
widths as candidates. It is compiled once for every choice (``anybit compile --kernel``), and the convolution timed by
``anybit.load(...).profile``: one thread, the least of all runs, of which there are as many as fit the seconds. Candidates
take turns, so that a change of the clock meets all of them. PYTHONPATH must have the package ``anybit`` of the build.

The table is JSON: ``version`` 1; ``target`` as `anybit compile --target` takes it; ``cpu``, ``date``, ``ceilings``
(MAC/ns of `anybit-ceilings` in the same minutes) for people; ``layers``: [groups, inputs of a group, outputs of a group,
kernel height, kernel width, stride height, stride width, batch, output height, output width]; ``rows``: one for each choice and pair of
widths, its ``ns`` in the order of the layers, null where the layer has no such choice.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONVENTION = ROOT / "python" / "anybit" / "torch" / "onnx_export" / "convention.onnxtxt"
# Bits of weights and inputs. Byte products depend on how weights are stored and on whether int16 sums are proven;
# counting on the product of both widths; tables on planes of weights and digits of codes, of which the latter read the
# same weights again.
WIDTHS = [(8, 8), (5, 5), (4, 4), (2, 2), (1, 1), (1, 2), (1, 4), (1, 8)]
FAMILIES = {"dot4": [(8, 8), (5, 5), (4, 4), (2, 2), (1, 1)], "amx": [(8, 8), (4, 4), (2, 2), (1, 1)],
            "popcount": [(1, 1), (1, 2), (2, 2), (1, 4)], "table": [(1, 1), (1, 2), (2, 2), (1, 4), (1, 8)]}
# Registers of columns; a register of bytes that a table looks up becomes four of them.
VECTORS = {"dot4": (1, 2, 4), "amx": (1, 2), "popcount": (1, 2, 4), "table": (1, 2, 4, 8, 16)}


@dataclasses.dataclass(frozen=True)
class Layer:
    """A square convolution of one group."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    size: int  # of the output, in both directions

    def row(self) -> list[int]:
        return [1, self.inputs, self.outputs, self.kernel, self.kernel, self.stride, self.stride, 1, self.size, self.size]


GRID = [
    *(Layer(c, c, 3, 1, s) for c, s in ((16, 32), (64, 8), (64, 56), (256, 14), (512, 7))),
    Layer(3, 64, 7, 2, 112), Layer(3, 16, 3, 1, 32), Layer(64, 128, 3, 2, 28),
    *(Layer(i, o, 1, 1, s) for i, o, s in ((64, 256, 56), (2048, 512, 7), (96, 24, 56), (160, 960, 7))),
    *(Layer(i, o, 1, 1, 1) for i, o in ((4096, 4096), (64, 10))),
    Layer(2304, 256, 1, 1, 16), Layer(1024, 1024, 1, 1, 32),
]


def functions() -> list[onnx.FunctionProto]:
    """The quantizers as the compiler knows them."""
    wanted = ("FakeQuantSigned", "FakeQuantUnsigned", "FakeQuantOdd")
    parts = CONVENTION.read_text(encoding="utf-8").split("\n\n")
    made = [onnx.parser.parse_function(part) for part in parts]
    for function in made:
        for node in function.node:
            node.ClearField("domain")
    return [function for function in made if function.name in wanted]


class Model:
    """One layer at all widths, as a switchable model."""

    def __init__(self, layer: Layer) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        rng = np.random.default_rng(1)
        codes = self.quantize("x", 4.0)
        shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
        values = self.constant(rng.uniform(-1, 1, shape).astype(np.float32))
        scales = self.select(np.array([2.0 ** (1 - max(w, 2)) for w, _ in WIDTHS], np.float32))
        bits = self.select(np.array([w for w, _ in WIDTHS], np.int64))
        signed, odd = (self.op(f"FakeQuant{kind}", [values, scales, bits], "ai.anybit") for kind in ("Signed", "Odd"))
        weights = self.op("Where", [self.select(np.array([w <= 2 for w, _ in WIDTHS])), odd, signed])
        pad = [layer.kernel // 2] * 4
        sums = self.op("Conv", [codes, weights, self.constant(rng.normal(size=layer.outputs).astype(np.float32))],
                       kernel_shape=[layer.kernel] * 2, strides=[layer.stride] * 2, pads=pad)
        output = self.quantize(self.op("Relu", [sums]), 8.0)
        side = layer.size * layer.stride
        tensor = lambda name, shape, kind=TensorProto.FLOAT: helper.make_tensor_value_info(name, kind, shape)
        graph = helper.make_graph(self.nodes, "layer", [tensor("candidate", [], TensorProto.INT64),
                                                        tensor("x", [1, layer.inputs, side, side])],
                                  [tensor(output, [None] * 4)], self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.anybit", 1)]
        self.proto = helper.make_model(graph, functions=functions(), opset_imports=opsets, ir_version=10)
        entry = self.proto.metadata_props.add()
        entry.key, entry.value = "anybit.candidates", ",".join(name(w, a) for w, a in WIDTHS)

    def constant(self, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(value, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def op(self, kind: str, operands: list[str], domain: str = "", **attributes) -> str:
        result = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, operands, [result], name=result, domain=domain, **attributes))
        return result

    def select(self, rows: np.ndarray) -> str:
        return self.op("Gather", [self.constant(rows), "candidate"], axis=0)

    def quantize(self, value: str, reach: float) -> str:
        scales = self.select(np.array([reach / (2 ** a - 1) for _, a in WIDTHS], np.float32))
        zeros = self.select(np.zeros(len(WIDTHS), np.int64))
        bits = self.select(np.array([a for _, a in WIDTHS], np.int64))
        return self.op("FakeQuantUnsigned", [value, scales, zeros, bits], "ai.anybit")


def name(weights: int, inputs: int) -> str:
    return f"w{weights}a{inputs}"


class Session:
    """Compiles models for the target and times their convolution."""

    def __init__(self, options: argparse.Namespace, folder: pathlib.Path) -> None:
        self.options, self.folder, self.count = options, folder, 0

    def compile(self, model: pathlib.Path, choice: str) -> pathlib.Path:
        self.count += 1
        artifact = self.folder / f"{self.count}.so"
        family = choice.split(":")[0]
        command = [self.options.anybit, "compile", model, "--target", self.options.target, "--kernel", choice, "-q",
                   "--candidates", ",".join(name(w, a) for w, a in FAMILIES[family]), "-o", artifact]
        subprocess.run(list(map(str, command)), check=True)
        return artifact

    def choices(self, artifact: pathlib.Path) -> dict[str, str]:
        """Candidate -> the choice of its convolution and why: not every layer has every choice."""
        text = subprocess.run([self.options.anybit, "inspect", "--json", artifact], check=True, capture_output=True).stdout
        return {candidate["name"]: next(layer["choice"] for layer in candidate["layers"] if layer["macs"])
                for candidate in json.loads(text)["candidates"]}


def least_times(artifacts: dict[str, pathlib.Path], candidates: dict[str, list[str]], seconds: float) -> dict:
    """(choice, candidate) -> least nanoseconds of the convolution. All take turns, three times."""
    import anybit
    loaded = {choice: anybit.load(path) for choice, path in artifacts.items()}
    least: dict[tuple[str, str], float] = {}
    for _ in range(3):
        for choice, model in loaded.items():
            for candidate in candidates[choice]:
                model.candidate = candidate
                start, runs = time.perf_counter(), 0
                while runs < 4 or (time.perf_counter() - start < seconds and runs < 2000):
                    took = sum(layer.nanoseconds for layer in model.profile() if layer.macs)
                    # The first runs of a turn warm up.
                    if runs:
                        least[choice, candidate] = min(took, least.get((choice, candidate), took))
                    runs += 1
    return least


def measure(layer: Layer, session: Session) -> dict[tuple[str, str], float]:
    model = session.folder / "layer.onnx"
    onnx.save(Model(layer).proto, model)
    artifacts, candidates = {}, {}
    for family in session.options.families.split(","):
        for vectors in VECTORS[family]:
            choice = f"{family}:{vectors}"
            artifact = session.compile(model, choice)
            own = [c for c, reason in session.choices(artifact).items() if re.split("[ ,]", reason)[0] == choice]
            if not own:
                continue
            artifacts[choice], candidates[choice] = artifact, own
    times = least_times(artifacts, candidates, session.options.seconds)
    for artifact in artifacts.values():
        artifact.unlink()
    return times


def kept_times(path: pathlib.Path) -> dict[tuple[int, ...], dict[tuple[str, str], float]]:
    """Layer -> the times of an older table."""
    old = json.loads(path.read_text(encoding="utf-8"))
    return {tuple(layer): {(row["choice"], name(row["weights"], row["inputs"])): row["ns"][index]
                           for row in old["rows"] if row["ns"][index] is not None}
            for index, layer in enumerate(old["layers"])}


def ceilings(options: argparse.Namespace) -> dict[str, float]:
    """Label -> the highest rate: of today, and with --merge of the older table."""
    rows = re.findall(r"^(\S.*?) {2,}([0-9.]+)$", options.ceilings.read_text(encoding="utf-8"), re.MULTILINE)
    found = {label: float(value) for label, value in rows}
    for label, value in (json.loads(options.output.read_text(encoding="utf-8"))["ceilings"] if options.merge else {}).items():
        found[label] = max(value, found.get(label, value))
    return found


def cpu_name() -> str:
    match = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else "unknown"


def table(options: argparse.Namespace, times: list[dict[tuple[str, str], float]]) -> str:
    rows = []
    for family, widths in FAMILIES.items():
        for vectors in VECTORS[family]:
            for weights, inputs in widths:
                own = [one.get((f"{family}:{vectors}", name(weights, inputs))) for one in times]
                if any(own):
                    rows.append({"choice": f"{family}:{vectors}", "weights": weights, "inputs": inputs, "ns": own})
    head = {"version": 1, "target": options.name or options.target, "cpu": cpu_name(),
            "date": datetime.date.today().isoformat(), "ceilings": ceilings(options)}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    listed = lambda items: "[\n  " + ",\n  ".join(json.dumps(item) for item in items) + "\n]"
    lines += [f'"layers": {listed([layer.row() for layer in GRID])}', f'"rows": {listed(rows)}']
    return "{" + ",\n".join(lines) + "}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument("--name", help="target written into the table, if `native` is measured under another name")
    parser.add_argument("--anybit", type=pathlib.Path, default=ROOT / "build" / "bin" / "anybit")
    parser.add_argument("--ceilings", type=pathlib.Path, required=True, help="what anybit-ceilings printed today")
    parser.add_argument("--seconds", type=float, default=0.02, help="of each candidate, choice and turn")
    parser.add_argument("--families", default=",".join(FAMILIES),
                        help="measured; with --merge the others stay as they are, which is for new ones")
    parser.add_argument("--merge", action="store_true",
                        help="keep lower times and higher ceilings of an older table at the output: for machines that others use too")
    parser.add_argument("--new-layers", action="store_true",
                        help="with --merge: measure only layers of the grid that the older table lacks")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    unknown = set(options.families.split(",")) - set(FAMILIES)
    if unknown:
        parser.error(f"unknown families {', '.join(sorted(unknown))}, expected some of {', '.join(FAMILIES)}")
    old = kept_times(options.output) if options.merge else {}
    with tempfile.TemporaryDirectory() as folder:
        session = Session(options, pathlib.Path(folder))
        times = []
        for layer in GRID:
            kept = old.get(tuple(layer.row()), {})
            times.append({} if options.new_layers and kept else measure(layer, session))
            for key, value in kept.items():
                times[-1][key] = min(value, times[-1].get(key, value))
            print(layer, file=sys.stderr, flush=True)
    options.output.write_text(table(options, times), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
