"""All 64 pairs of widths in the three formats of weights and of activations, on every target: equal to the reference."""

import functools

import numpy as np
import pytest

import anybit
import exact
from exact import ODD, SIGNED, UNSIGNED

QUARTERED = ("native", "x86-64-v4", exact.AVX_VNNI)
PAIRS = [(f"w{w}a{a}{kind}", w, a, kind) for kind in (SIGNED, UNSIGNED, ODD) for w in range(1, 9) for a in range(1, 9)]


def extreme_weights(rng, *shape):
    """Both ends of every range in whole output channels, the rest random."""
    values = rng.uniform(-1.2, 1.2, shape).astype(np.float32)
    values[0], values[1] = -1.2, 1.2
    return values


def pairs_network(candidates, kind=UNSIGNED):
    """Codes of A bits into a convolution, a depthwise one, one of one dimension and a matrix product of W bits; codes of
    the same format behind each. Input of a padded convolution has a code for 0 (numerics N2)."""
    b = exact.Network(candidates, 7)
    widths = [c[2] for c in candidates]
    pads = 0 if kind == ODD else 1
    x = b.coded(b.input("x", [1, 5, 6, 7]), kind, 0.25, widths)
    y = b.plain_conv(x, b.coded_weight(extreme_weights(b.rng, 18, 5, 3, 3)), b.numbers(18), pads=[pads, 0, pads, pads])
    y = b.coded(b.op("Relu", [y]), kind, 0.9, widths)
    z = b.plain_conv(y, b.coded_weight(extreme_weights(b.rng, 18, 1, 3, 3)), b.numbers(18), group=18, pads=[pads] * 4)
    z = b.coded(z, kind, 0.7, widths)
    z = b.op("Reshape", [z, b.constant(np.array([1, 18, -1]))])
    z = b.plain_conv(z, b.coded_weight(extreme_weights(b.rng, 18, 18, 3)), b.numbers(18), strides=[2], pads=[pads] * 2)
    z = b.coded(z, kind, 2.1, widths)
    weight = b.coded_weight(extreme_weights(b.rng, 10, 18 * (2 if kind == ODD else 18)).T, axis=1)
    b.output(b.op("MatMul", [b.op("Flatten", [z]), weight]), 2)
    return b.build()


@functools.lru_cache(maxsize=None)
def network_of(kind, pairs):
    return pairs_network(list(pairs), kind)


def check(kind, folder, target, pairs=tuple(PAIRS), level=3):
    """All candidates in one process: there are too many for one each."""
    model = network_of(kind, pairs)
    artifact = anybit.load(exact.compile_model(model, folder, target, level))
    problems = []
    for candidate, *_ in pairs:
        want = exact.wanted(model, pairs_input(), candidate)
        artifact.candidate = candidate
        outputs = artifact(**pairs_input())
        got = {exact.file_name(info.name): value for info, value in zip(artifact.outputs, outputs)}
        problems += [f"{candidate}: {line}" for line in exact.differences(got, want)]
    assert not problems, "\n".join(problems)


def pairs_input():
    x = np.random.default_rng(1).uniform(-8, 64, (1, 5, 6, 7)).astype(np.float32)
    x[:, :, :2] = 1000  # all codes at their maximum
    return {"x": x}


@pytest.mark.parametrize("kind", [UNSIGNED, SIGNED, ODD])
@pytest.mark.parametrize("target", exact.TARGETS)
def test_all_pairs(target, kind, tmp_path):
    exact.need_target(target)
    # Kernels never see signed codes (they become unsigned ones before): a quarter of the pairs on each target. So it is
    # where the dot product is that of another target: of AVX2 in more lanes, or of VNNI and of tiles, which have tests of
    # their own.
    part = PAIRS[list(exact.TARGETS).index(target)::4] if kind == SIGNED or target in QUARTERED else PAIRS
    check(kind, tmp_path, target, tuple(part))


def test_weights_in_registers_of_sixteen_bytes(tmp_path):
    """SSSE3 looks narrow odd weights up, which SSE2 cannot."""
    narrow = [pair for pair in PAIRS if pair[1] <= 4 and pair[3] == ODD]
    check(ODD, tmp_path, "x86-64-v2", tuple(narrow[::3]))


@pytest.mark.parametrize("kind", [UNSIGNED, ODD])
def test_optimization_changes_nothing(kind, tmp_path):
    check(kind, tmp_path, "native", tuple(PAIRS[::17]), level=0)
