"""Compiled artifacts as files: equal bytes for equal input, equal outputs on every target, and objects and static
libraries that a C program links with their header."""

import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import package_models
from conftest import CANDIDATES, ROOT, anybit, run_fresh
from exact import TARGETS, need_target, program

EXTENSIONS = {"so": "so", "obj": "o", "lib": "a"}


@pytest.mark.parametrize("store, emits", [("packed", ["so", "obj", "lib"]), ("master", ["so"])])
def test_equal_bytes_in_two_directories(store, emits, switchable, tmp_path):
    here, there = tmp_path / "one", tmp_path / "another" / "deeper"
    for folder in (here, there):
        folder.mkdir(parents=True)
        shutil.copy(switchable, folder / "model.onnx")
        for emit in emits:
            # Absolute paths from elsewhere, and relative ones in another locale.
            base, cwd, locale = (folder, ROOT, "C.UTF-8") if folder is here else (pathlib.Path(), folder, "C")
            subprocess.run([program("bin", "anybit"), "compile", base / "model.onnx", "--candidates", "w8a8,w2a2", "--store",
                            store, "--emit", emit, "-q", "-o", base / f"{emit}.{EXTENSIONS[emit]}"],
                           check=True, cwd=cwd, env={**os.environ, "TMPDIR": str(folder), "LC_ALL": locale})
    files = sorted(path.name for path in here.iterdir())
    assert files == sorted({"model.onnx", *(f"{emit}.{EXTENSIONS[emit]}" for emit in emits),
                            *(f"{emit}.h" for emit in emits if emit != "so")})
    for name in files:
        assert (here / name).read_bytes() == (there / name).read_bytes(), f"{name} of the {store} store differs"
    assert (json.loads(anybit("inspect", here / "so.so", "--json").stdout)["slot_bytes"] > 0) == (store == "master")


@pytest.fixture(scope="module")
def native(switchable, pictures, tmp_path_factory):
    """Outputs of the default target and level per candidate."""
    folder = tmp_path_factory.mktemp("native")
    anybit("compile", switchable, "-q", "-o", folder / "m.so")
    return {name: run_fresh(folder / "m.so", name, pictures, folder) for name in CANDIDATES}


@pytest.mark.parametrize("level", [0, 3])
@pytest.mark.parametrize("target", TARGETS)
def test_targets_and_levels_agree(target, level, switchable, pictures, native, tmp_path):
    need_target(target)
    anybit("compile", switchable, "--target", target, f"-O{level}", "-q", "-o", tmp_path / "m.so")
    for name in CANDIDATES:
        np.testing.assert_array_equal(run_fresh(tmp_path / "m.so", name, pictures, tmp_path), native[name], name)


def symbol_sizes(library):
    """Bytes of all functions of an object or archive, as the system's tools see them."""
    text = subprocess.run(["llvm-nm-22", "--print-size", "--radix=d", library], check=True, capture_output=True,
                          text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return sum(int(row[1]) for row in rows if len(row) == 4 and row[2] in "tT")


@pytest.mark.parametrize("emit, store", [("obj", "packed"), ("lib", "master")])
def test_a_c_program_links_it(emit, store, switchable, pictures, native, tmp_path):
    library = tmp_path / f"resnet8.{EXTENSIONS[emit]}"
    anybit("compile", switchable, "--emit", emit, "--store", store, "-q", "-o", library)
    defines = [f'-DHEADER="{library.with_suffix(".h")}"', "-DMODEL=resnet8", "-DMACRO=RESNET8"]
    subprocess.run(["clang-22", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *defines,
                    f"-I{ROOT / 'runtime' / 'include'}", ROOT / "test" / "e2e" / "linked.c", library,
                    program("lib", "libanybit_runtime.a"), "-lpthread", "-ldl", "-lm", "-o", tmp_path / "linked"],
                   check=True)
    pictures[:1].tofile(tmp_path / "x.raw")
    done = subprocess.run([tmp_path / "linked", tmp_path / "x.raw"], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"".join(native[name][:1].tobytes() for name in CANDIDATES)
    weights, code, separate = map(int, done.stderr.split())
    assert code == symbol_sizes(library)
    if store == "packed":
        assert weights <= separate


def test_no_object_without_its_header(tmp_path):
    package_models.write_float(tmp_path / "f.onnx")
    (tmp_path / "taken.h").mkdir()
    for output, words in (("m.h", "give it another extension"), ("taken.o", "taken.h': it exists and is no regular")):
        done = subprocess.run([program("bin", "anybit"), "compile", tmp_path / "f.onnx", "--emit", "obj", "-o",
                               tmp_path / output], capture_output=True, text=True)
        assert done.returncode == 2 and words in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.onnx", "taken.h"]
