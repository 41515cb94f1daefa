"""What a user sees: sentences instead of half-written files, and a progress bar on a terminal only."""

import os
import pty
import resource
import signal
import subprocess
import time

import numpy as np
import pytest

import package_models
from conftest import EXAMPLE, anybit
from exact import program


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """switchable.onnx, and good.so, which it compiles to."""
    path = tmp_path_factory.mktemp("messages")
    package_models.write_switchable(path / "switchable.onnx")
    anybit("compile", path / "switchable.onnx", "-q", "-o", path / "good.so")
    return path


def refusal(*arguments, code=2, **options):
    """The message of a call that must fail with this exit code."""
    done = subprocess.run([program("bin", "anybit"), *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == code, f"exits {done.returncode}: {done.stderr}"
    return done.stderr


ARRAYS = {
    "type": (np.zeros((1, 3, 8, 8)), "holds float64 1x3x8x8, but input 'image' is float32 1x3x8x8"),
    "shape": (np.zeros((1, 3, 8, 9), np.float32), "holds float32 1x3x8x9, but"),
    "rank": (np.zeros((3, 8, 8), np.float32), "holds float32 3x8x8, but"),
    "rows": (np.zeros((0, 3, 8, 8), np.float32), "holds float32 0x3x8x8, but"),
    "objects": (np.array([{}], object), "element type '|O' cannot be read; convert the array to float32"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_wrong_array(name, folder, tmp_path):
    array, words = ARRAYS[name]
    np.save(tmp_path / "x.npy", array)
    assert words in refusal("run", folder / "good.so", "--input", tmp_path / "x.npy")


@pytest.mark.parametrize("bytes_kept, words", [(0, "no .npy file"), (40, "truncated"), (500, "truncated")])
def test_truncated_array(bytes_kept, words, folder, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    os.truncate(tmp_path / "x.npy", bytes_kept)
    text = refusal("run", folder / "good.so", "--input", tmp_path / "x.npy")
    assert words in text or bytes_kept == 0 and "x.npy" in text


def test_unknown_names(folder, tmp_path):
    for verb in ("run", "bench"):
        assert "has no candidate 'w9a9', it has w8a8, w4a4, w2a2" in refusal(verb, folder / "good.so", "--candidate", "w9a9")
    compile_it = ["compile", folder / "switchable.onnx", "-o", tmp_path / "m.so"]
    assert refusal(*compile_it, "--candidates", "w9a9") == ("error: the model has no candidate w9a9, it has w8a8, w4a4, "
                                                            "w2a2\n")
    assert refusal(*compile_it, "--candidates", "w8a8,w8a8") == "error: candidate 'w8a8' is given twice\n"
    assert refusal(*compile_it, "--dim", "m=2") == "error: the model has no free dimension 'm', it has n\n"
    assert not list(tmp_path.iterdir())


def test_calibration(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    quantize = ["quantize", EXAMPLE / "resnet8.onnx", "--candidates", "w8a8", "-o", tmp_path / "q.onnx"]
    assert "--calibration is missing" in refusal(*quantize)
    assert "cannot read calibration path" in refusal(*quantize, "--calibration", tmp_path / "absent")
    assert "has no files ending in .npy" in refusal(*quantize, "--calibration", tmp_path / "empty")
    assert "pictures need --preprocess" in refusal(*quantize, "--calibration", EXAMPLE / "calibration")
    assert not (tmp_path / "q.onnx").exists()


def test_foreign_and_truncated_artifacts(folder, tmp_path):
    good = (folder / "good.so").read_bytes()
    for count in (0, 40, 1000, len(good) // 2, len(good) - 1):
        (tmp_path / "cut.so").write_bytes(good[:count])
        for verb in ("run", "bench"):
            assert "is not a whole artifact" in refusal(verb, tmp_path / "cut.so")
    for damaged in (100, len(good) // 3, len(good) - 100):
        (tmp_path / "bad.so").write_bytes(good[:damaged] + bytes([good[damaged] ^ 4]) + good[damaged + 1:])
        assert "bad.so" in refusal("inspect", tmp_path / "bad.so")
    assert "it is no ELF file" in refusal("run", folder / "switchable.onnx")
    assert "without the anybit note" in refusal("run", program("lib", "libanybit.so"))
    assert "not an ONNX file" in refusal("compile", folder / "good.so", "-o", tmp_path / "m.so")


def small_disk():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


EMITS = [("--emit", kind) for kind in ("so", "obj", "lib", "llvm", "asm")] + [("--stop-after", "schedule")]


@pytest.mark.parametrize("how", EMITS, ids=lambda how: how[1])
def test_unwritable_output(how, folder, tmp_path):
    """A missing folder, a folder in the way, and a disk that is full (here: a limit of the file size) leave nothing."""
    compile_it = ["compile", folder / "switchable.onnx", "--candidates", "w2a2", *how, "-o"]
    assert "cannot write" in refusal(*compile_it, tmp_path / "absent" / "m.so")
    (tmp_path / "taken.so").mkdir()
    assert "no regular file" in refusal(*compile_it, tmp_path / "taken.so")
    (tmp_path / "old.so").write_bytes(b"as before")
    if how[1] in ("llvm", "asm", "schedule"):  # the linker's own files would meet the limit first
        assert "cannot write" in refusal(*compile_it, tmp_path / "old.so", preexec_fn=small_disk, restore_signals=False)
    assert (tmp_path / "old.so").read_bytes() == b"as before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.so", "taken.so"]
    assert not list((tmp_path / "taken.so").iterdir())


def test_unwritable_results(folder, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    run = ["run", folder / "good.so", "--input", tmp_path / "x.npy"]
    assert "cannot write" in refusal(*run, "--output", tmp_path / "absent" / "y.npy")
    assert "cannot make the folder" in refusal(*run, "--output-dir", tmp_path / "x.npy" / "folder")
    assert "cannot write" in refusal("quantize", EXAMPLE / "resnet8.onnx", "--calibration", EXAMPLE / "calibration",
                                     "--preprocess", "raw", "--samples", 2, "--candidates", "w8a8", "-q", "-o",
                                     tmp_path / "absent" / "q.onnx")


def test_the_input_is_not_the_output(folder, tmp_path):
    for verb, *flags in (["compile"], ["quantize", "--calibration", EXAMPLE / "calibration", "--candidates", "w8a8"]):
        (tmp_path / "m.onnx").write_bytes((folder / "switchable.onnx").read_bytes())
        assert "it is the input" in refusal(verb, tmp_path / "m.onnx", *flags, "-o", tmp_path / "m.onnx")
        assert (tmp_path / "m.onnx").read_bytes() == (folder / "switchable.onnx").read_bytes()


def test_output_is_checked_before_the_work(tmp_path):
    """A model that is no model is not even read when its result could not be written."""
    (tmp_path / "no.onnx").write_text("none")
    for verb, *flags in (["compile"], ["quantize", "--calibration", tmp_path, "--candidates", "w8a8"]):
        text = refusal(verb, tmp_path / "no.onnx", *flags, "-o", tmp_path / "absent" / "out")
        assert "cannot write" in text and "no.onnx" not in text


@pytest.mark.parametrize("arguments", [["supported-ops"], ["--help"], ["compile", "--help"]], ids=" ".join)
def test_standard_output_on_a_full_disk(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([program("bin", "anybit"), *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "error: cannot write to standard output: " in done.stderr


@pytest.mark.parametrize("verb", ["quantize", "compile", "run", "bench", "inspect", "supported-ops"])
def test_help_fits_a_screen(verb):
    lines = anybit(verb, "--help").stdout.splitlines()
    assert lines[0].startswith("OVERVIEW:") and len(lines) <= 24 and max(map(len, lines)) <= 110


def on_terminal(*arguments):
    """What the tool writes to a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([program("bin", "anybit"), *map(str, arguments)], stdout=follower, stderr=follower)
    os.close(follower)
    text = b""
    try:
        while part := os.read(leader, 4096):
            text += part
    except OSError:  # Linux: the other end is closed
        pass
    os.close(leader)
    assert process.wait() == 0, text
    return text.decode()


def test_progress_on_a_terminal_only(folder, tmp_path):
    layers, seconds = 48, 0.0
    while seconds < 4:  # long enough on this machine for a bar after two seconds
        layers *= 2
        package_models.write_deep(tmp_path / "deep.onnx", layers)
        start = time.monotonic()
        assert on_terminal("compile", tmp_path / "deep.onnx", "-q", "-o", tmp_path / "m.so") == ""
        seconds = time.monotonic() - start
    shown = on_terminal("compile", tmp_path / "deep.onnx", "-o", tmp_path / "m.so")
    assert "compile [" in shown and "%" in shown and shown.endswith("\r\x1b[K")
    short = ["compile", folder / "switchable.onnx", "--stop-after", "import", "-o", tmp_path / "s.mlir"]
    assert on_terminal(*short) == "" and anybit(*short).stderr == ""
    assert anybit("compile", tmp_path / "deep.onnx", "-o", tmp_path / "m.so").stderr == ""
