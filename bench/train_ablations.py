"""The ablations E1 to E6: what each part of the method gives, on Fashion-MNIST.

    python bench/train_ablations.py --stages E2,E4 --seeds 0,1,2 --budget 60

E1 an 8-bit network tested at all widths; E2 one network trained at changing widths, everything shared; E3 with
activation quantizers per candidate; E4 with batch norms per candidate; E5 with weight quantizers per candidate; E6 with
wavelet factors is the `switchable` run of train_fashion.py. Resumable, as train_fashion.py.
"""

from __future__ import annotations

import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path += [str(FOLDER), str(FOLDER.parent / "python")]  # behind the build folder, if that is in PYTHONPATH
from training_schedule import WIDTHS, Run, main

SHARED_WEIGHT = {"name": "LSQ", "shared": ["step"]}
SHARED_ACTIVATION = {"name": "PACT", "shared": ["clip"]}
NO_WAVELET = {"switchable.wavelet": "none"}
E2 = {**NO_WAVELET, "switchable.weight": SHARED_WEIGHT, "switchable.activation": SHARED_ACTIVATION,
      "switchable.batch_norm": "shared"}
E3 = {**NO_WAVELET, "switchable.weight": SHARED_WEIGHT, "switchable.batch_norm": "shared"}
E4 = {**NO_WAVELET, "switchable.weight": SHARED_WEIGHT}


def runs() -> list[Run]:
    found = []
    for seed in (0, 1, 2):
        if seed == 0:
            # Only the first candidate is trained; the others use its clips, steps and statistics.
            found += [Run("ablation", "E1", seed, {**E2, "train.warmup_batches": 0,
                                                   "train.probabilities": [1.0] + [0.0] * (len(WIDTHS) - 1)})]
            found += [Run("ablation", "E2", seed, E2), Run("ablation", "E3", seed, E3)]
        found += [Run("ablation", "E4", seed, E4), Run("ablation", "E5", seed, NO_WAVELET)]
    return found


if __name__ == "__main__":
    main(__doc__ or "", runs())
