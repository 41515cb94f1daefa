"""Object detection on the COCO subsets: preprocessing, decoding and AP50 for YOLOX-nano and FastestDet."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Callable, Iterator

import numpy as np

F32 = np.float32


@dataclass(frozen=True)
class Detector:
    """prepare: PIL image -> ([1, 3, H, W], scale of a box of the network to the picture (x, y)); decode: the raw
    output of one picture -> boxes [n, 4] (x1, y1, x2, y2 in network pixels), scores [n, 80]."""

    prepare: Callable
    decode: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    overlap: float


def pictures(data: pathlib.Path, part: str, limit: int | None = None) -> Iterator[tuple[object, np.ndarray]]:
    """The first pictures (PIL, RGB) with their objects [n, 5]: class, x1, y1, x2, y2 in pixels."""
    from PIL import Image
    for path in sorted((data / "images" / part / "images").glob("*.jpg"))[:limit]:
        with Image.open(path) as file:
            image = file.convert("RGB")
        label = data / "images" / part / "labels" / f"{path.stem}.txt"
        rows = np.loadtxt(label, ndmin=2) if label.exists() and label.stat().st_size else np.zeros((0, 5))
        centre, size = rows[:, 1:3] * image.size, rows[:, 3:5] * image.size
        yield image, np.concatenate([rows[:, :1], centre - size / 2, centre + size / 2], axis=1)


def _letterbox(image) -> tuple[np.ndarray, tuple[float, float]]:
    """BGR 0..255, ratio kept, at the top left of 416x416 of value 114."""
    from PIL import Image
    ratio = min(416 / image.width, 416 / image.height)
    small = image.resize((int(image.width * ratio), int(image.height * ratio)), Image.BILINEAR)
    canvas = np.full((416, 416, 3), 114, F32)
    canvas[:small.height, :small.width] = np.asarray(small, F32)
    return np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1))[None], (1 / ratio, 1 / ratio)


def _stretched(image) -> tuple[np.ndarray, tuple[float, float]]:
    """BGR 0..1, resized to 352x352."""
    from PIL import Image
    small = np.asarray(image.resize((352, 352), Image.BILINEAR), F32) / F32(255)
    return np.ascontiguousarray(small[:, :, ::-1].transpose(2, 0, 1))[None], (image.width / 352, image.height / 352)


def _sides(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def decode_yolox(output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[3549, 85] (cx, cy, w, h, objectness, 80 classes), strides 8, 16, 32."""
    grids, strides = [], []
    for stride in (8, 16, 32):
        side = 416 // stride
        rows, columns = np.divmod(np.arange(side * side), side)
        grids.append(np.stack([columns, rows], axis=1))
        strides.append(np.full((side * side, 1), stride))
    grid, stride = np.concatenate(grids), np.concatenate(strides)
    with np.errstate(over="ignore"):
        boxes = _sides((output[:, :2] + grid) * stride, np.exp(output[:, 2:4]) * stride)
    return boxes, output[:, 4:5] * output[:, 5:]


def decode_fastestdet(output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[85, 22, 22]: objectness, box, 80 classes; score objectness^0.6 * class^0.4."""
    flat = output.reshape(85, -1).T.astype(np.float64)
    rows, columns = np.divmod(np.arange(484), 22)
    centre = (np.stack([columns, rows], axis=1) + np.tanh(flat[:, 1:3])) / 22
    boxes = _sides(centre * 352, 352 / (1 + np.exp(-flat[:, 3:5])))
    positive = np.clip(flat, 0, None)
    return boxes, positive[:, :1] ** 0.6 * positive[:, 5:] ** 0.4


YOLOX = Detector(_letterbox, decode_yolox, 0.65)
FASTESTDET = Detector(_stretched, decode_fastestdet, 0.45)
DETECTORS = {"yolox_nano_coco": YOLOX, "fastestdet_coco": FASTESTDET}


def calibration_inputs(data: pathlib.Path, detector: Detector) -> np.ndarray:
    """The 64 training pictures, prepared."""
    return np.concatenate([detector.prepare(image)[0] for image, _ in pictures(data, "coco_train_64")])


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box [4] and others [n, 4]."""
    corner_low, corner_high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.clip(corner_high - corner_low, 0, None).prod(axis=1)
    area = np.clip(others[:, 2:] - others[:, :2], 0, None).prod(axis=1) + np.clip(box[2:] - box[:2], 0, None).prod()
    return common / np.maximum(area - common, 1e-12)


def suppress(boxes: np.ndarray, scores: np.ndarray, limit: float) -> np.ndarray:
    """Indices kept by greedy non-maximum suppression, best first."""
    order, kept = scores.argsort(kind="stable")[::-1], []
    while len(order):
        kept.append(order[0])
        order = order[1:][overlaps(boxes[order[0]], boxes[order[1:]]) <= limit]
    return np.array(kept, int)


def detections(output: np.ndarray, detector: Detector, scale: tuple[float, float], least: float = 0.001,
               most: int = 100, candidates: int = 200) -> np.ndarray:
    """[n, 6]: class, score, x1, y1, x2, y2 in picture pixels; at most ``most``, best first.

    Every class of a box counts by itself; a class enters suppression with its ``candidates`` best boxes.
    """
    boxes, scores = detector.decode(output)
    found = [np.zeros((0, 6))]
    for label in range(scores.shape[1]):
        index = np.flatnonzero(scores[:, label] > least)
        index = index[(-scores[index, label]).argsort(kind="stable")[:candidates]]
        index = index[suppress(boxes[index], scores[index, label], detector.overlap)]
        found.append(np.column_stack([np.full(len(index), label), scores[index, label], boxes[index] * (scale * 2)]))
    rows = np.concatenate(found)
    return rows[(-rows[:, 1]).argsort(kind="stable")[:most]]


def average_precision(found: list[np.ndarray], objects: list[np.ndarray], overlap: float = 0.5) -> float:
    """AP at one overlap: mean over the classes present of the 101-point interpolated precision (COCO's rule)."""
    classes = np.unique(np.concatenate([o[:, 0] for o in objects]))
    return float(np.mean([_class_precision(found, objects, label, overlap) for label in classes]))


def _class_precision(found: list, objects: list, label: float, overlap: float) -> float:
    scores, right = [], []
    for rows, truth in zip(found, objects):
        boxes = truth[truth[:, 0] == label, 1:]
        taken = np.zeros(len(boxes), bool)
        for row in rows[rows[:, 0] == label]:
            shares = np.where(taken, -1.0, overlaps(row[2:], boxes))
            hit = len(boxes) > 0 and shares.max() >= overlap
            if hit:
                taken[shares.argmax()] = True
            scores.append(row[1])
            right.append(hit)
    total = sum(int((truth[:, 0] == label).sum()) for truth in objects)
    order = np.argsort(np.array(scores), kind="stable")[::-1]
    hits = np.cumsum(np.array(right, float)[order]) if right else np.zeros(0)
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / total, np.linspace(0, 1, 101), side="left")
    return float(np.concatenate([precision, [0.0]])[np.minimum(at, len(precision))].mean())


def evaluate(data: pathlib.Path, parts: tuple[str, ...], detector: Detector,
             network: Callable[[np.ndarray], np.ndarray], limit: int | None = None) -> float:
    """AP50 in percent of ``network`` ([1, 3, H, W] -> raw output with a batch of 1) on subsets, or on the first
    ``limit`` pictures of each."""
    found, objects = [], []
    for image, truth in (pair for part in parts for pair in pictures(data, part, limit)):
        tensor, scale = detector.prepare(image)
        found.append(detections(np.asarray(network(tensor))[0], detector, scale))
        objects.append(truth)
    return 100.0 * average_precision(found, objects)
