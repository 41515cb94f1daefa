#!/usr/bin/env python3
"""How many times as fast networks run on more threads: sessions of one and of several take turns, least times.

    python bench/threads.py [--threads 2] [--seconds 20] [--candidate w8a8] ARTIFACT.so...

`bench/peers.py` leaves artifacts in build/peers. PYTHONPATH must have the package `anybit` of the build.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import measure


def least_milliseconds(path: str, counts: list[int], candidate: str, seconds: float) -> dict[int, float]:
    import anybit
    models = {count: anybit.load(path, threads=count) for count in counts}
    inputs = [np.zeros(info.shape, info.dtype) for info in models[counts[0]].inputs]
    best, end = dict.fromkeys(counts, np.inf), time.monotonic() + seconds
    for model in models.values():
        model.candidate = candidate
    while time.monotonic() < end:
        for count, model in models.items():
            for _ in range(10):  # The first ones find the caches full of another's weights, and threads asleep.
                start = time.perf_counter()
                model(*inputs)
                best[count] = min(best[count], 1000 * (time.perf_counter() - start))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifacts", nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20, help="of an artifact")
    parser.add_argument("--candidate", default="w8a8")
    options = parser.parse_args()
    print(f"{measure.processor()}: least ms of {options.candidate}\n\n| artifact | 1 thread | {options.threads} threads | times as "
          "fast |\n|---|---|---|---|")
    for path in options.artifacts:
        best = least_milliseconds(path, [1, options.threads], options.candidate, options.seconds)
        name = path.split("/")[-1].removesuffix(".so")
        print(f"| {name} | {best[1]:.3f} | {best[options.threads]:.3f} | {best[1] / best[options.threads]:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
