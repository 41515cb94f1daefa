"""Compiled artifacts as files: equal bytes for equal input, equal outputs on every target, and objects and static
libraries that a C program links with their header."""

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


@pytest.mark.parametrize("store", ["packed", "master"])
def test_equal_bytes_in_two_directories(store, tmp_path):
    package_models.write_switchable(tmp_path / "model.onnx")
    folders = [tmp_path / "one", tmp_path / "another" / "deeper"]
    for folder in folders:
        folder.mkdir(parents=True)
        shutil.copy(tmp_path / "model.onnx", folder / "model.onnx")
        for emit, extension in EXTENSIONS.items():
            # A relative path here, an absolute one there, another locale.
            inside = folder is folders[1]
            command = [program("bin", "anybit"), "compile", "model.onnx" if inside else folder / "model.onnx", "--store",
                       store, "--emit", emit, "-q", "-o", (pathlib.Path() if inside else folder) / f"{emit}.{extension}"]
            subprocess.run(command, check=True, cwd=folder if inside else ROOT,
                           env={**os.environ, "TMPDIR": str(folder), "LC_ALL": "C" if inside else "C.UTF-8"})
    files = sorted(path.name for path in folders[0].iterdir())
    assert files == ["lib.a", "lib.h", "model.onnx", "obj.h", "obj.o", "so.so"]
    for name in files:
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second, f"{name} of the {store} store differs"


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


def test_the_header_takes_no_output(switchable, tmp_path):
    done = subprocess.run([program("bin", "anybit"), "compile", switchable, "--emit", "obj", "-o", tmp_path / "m.h"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and "give it another extension" in done.stderr
    assert not list(tmp_path.iterdir())
