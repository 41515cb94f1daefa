"""Switching compiled artifacts of both stores: outputs are golden while others switch, nothing is allocated, and no
candidate leaves a trace in the next one."""

import itertools
import subprocess

import numpy as np
import pytest

from conftest import CANDIDATES, anybit, run_fresh
from exact import program


@pytest.fixture(scope="module", params=["packed", "master"])
def artifact(request, switchable, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "resnet8.so"
    anybit("compile", switchable, "--store", request.param, "-q", "-o", path)
    return path


@pytest.fixture(scope="module")
def golden(artifact, pictures, tmp_path_factory):
    """Output of the first picture per candidate, each from a fresh process."""
    folder = tmp_path_factory.mktemp("golden")
    outputs = {name: run_fresh(artifact, name, pictures[:1], folder) for name in CANDIDATES}
    assert len({output.tobytes() for output in outputs.values()}) == len(CANDIDATES)
    return outputs


def stress(build, artifact, golden, pictures, folder):
    pictures[:1].tofile(folder / "inputs.raw")
    for name, output in golden.items():
        output.tofile(folder / f"{name}.raw")
    command = [program(*build, "test", "unit", "switch-stress"), artifact, folder / "inputs.raw",
               *(folder / f"{name}.raw" for name in golden)]
    return subprocess.run(command, capture_output=True, text=True)


# The sanitizer's build is made by the ctest test sanitize-thread.
@pytest.mark.parametrize("build", [(), ("sanitize-thread",)], ids=["plain", "thread-sanitizer"])
def test_a_million_switches_under_four_sessions(build, artifact, golden, pictures, tmp_path):
    done = stress(build, artifact, golden, pictures, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert done.stdout.startswith("1000000 switches, ")
    if not build:
        assert done.stdout.endswith(" 0 wrong, 0 candidates never seen, 0 allocations\n")


def test_the_stress_finds_a_wrong_byte(artifact, golden, pictures, tmp_path):
    wrong = {name: output.copy() for name, output in golden.items()}
    wrong[CANDIDATES[1]].view(np.uint8)[0, 0] ^= 1
    done = stress((), artifact, wrong, pictures, tmp_path)
    assert done.returncode == 1 and "1 candidates never seen" in done.stdout and " 0 wrong" not in done.stdout


def test_back_at_a_candidate_equals_a_fresh_process(artifact, golden, pictures):
    package = pytest.importorskip("anybit")
    model = package.load(artifact)
    for first, second in itertools.permutations(CANDIDATES, 2):
        for name, x in ((first, pictures[:1]), (second, pictures[1:]), (second, pictures[:1]), (first, pictures[:1])):
            model.candidate = name
            model.prepare()
            output = model(x)
        assert output.tobytes() == golden[first].tobytes(), f"{first} -> {second} -> {first}"
