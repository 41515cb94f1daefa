#!/usr/bin/env python3
"""Kernels through compiled artifacts, each beside the ceiling of its instructions.

    ninja anybit-ceilings anybit-kernels
    python bench/kernels.py [--target TARGET] [--only gemm,conv3x3] [-- GOOGLE BENCHMARK FLAGS]

Each case is a network of two layers, of which the first is measured: it reads codes and writes codes, as inside of a
network. `anybit quantize` and `anybit compile` make it at all widths that the case is about; bin/anybit-kernels measures
the dispatches of the layer and `anybit-ceilings` the ceilings, in the same run.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[1]
F32 = np.float32
WIDTHS = "w8a8,w4a8,w2a8,w4a4,w2a2,w1a4,w1a2,w1a1"


@dataclass(frozen=True)
class Case:
    """A convolution of ``inputs`` channels at ``side``² (or a matrix product of ``rows`` rows where side is 0)."""

    name: str
    inputs: int
    outputs: int
    side: int = 0
    kernel: int = 1
    stride: int = 1
    group: int = 1
    rows: int = 1
    widths: str = WIDTHS


def depthwise(channels: int, side: int, kernel: int, stride: int) -> Case:
    return Case(f"depthwise{kernel}x{kernel}s{stride}_{channels}x{side}", channels, channels, side, kernel, stride, channels,
                widths="w8a8,w4a4,w2a2,w1a1")


CASES = (
    Case("gemm_240x2304x256", 2304, 256, rows=240), Case("gemm_1024x1024x1024", 1024, 1024, rows=1024),
    Case("conv3x3_64x56", 64, 64, 56, 3), Case("conv3x3_128x28", 128, 128, 28, 3), Case("conv3x3_256x14", 256, 256, 14, 3),
    Case("conv3x3_512x7", 512, 512, 7, 3),
    Case("gemv_4096x4096", 4096, 4096, widths="w8a8,w4a8,w2a8,w1a8,w1a1"),
    depthwise(192, 28, 3, 1), depthwise(576, 14, 3, 2), depthwise(240, 28, 5, 1), depthwise(672, 14, 5, 2),
    Case("stem7x7s2_224", 3, 64, 224, 7, 2, widths="w8a8,w4a8"), Case("stem3x3s2_224", 3, 32, 224, 3, 2, widths="w8a8,w4a8"),
)


def network(case: Case) -> onnx.ModelProto:
    """input -> the layer -> Relu -> a small layer that makes the result of the first one codes."""
    rng = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype(F32), name)
    if case.side:
        shape = [1, case.inputs, case.side, case.side]
        last = ("Conv", {"kernel_shape": [1, 1]}, (4, case.outputs, 1, 1))
        first = ("Conv", {"kernel_shape": [case.kernel] * 2, "strides": [case.stride] * 2, "pads": [case.kernel // 2] * 4,
                          "group": case.group}, (case.outputs, case.inputs // case.group, case.kernel, case.kernel))
    else:
        shape = [case.rows, case.inputs]
        first, last = ("MatMul", {}, (case.inputs, case.outputs)), ("MatMul", {}, (case.outputs, 4))
    nodes = [helper.make_node(first[0], ["x", "w"], ["sum"], name="layer", **first[1]),
             helper.make_node("Relu", ["sum"], ["positive"]),
             helper.make_node(last[0], ["positive", "v"], ["y"], name="after", **last[1])]
    graph = helper.make_graph(nodes, case.name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [constant("w", *first[2]), constant("v", *last[2])])
    return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10))


def artifact(case: Case, target: str, work: pathlib.Path) -> pathlib.Path:
    """The compiled case, with all its widths."""
    anybit = ROOT / "build" / "bin" / "anybit"
    path = work / f"{case.name}.{target.replace(',', '_')}.so"
    source, switchable = work / f"{case.name}.onnx", work / f"{case.name}.switchable.onnx"
    if not switchable.exists():
        model = network(case)
        onnx.save(model, source)
        shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
        np.save(work / "x.npy", np.random.default_rng(1).normal(size=shape).astype(F32))
        subprocess.run([anybit, "quantize", source, "--calibration", work / "x.npy", "--candidates", case.widths,
                        "--first-last", "0", "--threshold", "0", "-o", switchable, "-q"], check=True)
    subprocess.run([anybit, "compile", switchable, "--target", target, "-o", path, "-q"], check=True)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="native", help="as of anybit compile")
    parser.add_argument("--only", default="", help="comma separated parts of the names of cases")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "kernels")
    parser.add_argument("flags", nargs="*", help="of Google Benchmark, behind --")
    options = parser.parse_args()
    programs = [ROOT / "build" / "bin" / f"anybit-{name}" for name in ("ceilings", "kernels")]
    missing = [path.name for path in programs if not path.exists()]
    if missing:
        sys.exit(f"{' and '.join(missing)} not built; anybit-kernels needs libbenchmark-dev: ninja anybit-ceilings anybit-kernels")
    parts = [part for part in options.only.split(",") if part]
    chosen = [case for case in CASES if not parts or any(part in case.name for part in parts)]
    options.work.mkdir(parents=True, exist_ok=True)
    files = [artifact(case, options.target, options.work) for case in chosen]
    ceilings = options.work / "ceilings.txt"
    ceilings.write_text(subprocess.run([programs[0]], check=True, capture_output=True, text=True).stdout)
    return subprocess.run([programs[1], ceilings, *files, *options.flags], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
