"""Pools that an object of Halide computes: equal to the kernels of our own bit by bit, on every class of CPUs, and linked
into every kind of artifact."""

import json
import pathlib
import platform
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import exact
from anybit import reference

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="objects are for x86-64")
ROOT = pathlib.Path(__file__).parents[2]
CLASSES = {"sse41": "x86-64,+ssse3,+sse4.1", "avx2": "x86-64-v3", "avx512": "x86-64-v4"}
F32 = np.float32
# Images of 1 MB and more, odd and even sizes; a window that ends behind the image (ceil_mode).
POOLS = {
    "odd": ([1, 64, 67, 65], dict(pads=[0, 0, 0, 0])),
    "padded": ([1, 64, 66, 65], dict(pads=[1, 1, 1, 1])),
    "padded by two": ([2, 80, 62, 58], dict(pads=[2, 0, 1, 2])),
    "two columns": ([1, 128, 600, 5], dict(pads=[0, 0, 1, 0])),
    "ceil_mode": ([2, 96, 56, 58], dict(pads=[0, 0, 0, 0], ceil_mode=1)),
}


def pool_model(shape, attributes) -> onnx.ModelProto:
    node = helper.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[3, 3], strides=[2, 2], **attributes)
    graph = helper.make_graph([node], "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def awkward(shape) -> np.ndarray:
    """Reals among which are zeros of both signs, NaNs that differ in their bits, and infinities."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=shape).astype(F32)
    special = np.array([0x00000000, 0x80000000, 0x7FC00001, 0xFFC00002, 0x7F800000, 0xFF800000], np.uint32).view(F32)
    x = np.where(rng.random(shape) < 0.02, special[rng.integers(0, 6, shape)], x)
    x[:, ::3] = np.where(rng.random(x[:, ::3].shape) < 0.5, F32(0), F32(-0.0))
    return x


def families(artifact) -> "list[str]":
    done = subprocess.run([exact.program("bin", "anybit"), "inspect", artifact, "--json"], capture_output=True,
                          text=True, check=True)
    return [layer["family"] for candidate in json.loads(done.stdout)["candidates"] for layer in candidate["layers"]]


def compile_both(model, folder, target):
    """The artifact with Halide's kernel and that without."""
    artifacts = []
    for name, flags in (("halide", ()), ("own", ("--no-halide",))):
        (folder / name).mkdir()
        artifacts.append(exact.compile_model(model, folder / name, target, flags=flags))
    return artifacts


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("pool", POOLS)
def test_bits_are_those_of_our_kernel(pool, name, tmp_path):
    shape, attributes = POOLS[pool]
    target = CLASSES[name]
    if name != "sse41":
        exact.need_target(target)
    halide, own = compile_both(pool_model(shape, attributes), tmp_path, target)
    assert "halide" in families(halide) and "halide" not in families(own)
    x = {"x": awkward(shape)}
    want = exact.run_artifact(own, x, None)["y"].view(np.uint32)
    for threads in ("1", "2", "3"):
        got = exact.run_artifact(halide, x, None, ("--threads", threads))["y"].view(np.uint32)
        assert (got == want).all(), f"{(got != want).sum()} of {got.size} differ with {threads} threads"


@pytest.mark.parametrize("pool", POOLS)
def test_values_are_those_of_the_reference(pool, tmp_path):
    shape, attributes = POOLS[pool]
    x = np.random.default_rng(3).normal(size=shape).astype(F32)
    exact.assert_exact(pool_model(shape, attributes), {"x": x}, tmp_path)


def symbols(path, *flags) -> str:
    return subprocess.run(["llvm-nm-22", *flags, path], check=True, capture_output=True, text=True).stdout


def test_objects_need_nothing(tmp_path):
    """What an artifact takes from Halide is one function: no runtime, no allocation, no description."""
    model = pool_model(*POOLS["padded"])
    for name in CLASSES:
        (tmp_path / name).mkdir()
        artifact = exact.compile_model(model, tmp_path / name, CLASSES[name], flags=("--emit", "obj"))
        text = symbols(artifact)
        assert f"max_f32_3x3s2_{name}" in text and text.count("max_f32_3x3s2") == 1, text
        unknown = {line.split()[-1] for line in symbols(artifact, "--undefined-only").splitlines()}
        assert unknown <= {"memcpy", "memset"}, unknown
    assert not symbols(exact.compile_model(model, tmp_path, CLASSES["sse41"]), "--dynamic", "--undefined-only")


def test_text_declares_and_calls(tmp_path):
    model = pool_model(*POOLS["padded"])
    for emit, words in (("llvm", ("declare hidden i32 @anybit_model_max_f32_3x3s2_avx2(",
                                  "call i32 @anybit_model_max_f32_3x3s2_avx2(")),
                        ("asm", (".hidden\tanybit_model_max_f32_3x3s2_avx2",))):
        text = exact.compile_model(model, tmp_path, "x86-64-v3", flags=("--emit", emit)).read_text()
        assert all(text.count(word) == 1 for word in words), text


TWO_MODELS = r"""
#include HEADER_ONE
#include HEADER_TWO
#include "anybit/runtime.h"
#include <stdio.h>
#include <stdlib.h>
static int run(const anybit_module_descriptor *descriptor, const void *x) {
  anybit_module *module;
  anybit_session *session;
  if (anybit_module_wrap(descriptor, &module) || anybit_session_create(module, NULL, &session))
    return 1;
  uint64_t bytes = anybit_tensor_bytes(descriptor->outputs);
  void *y = malloc(bytes);
  int failed = !y || anybit_session_run(session, &x, &y) || fwrite(y, 1, bytes, stdout) != bytes;
  free(y);
  anybit_session_destroy(session);
  anybit_module_close(module);
  return failed;
}
int main(void) {
  float *x = malloc(COUNT * sizeof *x);
  int failed = !x || fread(x, sizeof *x, COUNT, stdin) != COUNT || run(&anybit_one, x) || run(&anybit_two, x);
  free(x);
  return failed;
}
"""


@pytest.mark.parametrize("emit, suffix", [("obj", "o"), ("lib", "a")])
def test_two_models_in_one_program(emit, suffix, tmp_path):
    """Both contain the object of the same pool; the header states the code of each with it."""
    shape = POOLS["padded"][0]
    x = awkward(shape)
    want, libraries = b"", []
    for name, pads in (("one", [1, 1, 1, 1]), ("two", [0, 1, 0, 1])):
        model = pool_model(shape, dict(pads=pads))
        onnx.save(model, tmp_path / f"{name}.onnx")
        libraries.append(tmp_path / f"{name}.{suffix}")
        subprocess.run([exact.program("bin", "anybit"), "compile", tmp_path / f"{name}.onnx", "--emit", emit, "-q", "-o",
                        libraries[-1], "--target", CLASSES["sse41"]], check=True)
        (tmp_path / name).mkdir()
        want += exact.run_artifact(exact.compile_model(model, tmp_path / name, CLASSES["sse41"], flags=("--no-halide",)),
                                   {"x": x}, None)["y"].tobytes()
        rows = [line.split() for line in symbols(libraries[-1], "--print-size", "--radix=d").splitlines()]
        code = sum(int(row[1]) for row in rows if len(row) == 4 and row[2] in "tT")
        assert f"CODE_BYTES {code}" in " ".join(libraries[-1].with_suffix(".h").read_text().split())
    (tmp_path / "two.c").write_text(TWO_MODELS)
    defines = [f'-DHEADER_{name.upper()}="{tmp_path / name}.h"' for name in ("one", "two")]
    subprocess.run(["clang-22", "-std=c11", "-Wall", "-Werror", *defines, f"-DCOUNT={x.size}",
                    f"-I{ROOT / 'runtime' / 'include'}", tmp_path / "two.c", *libraries,
                    exact.program("lib", "libanybit_runtime.a"), "-lpthread", "-ldl", "-lm", "-o", tmp_path / "program"],
                   check=True)
    done = subprocess.run([tmp_path / "program"], input=x.tobytes(), capture_output=True)
    assert done.returncode == 0
    assert done.stdout == want


# Positions half way, at both ends, and further apart than the input's; sizes that no tile divides.
RESIZES = {
    "up": ([2, 128, 9, 7], (23, 29), "align_corners"),
    "twice": ([1, 192, 12, 5], (24, 10), "half_pixel"),
    "down in one direction": ([2, 128, 30, 9], (21, 17), "asymmetric"),
    "few rows": ([1, 128, 3, 9], (5, 14), "half_pixel"),
}


def resize_model(shape, size, coordinates) -> onnx.ModelProto:
    """x -> resize -> convolution with padding -> y, and the resize again for a pool: inside of a network."""
    channels = shape[1]
    constants = [onnx.numpy_helper.from_array(np.array([*shape[:2], *size], np.int64), "sizes"),
                 onnx.numpy_helper.from_array(np.ones((channels, 1, 3, 3), F32), "weights")]
    nodes = [helper.make_node("Resize", ["x", "", "", "sizes"], ["r"], mode="linear", name="resize",
                              coordinate_transformation_mode=coordinates),
             helper.make_node("Conv", ["r", "weights"], ["y"], group=channels, pads=[1, 1, 1, 1]),
             helper.make_node("MaxPool", ["r"], ["z"], kernel_shape=[1, 1])]
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "yz"], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("name", ["avx2", "avx512"])
@pytest.mark.parametrize("resize", RESIZES)
def test_resizes_have_the_bits_of_our_loops(resize, name, tmp_path):
    exact.need_target(CLASSES[name])
    model = resize_model(*RESIZES[resize])
    halide, own = compile_both(model, tmp_path, CLASSES[name])
    assert families(halide).count("halide") == 1 and "halide" not in families(own)
    x = {"x": np.random.default_rng(4).normal(size=RESIZES[resize][0]).astype(F32)}
    want = exact.run_artifact(own, x, None)
    for threads in ("1", "2"):
        got = exact.run_artifact(halide, x, None, ("--threads", threads))
        for output in "yz":
            assert (got[output].view(np.uint32) == want[output].view(np.uint32)).all(), (output, threads)
    np.testing.assert_allclose(got["z"], reference.run(model, x)["z"], rtol=1e-5, atol=1e-5)
