"""The labelled sets of the test data as tensors, each with the preprocessing its model was measured with.

Every loader takes the data folder ($ANYBIT_TEST_DATA) and returns (inputs float32 [N, ...], labels int64 [N]).
"""

from __future__ import annotations

import csv
import gzip
import pathlib
from dataclasses import dataclass
from typing import Callable

import numpy as np

F32 = np.float32
_IMAGENET_MEAN = np.array([.485, .456, .406], F32).reshape(3, 1, 1)
_IMAGENET_STD = np.array([.229, .224, .225], F32).reshape(3, 1, 1)
Loaded = tuple[np.ndarray, np.ndarray]


def _column(path: pathlib.Path, name: str) -> list[str]:
    with open(path, newline="", encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


def _labels(path: pathlib.Path) -> np.ndarray:
    return np.array(_column(path, "label"), np.int64)


# Classification.

def cifar10(data: pathlib.Path, part: str, scaling: str = "raw", limit: int | None = None) -> Loaded:
    """part: train_lossless_4000, test_lossless_200 or test_jpeg_5000. [N, 3, 32, 32], 0..255 or ``imagenet`` scaled."""
    raw = np.fromfile(data / "cifar10" / f"{part}.bin", np.uint8).reshape(-1, 3073)[:limit]
    images = raw[:, 1:].reshape(-1, 3, 32, 32).astype(F32)
    if scaling == "imagenet":
        images = (images / F32(255) - _IMAGENET_MEAN) / _IMAGENET_STD
    return images, raw[:, 0].astype(np.int64)


def mnist(data: pathlib.Path, part: str = "t10k-first3000", limit: int | None = None) -> Loaded:
    """part: t10k-first3000 or train5000. [N, 1, 28, 28], 0..255."""
    with gzip.open(data / "mnist" / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)[:limit]
    with gzip.open(data / "mnist" / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)[:limit]
    return images.astype(F32), labels.astype(np.int64)


def mnist_vector(data: pathlib.Path, part: str = "t10k-first3000", limit: int | None = None) -> Loaded:
    """[N, 784], 0..1."""
    images, labels = mnist(data, part, limit)
    return (images / F32(255)).reshape(len(images), 784), labels


def vww96(data: pathlib.Path, limit: int | None = None) -> Loaded:
    """Visual wake words: [N, 3, 96, 96] RGB, 0..1; label 1 = person."""
    images = np.fromfile(data / "vww96" / "vww_500.bin", np.uint8).reshape(-1, 96, 96, 3)[:limit]
    tensors = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(F32) / F32(255)
    return tensors, _labels(data / "vww96" / "vww_500_labels.csv")[:limit]


def kws(data: pathlib.Path, limit: int | None = None) -> Loaded:
    """Keywords: MFCC [N, 1, 49, 10]; 12 classes."""
    codes = np.fromfile(data / "kws" / "kws_mfcc_int8_500.bin", np.int8).reshape(-1, 1, 49, 10)[:limit]
    tensors = (codes.astype(F32) - F32(83)) * F32(0.5847029)
    return tensors, _labels(data / "kws" / "kws_mfcc_int8_500_labels.csv")[:limit]


def ad01(data: pathlib.Path, limit: int | None = None) -> Loaded:
    """Anomaly detection: [N, 196, 640], every window of 5 frames of each recording; label 1 = anomaly."""
    frames = np.fromfile(data / "ad01" / "ad01_f32_80x200x128.bin", F32).reshape(-1, 200, 128)[:limit]
    windows = np.stack([frames[:, i:i + 5].reshape(len(frames), 640) for i in range(196)], axis=1)
    return windows, _labels(data / "ad01" / "ad01_f32_80x200x128_labels.csv")[:limit]


def imagenet(data: pathlib.Path, part: str, scaling: str, limit: int | None = None) -> Loaded:
    """part: nips17_dev500 or imagenet_train_512. Shorter side to 256 (Pillow bilinear), centre crop 224.

    scaling: ``imagenet`` (mean and std) or ``tf`` (x/127.5 - 1). [N, 3, 224, 224] RGB.
    """
    folder = data / "images" / part
    names = _column(folder / "labels.csv", "file")[:limit]
    images = np.stack([_resized_crop(folder / name) for name in names])
    if scaling == "tf":
        images = images / F32(127.5) - F32(1)
    else:
        images = (images / F32(255) - _IMAGENET_MEAN) / _IMAGENET_STD
    return images, _labels(folder / "labels.csv")[:limit]


def _resized_crop(path: pathlib.Path) -> np.ndarray:
    from PIL import Image
    with Image.open(path) as file:
        image = file.convert("RGB")
    short = min(image.size)
    size = tuple(256 if n == short else round(n * 256 / short) for n in image.size)
    image = image.resize(size, Image.BILINEAR)
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    return np.asarray(image.crop((left, top, left + 224, top + 224)), F32).transpose(2, 0, 1)


def top1(outputs: np.ndarray, labels: np.ndarray, background: int = 0) -> float:
    """Share of right answers in percent. outputs [N, C]; the first ``background`` classes are dropped."""
    return 100.0 * float((outputs[:, background:].argmax(axis=1) == labels).mean())


def agreement(outputs: np.ndarray, others: np.ndarray) -> float:
    """Share of equal top-1 classes in percent."""
    return 100.0 * float((outputs.argmax(axis=1) == others.argmax(axis=1)).mean())


def area_under_curve(scores: np.ndarray, labels: np.ndarray) -> float:
    """AUC of the receiver operating characteristic: the chance that a positive scores above a negative."""
    order = scores.argsort(kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        ranks[scores == value] = ranks[scores == value].mean()
    positive = labels == 1
    count = int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(labels) - count)))


# Workloads: a model with the sets it is measured and calibrated on.

@dataclass(frozen=True)
class Workload:
    """model: file stem. test, calibration: data folder -> (inputs, labels). metric: top1, auc, ap50, pixels (agreement
    with the float model, of each pixel), codes (a file that is quantized) or none.

    background: classes in front of the labelled ones. flags: of ``anybit compile``. The calibration inputs carry no
    labels.
    """

    model: str
    test: Callable[[pathlib.Path], Loaded] | None
    calibration: Callable[[pathlib.Path], np.ndarray]
    metric: str = "top1"
    background: int = 0
    flags: tuple[str, ...] = ()

    @property
    def trained(self) -> bool:
        """A float model that somebody trained: it can be quantized, and its answers mean something."""
        return self.metric not in ("none", "codes")


def _cifar(model: str, scaling: str) -> Workload:
    return Workload(model, lambda d: cifar10(d, "test_jpeg_5000", scaling),
                    lambda d: cifar10(d, "train_lossless_4000", scaling, 512)[0])


def _imagenet(model: str, scaling: str, background: int = 0) -> Workload:
    return Workload(model, lambda d: imagenet(d, "nips17_dev500", scaling),
                    lambda d: imagenet(d, "imagenet_train_512", scaling, 128)[0], background=background)


def _photos(data: pathlib.Path, part: str, side: int) -> np.ndarray:
    """Unlabelled RGB pictures, stretched, x/127.5 - 1."""
    from PIL import Image
    images = []
    for path in sorted((data / "images" / part / "images").glob("*.jpg")):
        with Image.open(path) as file:
            images.append(np.asarray(file.convert("RGB").resize((side, side), Image.BILINEAR), F32))
    return np.stack(images).transpose(0, 3, 1, 2) / F32(127.5) - F32(1)


def rendered_text(count: int, seed: int) -> Loaded:
    """Lines of random words in random colours: [N, 3, 48, 192] BGR, x/127.5 - 1; label 1 = upside down."""
    from PIL import Image, ImageDraw, ImageFont
    rng, letters = np.random.default_rng(seed), list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    images, labels = [], rng.integers(0, 2, count)
    for label in labels:
        words = " ".join("".join(rng.choice(letters, rng.integers(2, 8))) for _ in range(rng.integers(1, 4)))
        paper = rng.integers(128, 256, 3)
        font = ImageFont.load_default(int(rng.integers(20, 40)))
        left, top, right, bottom = font.getbbox(words)
        image = Image.new("RGB", (right - left + 12, bottom - top + 12), tuple(int(c) for c in paper))
        ImageDraw.Draw(image).text((6 - left, 6 - top), words, tuple(int(c) for c in paper // 4), font)
        image = image.rotate(180 * int(label)).resize((192, 48), Image.BILINEAR)
        noisy = np.asarray(image, F32) + rng.normal(0, rng.uniform(0, 25), (48, 192, 1)).astype(F32)
        images.append(np.clip(noisy, 0, 255)[:, :, ::-1].transpose(2, 0, 1) / F32(127.5) - F32(1))
    return np.ascontiguousarray(np.stack(images)), labels


def _qonnx(name: str, *shape: int) -> Workload:
    """Eight inputs of multiples of 1/16: sums of a first layer that multiplies reals are exact in any order."""
    return Workload(f"qonnx/{name}", None, lambda d: (np.random.default_rng(1).integers(0, 17, (8, *shape)) / 16).astype(F32), "codes")


def workloads() -> dict[str, Workload]:
    """Every measured model by its file stem; ``*_random`` are generated, of a shape only."""
    from detection import FASTESTDET, YOLOX, calibration_inputs
    listed = [
        _cifar("mlperftiny_resnet8_cifar10", "raw"), _cifar("resnet20_cifar10", "imagenet"),
        _cifar("resnet56_cifar10", "imagenet"),
        Workload("mlperftiny_kws_dscnn", kws, lambda d: kws(d, 128)[0]),
        Workload("mlperftiny_vww_mobilenetv1_025", vww96, lambda d: vww96(d, 128)[0]),
        Workload("mlperftiny_ad01_autoencoder", ad01, lambda d: ad01(d, 8)[0].reshape(-1, 640)[::4], "auc"),
        Workload("mnist8", mnist, lambda d: mnist(d, "train5000", 256)[0]),
        Workload("mnist_mlp_bn", mnist_vector, lambda d: mnist_vector(d, "train5000", 256)[0]),
        _imagenet("mobilenetv1_025_imagenet", "tf", background=1), _imagenet("mobilenetv2_imagenet", "imagenet"),
        _imagenet("squeezenet1_1_imagenet", "imagenet"),
        Workload("yolox_nano_coco", None, lambda d: calibration_inputs(d, YOLOX), "ap50"),
        Workload("fastestdet_coco", None, lambda d: calibration_inputs(d, FASTESTDET), "ap50"),
        Workload("ppocr_cls_mobilenetv3", lambda d: rendered_text(500, 1), lambda d: rendered_text(128, 2)[0],
                 flags=("--dim", "p2o.DynamicDimension.1=48", "--dim", "p2o.DynamicDimension.2=192")),
        Workload("deeplabv3_mnv2_dm05_voc", lambda d: (_photos(d, "coco_val_64", 257)[:32], np.zeros(32, np.int64)),
                 lambda d: _photos(d, "coco_train_64", 257), "pixels"),
        *(Workload(f"{name}_random", None, lambda d: imagenet(d, "imagenet_train_512", "imagenet", 16)[0], "none")
          for name in ("resnet18", "resnet50", "mobilenetv1")),
        *(_qonnx(f"TFC_{name}", 1, 28, 28) for name in ("1W1A", "1W2A", "2W2A")), _qonnx("kwsmlp_w3a3", 1, 10, 49),
        _qonnx("qkeras_jettagging", 16), _qonnx("unsw_nb15-mlp-w2a2", 600),
    ]
    return {workload.model: workload for workload in listed}
