"""Quantizes, compiles and runs ResNet-8 at four precisions, switching between runs (see README.md).

Usage: demo.py [BUILD]   BUILD: the build tree, by default ../../build
"""

import csv
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parent.parent / "build")
sys.path.insert(0, str(BUILD / "python"))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import anybit  # noqa: E402

CANDIDATES = ["w8a8", "w4a4", "w3a3", "w2a2"]


def pictures():
    """The pictures as float32 [N, 3, 32, 32] in 0..255, and their labels [N]."""
    with open(HERE / "pictures" / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    images = [np.asarray(Image.open(HERE / "pictures" / row["file"]), np.float32) for row in rows]
    return np.stack(images).transpose(0, 3, 1, 2).copy(), np.array([int(row["label"]) for row in rows])


def run_switching(model, images):
    """Runs every picture at every candidate, switching before each run: classes and seconds per candidate."""
    classes = {name: [] for name in CANDIDATES}
    seconds = {name: [] for name in CANDIDATES}
    for image in images:
        for name in CANDIDATES:
            model.candidate = name
            start = time.perf_counter()
            scores = model(image[None])
            seconds[name].append(time.perf_counter() - start)
            classes[name].append(int(np.argmax(scores)))
    return classes, seconds


def switch_nanoseconds(model, switches=100000):
    """Time of one switch from Python, the call included."""
    indices = [i % len(CANDIDATES) for i in range(switches)]
    start = time.perf_counter()
    for index in indices:
        model.candidate = index
    return (time.perf_counter() - start) / switches * 1e9


def main():
    images, labels = pictures()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        print("quantize: 128 pictures without labels ->", ", ".join(CANDIDATES))
        anybit.quantize(str(HERE / "resnet8.onnx"), str(folder / "switchable.onnx"),
                        calibration=str(HERE / "calibration"), preprocess="raw", candidates=CANDIDATES)
        print("compile: one artifact for all of them, and the float model to compare with")
        anybit.compile(str(folder / "switchable.onnx"), str(folder / "resnet8.so"), narrow_weights=True)
        anybit.compile(str(HERE / "resnet8.onnx"), str(folder / "float.so"))
        model, reference = anybit.load(str(folder / "resnet8.so")), anybit.load(str(folder / "float.so"))
        expected = [int(np.argmax(reference(image[None]))) for image in images]
        classes, seconds = run_switching(model, images)
        print(f"\n{'candidate':<10} {'top-1':>7} {'agrees with float':>18} {'latency':>10} {'weights':>10}")
        print(f"{'float':<10} {np.mean(expected == labels):>7.1%}")
        for name in CANDIDATES:
            top1 = np.mean(np.array(classes[name]) == labels)
            agreement = np.mean(np.array(classes[name]) == np.array(expected))
            print(f"{name:<10} {top1:>7.1%} {agreement:>18.1%} {min(seconds[name]) * 1e6:>7.0f} us "
                  f"{model.weight_bytes[name]:>8} B")
        print(f"\nartifact {(folder / 'resnet8.so').stat().st_size} bytes for {len(CANDIDATES)} candidates; "
              f"a switch takes {switch_nanoseconds(model):.0f} ns from Python")


if __name__ == "__main__":
    main()
