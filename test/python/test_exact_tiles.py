"""Layers that tile registers multiply (docs/kernels.md, "amx"): equal to the reference, and to the other targets."""

import os
import re
import shutil
import subprocess

import numpy as np
import onnx
import pytest

import exact
from anybit import reference
from exact import ODD, SIGNED, UNSIGNED
from test_exact_counting import families

FORCED = ("--kernel", "amx")
TARGET = "x86-64-v4,+avx512vnni,+amx-tile,+amx-int8"
exact.TARGETS[TARGET] = exact.TARGETS["x86-64-v4"] | {"avx512_vnni", "amx_tile", "amx_int8"}
# Rows: an image row with and without its neighbours, all positions; strides, dilations, kernels of one row or column.
GEOMETRIES = [
    dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    dict(kernel_shape=[3, 3], pads=[1, 0, 1, 2], strides=[2, 2]),
    dict(kernel_shape=[3, 2], pads=[2, 0, 1, 3], dilations=[2, 3]),
    dict(kernel_shape=[1, 1]),
    dict(kernel_shape=[1, 1], strides=[2, 2]),
    dict(kernel_shape=[1, 5], strides=[3, 1]),
    dict(kernel_shape=[5, 1], pads=[2, 0, 2, 0]),
]
WIDTHS = [(f"w{bits}{kind}", bits, 8 if bits > 4 else bits, kind)
          for kind in (SIGNED, UNSIGNED, ODD) for bits in range(1, 9)]


def half(values):
    """What float16 represents, as the master store needs it."""
    return values.astype(np.float16).astype(np.float32)


def network(candidates, batch, channels, groups, outputs, height, width, geometries):
    """Every geometry on one tensor of codes, with codes behind it; a second layer reads what the first one wrote."""
    b = exact.Network(candidates, channels + outputs)
    widths = [c[2] for c in candidates]
    x = b.coded(b.input("x", [batch, channels, height, width]), UNSIGNED, 0.5, widths, [2 ** (a - 1) for a in widths])
    for geometry in geometries:
        values = b.numbers(outputs, channels // groups, *geometry["kernel_shape"])
        values[0], values[-1] = -1, 1  # both ends of every range
        values = half(values)
        y = b.plain_conv(x, b.coded_weight(values), b.numbers(outputs), group=groups, **geometry)
        y = b.coded(b.op("Relu", [y]), UNSIGNED, 4, widths)
        z = b.plain_conv(y, b.coded_weight(half(b.numbers(24, outputs, 3, 3))), b.numbers(24), pads=[1] * 4)
        b.output(z, 4)
    return b.build()


def image(batch, channels, height, width):
    x = np.random.default_rng(5).uniform(-70, 80, (batch, channels, height, width)).astype(np.float32)
    x[:, :, :3] = 1000  # all codes at their maximum
    x[:, :, 3:5] = -1000
    return {"x": x}


def check(candidates, shape, tmp_path, geometries=tuple(GEOMETRIES), flags=(), forced=FORCED, **options) -> set[str]:
    """The families of the layers."""
    exact.need_target(TARGET)
    batch, channels, groups, outputs, height, width = shape
    model = network(candidates, *shape, geometries)
    exact.assert_exact(model, image(batch, channels, height, width), tmp_path, TARGET, flags=forced + flags, **options)
    return families(tmp_path / f"model.{TARGET}.{options.get('level', 3)}.so")


@pytest.mark.parametrize("shape", [(1, 64, 1, 48, 14, 14), (2, 32, 1, 33, 9, 20), (1, 96, 1, 80, 7, 7), (1, 160, 1, 33, 5, 5), (1, 19, 1, 17, 16, 17),
                                   (1, 64, 2, 70, 11, 13), (3, 40, 1, 5, 18, 6)])
def test_shapes(shape, tmp_path):
    assert "conv-amx" in check([WIDTHS[7], WIDTHS[3], WIDTHS[16]], shape, tmp_path)


@pytest.mark.parametrize("seed", range(6))
def test_random_shapes(seed, tmp_path):
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    shape = (int(rng.integers(1, 3)), groups * int(rng.integers(5, 70)), groups, groups * int(rng.integers(6, 70)),
             int(rng.integers(6, 20)), int(rng.integers(6, 40)))
    some = [WIDTHS[i] for i in rng.choice(len(WIDTHS), 3, replace=False)]
    check(some, shape, tmp_path, rng.choice(GEOMETRIES, 3, replace=False))


def test_every_width(tmp_path):
    assert "conv-amx" in check(WIDTHS, (1, 64, 1, 40, 12, 12), tmp_path, GEOMETRIES[:1])


@pytest.mark.parametrize("level", [0, 1, 2])
def test_optimization_changes_nothing(level, tmp_path):
    assert "conv-amx" in check([WIDTHS[7], WIDTHS[9]], (1, 64, 1, 40, 9, 9), tmp_path, GEOMETRIES[:4], level=level)


@pytest.mark.parametrize("rows,inputs,outputs", [(16, 512, 64), (37, 200, 50), (240, 96, 48), (17, 1040, 33)])
def test_matrix_product(rows, inputs, outputs, tmp_path):
    exact.need_target(TARGET)
    candidates = [WIDTHS[7], WIDTHS[3], WIDTHS[17]]
    b = exact.Network(candidates, rows)
    x = b.coded(b.input("x", [rows, inputs]), UNSIGNED, 0.01, [c[2] for c in candidates], 1)
    b.output(b.op("MatMul", [x, b.coded_weight(b.numbers(inputs, outputs), axis=1)]), 2)
    x = {"x": np.random.default_rng(2).uniform(-1, 3, (rows, inputs)).astype(np.float32)}
    exact.assert_exact(b.build(), x, tmp_path, TARGET, flags=FORCED)
    assert "conv-amx" in families(tmp_path / f"model.{TARGET}.3.so")


def test_master_store(tmp_path):
    assert "conv-amx" in check([WIDTHS[7], WIDTHS[3], WIDTHS[17]], (1, 64, 1, 48, 10, 12), tmp_path, GEOMETRIES[:2],
                               flags=("--store", "master"))


@pytest.mark.parametrize("store", ["packed", "master"])
def test_rows_with_a_pitch(store, tmp_path):
    """1024 channels take 1088 bytes of a position; pools, flattening and the caller read them too."""
    exact.need_target(TARGET)
    candidates = [WIDTHS[7], WIDTHS[3], WIDTHS[16]]
    b = exact.Network(candidates, 11)
    widths = [c[2] for c in candidates]
    x = b.coded(b.input("x", [2, 24, 5, 6]), UNSIGNED, 0.5, widths, 1)
    y = b.plain_conv(x, b.coded_weight(half(b.numbers(1024, 24, 1, 1))), b.numbers(1024))
    y = b.coded(b.op("Relu", [y]), UNSIGNED, 2, widths)
    for geometry in GEOMETRIES[3:5]:
        b.output(b.plain_conv(y, b.coded_weight(half(b.numbers(40, 1024, 1, 1))), b.numbers(40), **geometry), 4)
    b.output(b.op("MaxPool", [y], kernel_shape=[2, 2]), 4)
    b.output(b.op("Flatten", [y]), 2)
    x = np.random.default_rng(4).uniform(-3, 60, (2, 24, 5, 6)).astype(np.float32)
    exact.assert_exact(b.build(), {"x": x}, tmp_path, TARGET, flags=FORCED + ("--store", store))


@pytest.mark.parametrize("choice", ["amx:2:bytes", "amx:1:bytes", "dot4:2:bytes"])
@pytest.mark.parametrize("store", ["packed", "master"])
def test_narrow_weights_as_bytes(choice, store, tmp_path):
    """Formats of four and fewer bits, with padding of the reduction, in both stores."""
    narrow = [width for width in WIDTHS if width[1] <= 4]
    check(narrow, (1, 51, 1, 48, 9, 10), tmp_path, GEOMETRIES[:2], ("--store", store), ("--kernel", choice))
    text = subprocess.run([exact.program("bin", "anybit"), "inspect", tmp_path / f"model.{TARGET}.3.so"],
                          check=True, capture_output=True, text=True).stdout
    assert choice in text


@pytest.mark.parametrize("threads", [2, 5])
def test_threads(threads, tmp_path):
    """Tiles are state of a thread, the permission to use them one of the process."""
    exact.need_target(TARGET)
    model = network([WIDTHS[7], WIDTHS[3]], 1, 64, 1, 96, 14, 14, GEOMETRIES[:4])
    x = image(1, 64, 14, 14)
    artifact = exact.compile_model(model, tmp_path, TARGET, flags=FORCED)
    for candidate in ("w8signed", "w4signed"):
        got = exact.run_artifact(artifact, x, candidate, flags=("--threads", str(threads)))
        assert not exact.differences(got, reference.run(model, x, candidate))


def test_assembly(tmp_path):
    """Four products a step for four or five loads, and no vector or tile on the stack."""
    exact.need_target(TARGET)
    for shape, registers, loads in (((1, 64, 1, 64, 28, 28), 2, 4), ((1, 64, 1, 64, 7, 7), 1, 5)):
        onnx.save(network([WIDTHS[7], WIDTHS[3]], *shape, GEOMETRIES[:1]), tmp_path / "model.onnx")
        subprocess.run([exact.program("bin", "anybit"), "compile", tmp_path / "model.onnx", "--target", TARGET, "--emit",
                        "asm", "--kernel", f"amx:{registers}", "-q", "-o", tmp_path / "model.s"], check=True)
        functions = re.split(r"\n(?=\S+\.body:)", (tmp_path / "model.s").read_text())
        kernels = [text for text in functions if "tdpbusd" in text]
        assert kernels
        for text in kernels:
            steps, rest = divmod(text.count("tdpbusd"), 4)  # copies of the loop, by what runs between products
            assert rest == 0 and text.count("tileloadd") == steps * loads
            assert not re.search(r"mm\d.*\(%rsp\)|\(%rsp\).*mm\d", text)


REFUSE = """
#define _GNU_SOURCE
#include <errno.h>
long syscall(long number, ...) { (void)number; errno = EPERM; return -1; }
"""


def test_refused_tiles(tmp_path):
    """Where the operating system grants no tile registers, opening says so and what to do; and that helps."""
    exact.need_target(TARGET)
    compiler = shutil.which("cc") or pytest.skip("no C compiler: the refusal is not tested")
    (tmp_path / "refuse.c").write_text(REFUSE)
    library = tmp_path / "refuse.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "refuse.c"], check=True)
    model = network([WIDTHS[7]], 1, 64, 1, 48, 14, 14, GEOMETRIES[:1])
    for target, code in ((TARGET, 2), (TARGET.replace("+amx-int8", "-amx-int8"), 0)):
        artifact = exact.compile_model(model, tmp_path, target, flags=FORCED)
        done = subprocess.run([exact.program("bin", "anybit"), "inspect", artifact], capture_output=True, text=True,
                              env=os.environ | {"LD_PRELOAD": str(library)})
        assert (done.returncode, "-amx-int8" in done.stderr) == (code, code != 0), done.stderr
