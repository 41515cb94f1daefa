"""Layers of random shapes, widths and formats, in random families and numbers of threads: equal to the reference."""

import numpy as np
import pytest

import exact
from anybit import reference
from exact import ODD, SIGNED, UNSIGNED

F32 = np.float32
TARGETS = ["native", exact.VNNI, exact.AVX_VNNI, "x86-64-v4", "x86-64-v3", "x86-64"]
FAMILIES = ["", "", "dot4:1", "dot4:4", "popcount", "table", "table:8", "amx"]


def add_layer(b, rng, index, widths):
    """A convolution on codes of its own, with codes and a small layer behind it. Returns its input's name and shape."""
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    inputs = groups * int(rng.choice([1, 3, 4, 7, 16, 19, 32, 33, 64, 65]))
    outputs = groups * int(rng.choice([1, 5, 8, 16, 17, 33, 64, 70]))
    if rng.random() < 0.2:
        groups = outputs = inputs
    kernel, dilations = rng.integers(1, 6, 2), rng.integers(1, 3, 2)
    pads = [int(rng.integers(0, kernel[i % 2] + 1)) for i in range(4)]
    height, width = (kernel - 1) * dilations + 1 + rng.integers(0, 14, 2)
    shape = [int(rng.choice([1, 1, 2])), inputs, int(height), int(width)]
    x = b.coded(b.input(f"x{index}", shape), UNSIGNED, 0.5, widths, [int(rng.integers(0, 2**a)) for a in widths])
    weight = b.numbers(outputs, inputs // groups, *map(int, kernel))
    weight[0], weight[-1] = -1, 1  # both ends of every range
    y = b.plain_conv(x, b.coded_weight(weight), b.numbers(outputs), group=groups, pads=pads,
                     strides=[int(v) for v in rng.integers(1, 4, 2)], dilations=[int(v) for v in dilations])
    y = b.coded(b.op("Relu", [y]) if rng.random() < 0.5 else y, UNSIGNED, 1.7, widths, [2 ** (a - 1) for a in widths])
    b.output(b.plain_conv(y, b.coded_weight(b.numbers(9, outputs, 1, 1))), 4)
    return f"x{index}", shape


@pytest.mark.parametrize("seed", range(12))
def test_random_layers(seed, tmp_path):
    rng = np.random.default_rng(seed)
    target = TARGETS[seed % len(TARGETS)]
    exact.need_target(target)
    formats = [(int(rng.integers(1, 9)), int(rng.integers(1, 9)), str(rng.choice([SIGNED, UNSIGNED, ODD]))) for _ in range(3)]
    candidates = [(f"c{i}w{w}a{a}{kind}", w, a, kind) for i, (w, a, kind) in enumerate(formats)]
    b = exact.Network(candidates, seed)
    shapes = dict(add_layer(b, rng, i, [c[2] for c in candidates]) for i in range(4))
    model = b.build()
    inputs = {name: rng.uniform(-70, 200, shape).astype(F32) for name, shape in shapes.items()}
    family, threads = str(rng.choice(FAMILIES)), int(rng.choice([1, 2, 3, 5]))
    artifact = exact.compile_model(model, tmp_path, target, flags=("--kernel", family) if family else ())
    problems = []
    for name, *_ in candidates:
        got = exact.run_artifact(artifact, inputs, name, ("--threads", str(threads)))
        problems += [f"{name}: {line}" for line in exact.differences(got, reference.run(model, inputs, name))]
    assert not problems, "\n".join([f"{target} {family or 'any'} on {threads} threads", *problems])
