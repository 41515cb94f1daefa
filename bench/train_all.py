"""Every Fashion-MNIST run of train_fashion.py and train_ablations.py, the most telling ones first.

    python bench/train_all.py --budget 60 --threads 1

The same command goes on where the last one stopped, in the middle of a run too. docs/training.md is written anew after
each finished run; commit bench/results/training and the page. `--list` says what is done.
"""

from __future__ import annotations

import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path += [str(FOLDER), str(FOLDER.parent / "python")]  # behind the build folder, if that is in PYTHONPATH
import train_ablations
import train_fashion
from training_schedule import Run, main

# Rows of the tables with their seeds, in the order of their worth.
ORDER = [(["switchable", "dedicated-equal-time"], [0]), (["switchable", "dedicated-equal-time"], [1]),
         (["switchable", "dedicated-equal-time"], [2]), (["E5", "E4"], [0]),
         (["switchable-slow-steps", "dedicated-slow-steps"], [1]), (list(train_fashion.WEIGHTED), [0, 1, 2]),
         (["E5", "E4"], [1]), (["E5", "E4"], [2]),
         (["dedicated-long"], [0]), (["E3", "E2", "E1"], [0]),
         (["layout-matrix", "layout-plane", "layout-spatial"], [0]),
         (["candidates-8-to-2", "candidates-8-to-4"], [0]), (["bands-LL", "bands-LL-LH", "bands-LL-LH-HL"], [0]),
         (["db2-tile"], [0]), (["dedicated-long"], [1, 2])]


def runs() -> list[Run]:
    """Every run of both scripts once."""
    known = [*train_fashion.runs(), *train_ablations.runs()]
    return [run for names, seeds in ORDER for seed in seeds for name in names
            for run in known if (run.name, run.seed) == (name, seed)]


if __name__ == "__main__":
    main(__doc__ or "", runs(), seeds=[0, 1, 2], threads=1)
