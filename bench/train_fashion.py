"""Fashion-MNIST: one switchable network against dedicated ones, other sets of candidates, and wavelet layouts.

    python bench/train_fashion.py --stages switchable --budget 60 --threads 2

Needs Fashion-MNIST (Debian: apt-get install dataset-fashion-mnist). Every run starts from the float network of its
seed, is resumed by the same command, and leaves one file in bench/results/training; docs/training.md is written anew
at the end. `dedicated-equal-time` gives each width the epochs of the switchable run divided by the number of
candidates, `dedicated-long` all of them. `weighted` draws wide candidates more often. `slow-steps` moves
the learned steps of weights at a tenth of the rate. A network without wavelets is the ablation E5.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path += [str(FOLDER), str(FOLDER.parent / "python")]  # behind the build folder, if that is in PYTHONPATH
from training_schedule import WIDTHS, Run, main

SEEDS = (0, 1, 2)
EPOCHS = 6
# Wide candidates are drawn more often: they have the least room to lose (0.3 point of the dedicated networks, against 1
# and 3 points of the narrowest).
WEIGHTED = {"switchable-weighted": {"train.probabilities": [0.24, 0.20, 0.18, 0.16, 0.12, 0.10]},
            "switchable-lightly-weighted": {"train.probabilities": [0.21, 0.18, 0.16, 0.14, 0.14, 0.17]}}
SLOW_STEPS = {"train.optimizer": {"learning_rate": 0.05, "weight_decay": 1e-4, "step": 0.1}}


def dedicated(name: str, epochs: int, seed: int, settings: "dict[str, Any] | None" = None) -> list[Run]:
    """One network per width. The warm-up is the share of the switchable run's."""
    return [Run("fashion", name, seed, {"switchable.candidates": [width], "train.epochs": epochs, **(settings or {})},
                part=width) for width in WIDTHS]


def runs() -> list[Run]:
    found = []
    for seed in SEEDS:
        found += [Run("fashion", "switchable", seed)]
        found += [Run("fashion", name, seed, settings) for name, settings in WEIGHTED.items()]
        found += dedicated("dedicated-equal-time", EPOCHS // len(WIDTHS), seed)
        found += dedicated("dedicated-long", EPOCHS, seed)
    found.append(Run("fashion", "switchable-slow-steps", 1, SLOW_STEPS))
    found += dedicated("dedicated-slow-steps", EPOCHS // len(WIDTHS), 1, SLOW_STEPS)
    for name in ("matrix", "plane", "spatial"):
        found.append(Run("fashion", f"layout-{name}", 0, {"switchable.wavelet": {"name": "Haar", "layout": name}}))
    found.append(Run("fashion", "db2-tile", 0, {"switchable.wavelet": {"name": "Db2", "layout": "tile"}}))
    for last in (5, 3):
        name = f"candidates-8-to-{WIDTHS[last - 1][1]}"
        found.append(Run("fashion", name, 0, {"switchable.candidates": WIDTHS[:last]}))
    for bands in (["LL"], ["LL", "LH"], ["LL", "LH", "HL"]):
        found.append(Run("fashion", f"bands-{'-'.join(bands)}", 0,
                         {"switchable.wavelet": {"name": "Haar", "layout": "tile", "bands": bands}}))
    return found


if __name__ == "__main__":
    main(__doc__ or "", runs())
