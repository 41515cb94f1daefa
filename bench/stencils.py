#!/usr/bin/env python3
"""Pools and resizes: the kernels of an artifact against the same op written in Halide.

    nice -n -10 python bench/stencils.py [--cases max,resize] [--rounds N] [--work FOLDER]

Every case is a network of one op between two 1x1 depthwise convolutions by 1, so that its tensors lie as they do inside
of a network (channels innermost); the last resize of DeepLabV3 is the output of its network and written as planes. Ours
is the layer's time of ``anybit bench --profile --json``; Halide's (package ``halide``) is compiled ahead of time with the
best of the schedules below, and called from C between loops that touch the memory which the rest of the network touches. NaN wins maxima of both. One thread, `native` on both sides, minima of all rounds, outputs compared
with ==. Needs `cc`. ratio = ours / Halide: above 1 Halide is faster.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any, Callable

import halide as hl
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOL = shutil.which("anybit", path=f"{ROOT / 'build' / 'bin'}:{os.environ.get('PATH', '')}")
F32 = np.float32
SCALE, ZERO, SCALE_OUT = F32(0.125), 3, F32(0.25)
PROFILED_RUNS = 20  # of one `anybit bench --profile`
LANES = 64  # bytes of a vector in Halide's schedules; 32 where the CPU has no AVX-512


@dataclasses.dataclass
class Case:
    """One op on [1, channels, height, width]; `codes`: bytes instead of float32."""

    name: str
    kind: str
    codes: bool
    shape: tuple[int, int, int]
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)
    size: tuple[int, int] | None = None
    is_output: bool = False

    @property
    def average(self) -> bool:
        return "Average" in self.kind


def pool(name: str, kind: str, shape: tuple, window: int, stride: int, pad: int) -> list[Case]:
    attributes = dict(kernel_shape=[window] * 2, strides=[stride] * 2, pads=[pad] * 4)
    return [Case(f"{name} {form}", kind, form == "codes", shape, attributes) for form in ("codes", "float")]


NEAREST = dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
LINEAR = dict(mode="linear", coordinate_transformation_mode="align_corners")
CASES = [
    *pool("max 3x3/2 64x112x112 (ResNet)", "MaxPool", (64, 112, 112), 3, 2, 1),
    *pool("max 3x3/2 64x111x111 (SqueezeNet)", "MaxPool", (64, 111, 111), 3, 2, 0),
    *pool("max 3x3/2 24x176x176 (FastestDet)", "MaxPool", (24, 176, 176), 3, 2, 1),
    *pool("max 2x2/2 8x28x28 (MNIST)", "MaxPool", (8, 28, 28), 2, 2, 0),
    *pool("max 5x5/1 128x13x13 (YOLOX)", "MaxPool", (128, 13, 13), 5, 1, 2),
    *pool("max 9x9/1 128x13x13 (YOLOX)", "MaxPool", (128, 13, 13), 9, 1, 4),
    *pool("max 13x13/1 128x13x13 (YOLOX)", "MaxPool", (128, 13, 13), 13, 1, 6),
    *pool("average 3x3/2 48x46x46 (FastestDet)", "AveragePool", (48, 46, 46), 3, 2, 0),
    *(Case(f"average global {shape} {form}", "GlobalAveragePool", form == "codes", shape)
      for shape in ((1280, 7, 7), (512, 7, 7), (1000, 13, 13)) for form in ("codes", "float")),
    Case("resize nearest x2 256x13x13 codes", "Resize", True, (256, 13, 13), NEAREST, (26, 26)),
    Case("resize nearest x2 64x26x26 (YOLOX) codes", "Resize", True, (64, 26, 26), NEAREST, (52, 52)),
    Case("resize nearest x2 64x26x26 (YOLOX) float", "Resize", False, (64, 26, 26), NEAREST, (52, 52)),
    Case("resize linear 21x33x33 to 257x257 (DeepLabV3) float", "Resize", False, (21, 33, 33), LINEAR, (257, 257), True),
    Case("resize linear 64x33x33 to 129x129 float", "Resize", False, (64, 33, 33), LINEAR, (129, 129)),
]


# Ours


def network(case: Case) -> onnx.ModelProto:
    """x -> convolution -> op -> convolution -> y, every edge but y quantized where the case is one of codes."""
    initializers: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(value: Any) -> str:
        initializers.append(numpy_helper.from_array(np.asarray(value), f"constant{len(initializers)}"))
        return initializers[-1].name

    def node(kind: str, operands: list[str], name: str = "", **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, operands, [f"value{len(nodes)}"], name=name, **attributes))
        return nodes[-1].output[0]

    def coded(x: str, scale: F32) -> str:
        parameters = [constant(scale), constant(np.uint8(ZERO))]
        return node("DequantizeLinear", [node("QuantizeLinear", [x, *parameters])] + parameters) if case.codes else x

    def identity(x: str, channels: int) -> str:
        ones = np.ones((channels, 1, 1, 1), np.int8 if case.codes else F32)
        weights = constant(ones)
        if case.codes:
            weights = node("DequantizeLinear", [weights, constant(F32(1))])
        return node("Conv", [x, weights], group=channels, kernel_shape=[1, 1])

    channels, height, width = case.shape
    operands = [coded(identity(coded("x", SCALE), channels), SCALE)]
    if case.size:
        operands += ["", "", constant(np.array([1, channels, *case.size], np.int64))]
    y = coded(node(case.kind, operands, "stencil", **case.attributes), SCALE_OUT if case.average else SCALE)
    y = y if case.is_output else identity(y, channels)
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *case.shape])],
                              [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Ours:
    """The compiled network of a case."""

    def __init__(self, case: Case, folder: pathlib.Path) -> None:
        self.folder, self.artifact = folder, folder / "stencil.so"
        onnx.save(network(case), folder / "stencil.onnx")
        self.anybit("compile", folder / "stencil.onnx", "--target", "native", "-o", self.artifact)

    def anybit(self, *arguments: Any) -> None:
        subprocess.run([TOOL, *map(str, arguments), "-q"], check=True, stdout=subprocess.DEVNULL)

    def output(self, x: np.ndarray) -> np.ndarray:
        np.save(self.folder / "x.npy", x[None])
        self.anybit("run", self.artifact, "--input", self.folder / "x.npy", "--output", self.folder / "y.npy")
        return np.load(self.folder / "y.npy")[0]

    def milliseconds(self) -> float:
        """All dispatches of the op: it may take two."""
        self.anybit("bench", self.artifact, "--profile", "--json", self.folder / "bench.json")
        layers = json.loads((self.folder / "bench.json").read_text())["layers"]
        return sum(layer["min_ms"] for layer in layers if layer["layer"] == "stencil")


# Halide

HARNESS = """
#include "HalideRuntime.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
int stencil(halide_buffer_t *, halide_buffer_t *);
static halide_buffer_t wrap(void *data, int code, int bits, halide_dimension_t *dims, const int *extents) {
  for (int i = 0, stride = 1; i < 3; stride *= extents[i++])
    dims[i] = (halide_dimension_t){0, extents[i], stride, 0};
  return (halide_buffer_t){.host = data, .type = {code, bits, 1}, .dimensions = 3, .dim = dims};
}
/* Around every call, what the layers around the op do: read the caller's reals, write the input; read the output, write the
   caller's reals. Caches are as in the network. */
double measure(const void *values, void *in, void *out, int code, int bits, const int *from, const int *to,
               int repetitions) {
  size_t elements = (size_t)from[0] * from[1] * from[2], results = (size_t)to[0] * to[1] * to[2];
  size_t bytes = elements * bits / 8, written = results * bits / 8;
  char *caller = calloc(elements + results, sizeof(float)), sink = 0;
  halide_dimension_t a[3], b[3];
  halide_buffer_t input = wrap(in, code, bits, a, from), output = wrap(out, code, bits, b, to);
  double best = caller ? 1e300 : -1;
  for (int i = 0; i < repetitions && caller; ++i) {
    for (size_t at = 0; at < elements * sizeof(float); at += 64)
      sink ^= ((volatile char *)caller)[at];
    struct timespec start, end;
    memcpy(in, values, bytes);
    clock_gettime(CLOCK_MONOTONIC, &start);
    int failed = stencil(&input, &output);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (end.tv_sec - start.tv_sec) + 1e-9 * (end.tv_nsec - start.tv_nsec);
    best = failed ? -1 : seconds < best ? seconds : best;
    for (size_t at = 0; at < written; at += 64)
      sink ^= ((char *)out)[at];
    memset(caller + elements * sizeof(float), sink, results * sizeof(float));
  }
  free(caller);
  return 1e3 * best;
}
"""


class Pipeline:
    """The pieces that all cases share: input, variables, the vector width. Dimensions are c, x, y."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.input = hl.ImageParam(hl.UInt(8) if case.codes else hl.Float(32), 3, "input")
        self.c, self.x, self.y = hl.Var("c"), hl.Var("x"), hl.Var("y")
        self.lanes = LANES if case.codes else LANES // 4
        while self.lanes > case.shape[0]:
            self.lanes //= 2
        self.out, self.tables = hl.Func("out"), []

    def fold(self, terms: list) -> Any:
        total = terms[0]
        for term in terms[1:]:
            if self.case.average:
                total = total + term
            elif self.case.codes:
                total = hl.max(total, term)
            else:
                a, b = (hl.cast(hl.Float(32), value) for value in (total, term))
                total = hl.select((b > a) | hl.is_nan(b), b, a)
        return total

    def finish(self, total: Any, count: int) -> Any:
        """A total as the op's result (numerics N6)."""
        if not self.case.average:
            return total
        if not self.case.codes:
            return total / hl.f32(count)
        factor = F32(float(SCALE) / (float(count) * float(SCALE_OUT)))
        real = hl.cast(hl.Float(32), hl.cast(hl.Int(32), total) - count * ZERO) * hl.f32(float(factor))
        rounded = hl.round(hl.clamp(real, hl.f32(-ZERO), hl.f32(255 - ZERO)))
        return hl.cast(hl.UInt(8), hl.cast(hl.Int(32), rounded) + ZERO)


def windows(case: Case, schedule: str) -> Pipeline:
    """Unrolled windows. Repeated edges stand for the padding of a maximum; averages here have none."""
    p, (channels, height, width) = Pipeline(case), case.shape
    c, x, y, out = p.c, p.x, p.y, p.out
    k, s, pad = (case.attributes[name][0] for name in ("kernel_shape", "strides", "pads"))
    source = hl.BoundaryConditions.repeat_edge(p.input) if pad else p.input
    widen = (lambda v: hl.cast(hl.UInt(16), v)) if case.codes and case.average else (lambda v: v)
    columns = hl.Func("columns")
    columns[c, x, y] = p.fold([widen(source[c, x, y * s - pad + j]) for j in range(k)])
    out[c, x, y] = p.finish(p.fold([columns[c, x * s - pad + i, y] for i in range(k)]), k * k)
    xo, xi, co, ci = hl.Var("xo"), hl.Var("xi"), hl.Var("co"), hl.Var("ci")
    split = p.lanes // 2 if case.codes and case.average else p.lanes
    out.split(c, co, ci, p.lanes).vectorize(ci)
    if schedule == "row":
        columns.compute_at(out, y).vectorize(c, split)
        out.reorder(ci, co, x, y)
    elif schedule.startswith("tile"):
        out.split(x, xo, xi, int(schedule[4:]), hl.TailStrategy.ShiftInwards).reorder(ci, xi, co, xo, y).unroll(xi)
        columns.compute_at(out, co).vectorize(c, split).unroll(x)
    return p


def whole_image(case: Case, schedule: str) -> Pipeline:
    p, (channels, height, width) = Pipeline(case), case.shape
    total, r = hl.Func("total"), hl.RDom([(0, width), (0, height)])
    wide = hl.Float(32) if not case.codes else hl.UInt(16 if width * height <= 257 else 32)
    total[p.c] = hl.cast(wide, 0)
    total[p.c] += hl.cast(wide, p.input[p.c, r.x, r.y])
    p.out[p.c, p.x, p.y] = p.finish(total[p.c], width * height)
    co, ci = hl.Var("co"), hl.Var("ci")
    block = p.lanes * int(schedule)
    p.out.split(p.c, co, ci, block).vectorize(ci, p.lanes)
    total.compute_at(p.out, co).vectorize(p.c, p.lanes).unroll(p.c)
    total.update(0).reorder(p.c, r.x, r.y).vectorize(p.c, p.lanes).unroll(p.c).unroll(r.x)
    return p


def resize(case: Case, schedule: str) -> Pipeline:
    p, (channels, height, width) = Pipeline(case), case.shape
    c, x, y, out = p.c, p.x, p.y, p.out
    if case.attributes["mode"] == "nearest":
        out[c, x, y] = p.input[c, x / 2, y / 2]
        out.vectorize(c, p.lanes).unroll(x, 2)
        return p

    def table(values: np.ndarray, at: Any, bound: int = 0) -> Any:
        p.tables.append(np.ascontiguousarray(values))  # Halide reads the memory when it compiles
        value = hl.Buffer(p.tables[-1])[at]
        return hl.clamp(value, 0, bound) if bound else value

    taps = []
    for position, size, to in ((x, width, case.size[1]), (y, height, case.size[0])):
        at = np.arange(to, dtype=F32) * F32(size - 1) / F32(to - 1)
        first = np.floor(at).astype(np.int32)
        second, weight = np.minimum(first + 1, size - 1).astype(np.int32), at - first.astype(F32)
        taps.append([table(first, position, size - 1), table(second, position, size - 1),
                     table(F32(1) - weight, position), table(weight, position)])
    (left, right, keep_x, weight_x), (top, bottom, keep_y, weight_y) = taps
    row = hl.Func("row")
    row[c, x, y] = p.input[c, left, y] * keep_x + p.input[c, right, y] * weight_x
    blend = row[c, x, top] * keep_y + row[c, x, bottom] * weight_y
    if not case.is_output:
        out[c, x, y] = blend
        out.vectorize(c, p.lanes)
    else:  # planes, as the caller wants them
        out[x, y, c] = blend
        out.vectorize(x, p.lanes)
    if schedule == "root":
        row.compute_root()
    elif schedule == "slide":
        row.store_root().compute_at(out, y)
    if schedule != "inline" and case.is_output:
        row.reorder_storage(x, c, y).reorder(x, c, y).vectorize(x, p.lanes)
    elif schedule != "inline":
        row.vectorize(c, p.lanes)
    return p


class Halide:
    """The fastest schedule of a case, compiled."""

    def __init__(self, case: Case, folder: pathlib.Path) -> None:
        self.case, self.folder = case, folder
        builders: dict[str, tuple[Callable, list[str]]] = {
            "Resize": (resize, ["inline", "root"] + ["slide"] * (not case.is_output)),
            "GlobalAveragePool": (whole_image, ["1", "2", "4"]),
        }
        build, schedules = builders.get(case.kind, (windows, ["inline", "row", "tile2", "tile4", "tile8"]))
        if case.attributes.get("mode") == "nearest":
            schedules = schedules[:1]
        self.libraries = {schedule: self.compile(build(case, schedule), schedule) for schedule in schedules}
        self.best = ""

    def compile(self, p: Pipeline, schedule: str) -> ctypes.CDLL:
        folder = self.folder / schedule
        folder.mkdir(exist_ok=True)
        channels, height, width = self.case.shape
        for dim, extent in enumerate((channels, width, height)):
            p.input.dim(dim).set_bounds(0, extent)
            p.input.dim(dim).set_stride([1, channels, channels * width][dim])
        output = p.out.output_buffer()
        for dim, extent in enumerate(self.extents()):
            output.dim(dim).set_bounds(0, extent)
            output.dim(dim).set_stride(int(np.prod(self.extents()[:dim])))
        target = hl.Target("host-no_asserts-no_bounds_query-strict_float")
        p.out.compile_to_object(str(folder / "stencil.o"), [p.input], "stencil", target)
        (folder / "harness.c").write_text(HARNESS)
        include = pathlib.Path(hl.__file__).parent / "include"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-I{include}", folder / "harness.c", folder / "stencil.o", "-ldl",
                        "-lpthread", "-o", folder / "stencil.so"], check=True)
        library = ctypes.CDLL(str(folder / "stencil.so"))
        library.measure.restype = ctypes.c_double
        return library

    def extents(self) -> list[int]:
        """Of the output, innermost first."""
        channels, height, width = self.case.shape
        if self.case.kind == "GlobalAveragePool":
            return [channels, 1, 1]
        if self.case.size:
            return [self.case.size[1], self.case.size[0], channels] if self.case.is_output else \
                [channels, self.case.size[1], self.case.size[0]]
        k, s, pad = (self.case.attributes[name][0] for name in ("kernel_shape", "strides", "pads"))
        return [channels] + [(size + 2 * pad - k) // s + 1 for size in (width, height)]

    def run(self, x: np.ndarray, repetitions: int, schedule: str) -> tuple[np.ndarray, float]:
        """The result as [c, y, x] and the least time in milliseconds."""
        channels, height, width = self.case.shape
        source = np.ascontiguousarray(x.transpose(1, 2, 0))
        room, result = np.zeros_like(source), np.zeros(self.extents()[::-1], source.dtype)
        code, bits = (1, 8) if self.case.codes else (2, 32)
        sizes = [(ctypes.c_int * 3)(*extents) for extents in ((channels, width, height), self.extents())]
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (source, room, result)]
        best = self.libraries[schedule].measure(*pointers, code, bits, *sizes, repetitions)
        return (result if self.case.is_output else result.transpose(2, 0, 1)), best


def compare(case: Case, folder: pathlib.Path, rounds: int) -> tuple[float, float, str]:
    """(ours in ms, Halide in ms, Halide's schedule); raises if results differ."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, case.shape, dtype=np.uint8)
    reals = (codes.astype(F32) - F32(ZERO)) * SCALE if case.codes else rng.normal(size=case.shape).astype(F32)
    ours, theirs = Ours(case, folder), Halide(case, folder)
    y = ours.output(reals)
    best: dict[str, float] = {}
    mine = float("inf")
    for _ in range(rounds):
        mine = min(mine, ours.milliseconds())
        for schedule in theirs.libraries:
            result, time = theirs.run(codes if case.codes else reals, PROFILED_RUNS, schedule)
            best[schedule] = min(best.get(schedule, time), time)
            if case.codes:
                result = (result.astype(F32) - F32(ZERO)) * (SCALE_OUT if case.average else SCALE)
            tolerance = 1e-6 if case.average and not case.codes else 0  # sums of reals: in any order (numerics N6)
            np.testing.assert_allclose(y, result, rtol=tolerance, atol=tolerance, err_msg=f"{case.name}, {schedule}")
    schedule = min(best, key=best.get)
    return mine, best[schedule], schedule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only cases whose name contains one of these, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "stencils")
    options = parser.parse_args()
    if not TOOL:
        sys.exit("no program anybit: build it, or put it on the PATH")
    print("| op | anybit µs | Halide µs (schedule) | ratio |\n|---|---|---|---|")
    for i, case in enumerate(CASES):
        if any(part in case.name for part in options.cases.split(",")):
            mine, theirs, schedule = compare(case, options.work / str(i), options.rounds)
            print(f"| {case.name} | {1e3 * mine:.1f} | {1e3 * theirs:.1f} ({schedule}) | {mine / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
