"""Layers whose sums are looked up (docs/kernels.md, "table"): equal to the reference on every target."""

import re
import subprocess

import numpy as np
import pytest

import exact
from exact import ODD, SIGNED, UNSIGNED
from test_exact_counting import families, image, network

F32 = np.float32
# 128, 256 and 512 bits; with VBMI, BITALG and tiles too.
SSSE3 = "x86-64-v2"
exact.TARGETS[SSSE3] = set()
TARGETS = [SSSE3, "x86-64-v3", "x86-64-v4", "native"]
CANDIDATES = [("w1a1", 1, 1, ODD), ("w1a2signed", 1, 2, SIGNED), ("w1a4", 1, 4, ODD), ("w2a3", 2, 3, SIGNED),
              ("w3a4", 3, 4, ODD), ("w1a8", 1, 8, ODD), ("w1a5signed", 1, 5, SIGNED)]
FLAGS = ("--kernel", "table")
# VPERMB looks up tables of six channels for blocks of 128 and 256 columns.
SIX = "x86-64-v4,+avx512vnni,+avx512vbmi"
exact.TARGETS[SIX] = exact.TARGETS["x86-64-v4"] | {"avx512_vnni", "avx512vbmi"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("channels,groups,batch", [(64, 1, 1), (90, 1, 2), (64, 2, 1), (3, 1, 1), (1100, 1, 1)])
def test_tables(target, channels, groups, batch, tmp_path):
    exact.need_target(target)
    candidates = CANDIDATES if channels == 64 and groups == 1 else CANDIDATES[::3]
    exact.assert_exact(network(candidates, channels, groups, batch), image(batch, channels), tmp_path, target, flags=FLAGS)
    assert {"table", "table-dot"} & families(tmp_path / f"model.{target}.3.so")


@pytest.mark.parametrize("kernel,channels,groups,batch", [("table:8", 64, 1, 1), ("table:8", 90, 1, 2),
                                                          ("table:16", 64, 2, 1), ("table:16", 1100, 1, 1)])
def test_tables_of_six_channels(kernel, channels, groups, batch, tmp_path):
    exact.need_target(SIX)
    candidates = CANDIDATES if channels == 64 and groups == 1 else CANDIDATES[::3]
    outputs = 70 if kernel == "table:8" else 133
    exact.assert_exact(network(candidates, channels, groups, batch, outputs), image(batch, channels), tmp_path, SIX,
                       flags=("--kernel", kernel))
    assert "table-six" in families(tmp_path / f"model.{SIX}.3.so")


# Channels of one kernel position whose sums just fit a byte, and 16 bits; more of them, in parts that are not equal.
EXTREMES = [(1, ODD, 1, 252), (1, ODD, 1, 260), (1, SIGNED, 2, 84), (1, ODD, 2, 88), (1, ODD, 3, 36), (1, SIGNED, 4, 16),
            (1, ODD, 4, 20), (1, ODD, 4, 12), (2, SIGNED, 4, 4368), (1, ODD, 8, 8744), (1, SIGNED, 6, 30), (2, ODD, 1, 5)]


def add_full_sums(b, index, kernel, columns):
    """A layer of the network: columns of the highest, the lowest and random weights. Returns the codes that it reads,
    rows of the highest and of random ones."""
    bits, kind, input_bits, channels = EXTREMES[index]
    if kernel == 3:
        channels = -(-channels // 9)
    rng = np.random.default_rng(3)
    low, high = (-2 ** (bits - 1), 2 ** (bits - 1) - 1) if kind == SIGNED else (1 - 2**bits, 2**bits - 1)
    weights = rng.uniform(low, high, (columns, channels, kernel, kernel)).astype(F32)
    weights[:16], weights[16:32] = high, low
    x = b.coded(b.input(f"x{index}", [1, channels, 3, 7]), UNSIGNED, 1.0, input_bits)
    ones = np.ones((1, columns, 1, 1, 1), F32)
    b.output(b.plain_conv(x, b.coded_weight(weights, bits=bits, kinds=[kind], scales=ones)), 4)
    codes = np.full((1, channels, 3, 7), 255, F32)
    codes[:, :, 2] = rng.integers(0, 2**input_bits, (1, channels, 7))
    return codes


@pytest.mark.parametrize("target,choice,columns",
                         [*((target, "table", 37) for target in TARGETS), (SIX, "table:8", 70), (SIX, "table:16", 133)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_full_sums(kernel, target, choice, columns, tmp_path):
    exact.need_target(target)
    b = exact.Network([("only", 1, 1)], 0)
    inputs = {f"x{i}": add_full_sums(b, i, kernel, columns) for i in range(len(EXTREMES))}
    exact.assert_exact(b.build(), inputs, tmp_path, target, flags=("--kernel", choice))
    text = subprocess.run([exact.program("bin", "anybit"), "inspect", tmp_path / f"model.{target}.3.so"], check=True,
                          capture_output=True, text=True).stdout
    name = "table-six" if target == SIX else "table(?:-dot)?"
    assert len(re.findall(rf"^ +[1-9]\d* +{name} ", text, re.MULTILINE)) == len(EXTREMES)
