"""`anybit compile --tune` (docs/kernels.md, "Choice"): what is measured is kept, and found again."""

import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import onnx
import pytest

import exact
from anybit import reference
from exact import ODD, SIGNED, UNSIGNED

CANDIDATES = [("w8a8", 8, 8, SIGNED), ("w1a1", 1, 1, ODD)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    """A layer, and another one with a residual."""
    b = exact.Network(CANDIDATES)
    widths = [c[2] for c in CANDIDATES]
    x = b.coded(b.input("x", [1, 32, 6, 7]), UNSIGNED, 0.5, widths)
    for residual in (False, True):
        y = b.plain_conv(x, b.coded_weight(b.numbers(32, 32, 3, 3)), b.numbers(32), kernel_shape=[3, 3], pads=[1] * 4)
        x = b.coded(b.op("Add", [x, y]) if residual else y, UNSIGNED, 0.5, widths)
    b.output(x, 4)
    path = tmp_path_factory.mktemp("tune") / "m.onnx"
    onnx.save(b.build(), path)
    return path


@pytest.fixture(scope="module")
def measured(model, tmp_path_factory) -> pathlib.Path:
    """The artifact of a first run, and beside it the folder `cache` that the run made."""
    folder = tmp_path_factory.mktemp("measured")
    assert tuned(model, folder / "m.so", folder / "deep" / "cache") == ""
    return folder / "m.so"


@pytest.fixture
def cache(measured, tmp_path) -> pathlib.Path:
    """A copy of the results of the first run."""
    return pathlib.Path(shutil.copytree(measured.parent / "deep" / "cache", tmp_path / "cache"))


def compile_with(model: pathlib.Path, output: pathlib.Path, *flags) -> subprocess.CompletedProcess:
    command = [exact.program("bin", "anybit"), "compile", model, "-q", "-o", output, *flags]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def tuned(model: pathlib.Path, output: pathlib.Path, cache: pathlib.Path) -> str:
    """What the compiler wrote; the artifact is at `output`."""
    done = compile_with(model, output, "--tune", 600, "--tune-cache", cache)
    assert done.returncode == 0, done.stderr
    return done.stderr


def choices(artifact: pathlib.Path) -> list[str]:
    done = subprocess.run([exact.program("bin", "anybit"), "inspect", artifact, "--json"], capture_output=True, text=True)
    return [layer["choice"] for candidate in json.loads(done.stdout)["candidates"] for layer in candidate["layers"]
            if layer["macs"]]


def test_a_warm_cache_gives_equal_bytes(model, measured, cache, tmp_path):
    entries = {path: path.read_text() for path in cache.iterdir()}
    assert entries and all(path.suffix == ".json" for path in entries)
    assert tuned(model, tmp_path / "m.so", cache) == ""
    assert {path: path.read_text() for path in cache.iterdir()} == entries
    assert (tmp_path / "m.so").read_bytes() == measured.read_bytes()


def test_results_are_those_of_the_reference(model, measured):
    x = {"x": np.random.default_rng(3).uniform(-1, 3, (1, 32, 6, 7)).astype(np.float32)}
    for candidate, *_ in CANDIDATES:
        want = reference.run(onnx.load(model), x, candidate)
        assert not exact.differences(exact.run_artifact(measured, x, candidate), want)


def test_the_cache_decides(model, measured, cache, tmp_path):
    """Entries that say the opposite of what was measured make the opposite choice, and inspect says so."""
    assert any("tuned on" in choice for choice in choices(measured))
    slowest = set()
    for path in cache.iterdir():
        entry = json.loads(path.read_text())
        slowest.add(max(entry["times"].items(), key=lambda item: item[1])[0])
        entry["times"] = {choice: 1e9 / time for choice, time in entry["times"].items()}
        path.write_text(json.dumps(entry))
    assert tuned(model, tmp_path / "m.so", cache) == ""
    assert {choice.split()[0] for choice in choices(tmp_path / "m.so") if "tuned on" in choice} == slowest


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, '{"key": "x", "times": {}}', '{"times": 7}', "\x00\xff" * 10,
                                  "x" * 100000])
def test_a_damaged_entry_is_measured_again(model, cache, tmp_path, text):
    damaged = min(cache.iterdir())
    damaged.write_text(text, encoding="latin-1")
    warnings = tuned(model, tmp_path / "m.so", cache).splitlines()
    assert len(warnings) == 1
    assert re.fullmatch(rf"warning: the tuning result {damaged} is ignored and measured again: .*", warnings[0])
    assert json.loads(damaged.read_text())["times"]
    assert tuned(model, tmp_path / "m.so", cache) == ""


def test_two_processes_at_once(model, tmp_path):
    cache = tmp_path / "cache"
    command = [exact.program("bin", "anybit"), "compile", model, "-q", "--tune", "600", "--tune-cache", cache, "-o"]
    running = [subprocess.Popen([*map(str, command), str(tmp_path / f"{i}.so")], stderr=subprocess.PIPE, text=True)
               for i in range(2)]
    for process in running:
        assert process.communicate()[1] == "" and process.returncode == 0
    assert not [path for path in cache.iterdir() if path.suffix != ".json"]
    tuned(model, tmp_path / "a.so", cache)
    tuned(model, tmp_path / "b.so", cache)
    assert (tmp_path / "a.so").read_bytes() == (tmp_path / "b.so").read_bytes()


def test_without_tune_nothing_is_kept_and_bytes_are_equal(model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for name in ("a.so", "b.so"):
        assert compile_with(model, tmp_path / name).returncode == 0
    assert (tmp_path / "a.so").read_bytes() == (tmp_path / "b.so").read_bytes()
    assert not (tmp_path / "home").exists()


def test_the_cache_of_the_user(model, measured, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    cache.rename(tmp_path / "home" / "anybit")
    assert compile_with(model, tmp_path / "m.so", "--tune", 600).returncode == 0
    assert (tmp_path / "m.so").read_bytes() == measured.read_bytes()


@pytest.mark.parametrize("folder", ["file", "file/cache"])
def test_a_folder_that_cannot_be_written(folder, model, tmp_path):
    (tmp_path / "file").write_text("")
    done = compile_with(model, tmp_path / "m.so", "--tune", 5, "--tune-cache", tmp_path / folder)
    assert done.returncode == 2 and not (tmp_path / "m.so").exists()
    assert re.fullmatch(r"error: cannot write to the folder of tuning results '.*': .*; choose another with --tune-cache\n",
                        done.stderr)


@pytest.mark.parametrize("flags,sentence", [
    (("--tune", 5, "--target", "x86-64-v3"), "--tune measures this machine and needs --target native, not 'x86-64-v3'"),
    (("--tune", 0), "--tune is '0', expected a whole number from 1 to 86400"),
    (("--tune-cache", "x"), "--tune-cache is of no use without --tune"),
    (("--tune", 5, "--kernel", "dot4"), "--tune and --kernel exclude each other"),
    (("--kernel", "lut9"), "--kernel is 'lut9': unknown kernel family 'lut9'")])
def test_flags_that_make_no_sense(model, tmp_path, flags, sentence):
    done = compile_with(model, tmp_path / "m.so", *flags)
    assert done.returncode == 2 and sentence in done.stderr
