"""`--preprocess` against Pillow on real pictures: equal in every bit before scaling."""

import os
import pathlib
import subprocess

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

BUILD = pathlib.Path(os.environ.get("ANYBIT_BUILD", pathlib.Path(__file__).parents[2] / "build"))
DUMP = BUILD / "test" / "unit" / "preprocess_dump"
DATA = os.environ.get("ANYBIT_TEST_DATA")

pytestmark = [
    pytest.mark.skipif(not DATA, reason="ANYBIT_TEST_DATA is not set"),
    pytest.mark.skipif(not DUMP.exists(), reason=f"{DUMP} is not built (set ANYBIT_BUILD)"),
]


def pictures():
    folder = pathlib.Path(DATA or ".") / "images"
    return [path for name in ("imagenet_train_512", "nips17_dev500", "coco_val_64/images")
            for path in sorted((folder / name).glob("*.jpg"))[:12]]


def ours(path, options, tmp_path):
    subprocess.run([DUMP, path, options, tmp_path / "out.npy"], check=True)
    return np.load(tmp_path / "out.npy")


def shorter_crop(image, side, crop):
    width, height = image.size
    size = (side, side * height // width) if width <= height else (side * width // height, side)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (size[0] - crop) // 2, (size[1] - crop) // 2
    return np.asarray(image.crop((left, top, left + crop, top + crop)))


@pytest.mark.parametrize("path", pictures(), ids=lambda path: path.stem)
def test_equal_to_pillow(path, tmp_path):
    image = Image.open(path).convert("RGB")
    expected = shorter_crop(image, 256, 224)
    got = ours(path, "imagenet,mean=0,std=1,scale=1,layout=nhwc", tmp_path)
    # Decoders of other versions may differ by one step; the resize does not.
    assert np.abs(got[0] - expected.astype(np.float32)).max() <= 1

    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    normalised = ((expected / np.float32(255) - mean) / std).transpose(2, 0, 1)
    assert np.abs(ours(path, "imagenet", tmp_path)[0] - normalised).max() <= 1 / 255 / 0.224 + 1e-6

    stretched = np.asarray(image.resize((96, 64), Image.Resampling.BILINEAR))
    assert np.abs(ours(path, "raw,size=96x64,layout=nhwc", tmp_path)[0] - stretched.astype(np.float32)).max() <= 1
