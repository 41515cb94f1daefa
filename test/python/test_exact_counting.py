"""Layers whose bits are counted (docs/kernels.md, "popcount"): equal to the reference on every target."""

import json
import subprocess

import numpy as np
import pytest

import exact
from exact import ODD, SIGNED, UNSIGNED

CANDIDATES = [("w1a1", 1, 1, ODD), ("w1a1signed", 1, 1, SIGNED), ("w1a2", 1, 2, ODD), ("w2a1", 2, 1, SIGNED),
              ("w2a2", 2, 2, ODD), ("w3a1", 3, 1, ODD), ("w1a3", 1, 3, SIGNED)]
GEOMETRIES = [
    dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    dict(kernel_shape=[3, 3], pads=[1, 0, 1, 2], strides=[2, 2]),
    dict(kernel_shape=[3, 2], pads=[2, 0, 1, 3], dilations=[2, 1]),
    dict(kernel_shape=[1, 1], strides=[2, 2]),
    dict(kernel_shape=[1, 5], strides=[3, 2]),
]


def network(candidates: list[tuple], channels: int, groups: int, batch: int, outputs: int = 3):
    """Convolutions of every geometry, to so many `outputs` a group, on one tensor of codes, and a matrix product."""
    b = exact.Network(candidates, channels)
    widths = [c[2] for c in candidates]
    x = b.coded(b.input("x", [batch, channels, 7, 9]), UNSIGNED, 0.5, widths, [2 ** (a - 1) - 1 for a in widths])
    for geometry in GEOMETRIES:
        weight = b.coded_weight(b.numbers(outputs * groups, channels // groups, *geometry["kernel_shape"]))
        b.output(b.plain_conv(x, weight, b.numbers(outputs * groups), group=groups, **geometry), 4)
    flat = b.op("Flatten", [x])
    b.output(b.op("MatMul", [flat, b.coded_weight(b.numbers(channels * 63, 70), axis=1)]), 2)
    return b.build()


def image(batch: int, channels: int) -> dict:
    return {"x": np.random.default_rng(5).uniform(-1, 3, (batch, channels, 7, 9)).astype(np.float32)}


def families(artifact) -> set[str]:
    done = subprocess.run([exact.program("bin", "anybit"), "inspect", artifact, "--json"], capture_output=True, text=True)
    return {layer["family"] for candidate in json.loads(done.stdout)["candidates"] for layer in candidate["layers"]}


# Without VPOPCNTD bytes are counted, with BITALG in one instruction.
BITALG = "x86-64-v4,+avx512vnni,+avx512bitalg"
exact.TARGETS[BITALG] = exact.TARGETS["x86-64-v4"] | {"avx512_vnni", "avx512_bitalg"}

# Planes are cut by bit matrices; `native` has them at 512 bits, if this CPU does.
GFNI = "x86-64-v3,+gfni"
exact.TARGETS[GFNI] = exact.TARGETS["x86-64-v3"] | {"gfni"}


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3", "x86-64-v4", BITALG, GFNI, "native"])
@pytest.mark.parametrize("channels,groups,batch", [(64, 1, 1), (90, 1, 2), (64, 2, 1), (1100, 1, 1)])
def test_counting(target, channels, groups, batch, tmp_path):
    exact.need_target(target)
    candidates = CANDIDATES if channels == 64 and groups == 1 else CANDIDATES[::3]
    exact.assert_exact(network(candidates, channels, groups, batch), image(batch, channels), tmp_path, target,
                       flags=("--kernel", "popcount"))
    assert "popcount" in families(tmp_path / f"model.{target}.3.so")
