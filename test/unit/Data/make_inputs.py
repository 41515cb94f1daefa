"""Makes the files of Inputs/ that the unit tests of the data room read. Needs NumPy and Pillow; the expectations are
Pillow's own results. Run it by hand after a change: python make_inputs.py"""

import pathlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent / "Inputs"


def pictures(rng):
    y, x = np.mgrid[0:37, 0:53]
    smooth = np.stack([x * 4, y * 6, (x + y) * 2], axis=-1)
    noise = rng.integers(-20, 21, size=(37, 53, 3))
    rgb = Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    rgb.save(HERE / "rgb.png")
    rgb.save(HERE / "rgb.jpg", quality=90)
    rgb.save(HERE / "progressive.jpg", quality=80, progressive=True)
    rgb.convert("L").save(HERE / "gray.jpg")
    rgb.convert("L").save(HERE / "gray.png")
    rgb.convert("CMYK").save(HERE / "cmyk.jpg", quality=90)
    rgb.quantize(32).save(HERE / "palette.png")
    alpha = Image.fromarray((x * 4).astype(np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    rgba.save(HERE / "rgba.png")
    return rgb


def expectations(rgb):
    for name in ["rgb.png", "rgb.jpg", "progressive.jpg", "gray.jpg", "gray.png", "cmyk.jpg", "palette.png", "rgba.png"]:
        with Image.open(HERE / name) as image:
            np.save(HERE / f"{name}.npy", np.asarray(image.convert("RGB")))
    for width, height in [(20, 11), (53, 9), (7, 37), (80, 61), (26, 70), (1, 1)]:
        resized = rgb.resize((width, height), Image.Resampling.BILINEAR)
        np.save(HERE / f"resized_{width}x{height}.npy", np.asarray(resized))
    gray = rgb.convert("L").resize((20, 11), Image.Resampling.BILINEAR)
    np.save(HERE / "resized_gray_20x11.npy", np.asarray(gray))


def arrays(rng):
    values = rng.integers(0, 100, size=(3, 4, 5))
    for code in ["<f4", ">f4", "<f8", "<f2", "u1", "i1", "<u2", ">u2", "<i2", "<i4", ">i8", "<i8"]:
        np.save(HERE / f"array_{code.replace('<', 'le_').replace('>', 'be_')}.npy", values.astype(code))
    np.save(HERE / "array_bool.npy", values % 2 == 0)
    np.save(HERE / "array_fortran.npy", np.asfortranarray(values.astype("<f4")))
    np.save(HERE / "array_fortran_be.npy", np.asfortranarray(values.astype(">i2")))
    np.save(HERE / "scalar.npy", np.float32(2.5))
    np.save(HERE / "empty.npy", np.zeros((0, 3), np.float32))
    np.save(HERE / "complex.npy", np.zeros(2, np.complex64))
    np.save(HERE / "structured.npy", np.zeros(2, [("a", "<f4")]))
    for version in [(1, 0), (2, 0), (3, 0)]:
        with open(HERE / f"version_{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, values.astype("<i4"), version)
    np.savez(HERE / "stored.npz", a=values.astype("<f4"), b=np.arange(3))
    np.savez_compressed(HERE / "deflated.npz", a=values.astype("<f4"), b=np.arange(3))


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    generator = np.random.default_rng(1)
    expectations(pictures(generator))
    arrays(generator)
