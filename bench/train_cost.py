"""What a training step costs: a switchable network (one candidate a step, no teacher) against the same one in float.

    python bench/train_cost.py [--width 8] [--stem-stride 1] [--batch 128] [--threads 1] [--steps 16]

Steps of both alternate, and the ratio is the median of those of neighbours, so that a busy machine matters little.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import time

import torch
import torch.nn.functional as F

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path += [str(FOLDER), str(FOLDER.parent / "python")]  # behind the build folder, if that is in PYTHONPATH
import anybit.torch as abt
from anybit.torch.data.loader import arranged
from anybit.torch.fit import parameter_groups
from anybit.torch.networks import ResNet
from training_page import WIDTHS, write_page
from training_results import save_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("width", 8), ("stem-stride", 1), ("batch", 128), ("threads", 1), ("steps", 16), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    plain = ResNet(20, given.width, 1, stem_stride=given.stem_stride).to(memory_format=torch.channels_last)
    net = abt.switchable(plain, WIDTHS, weight=abt.LSQ(), activation=abt.PACT(), wavelet=abt.Haar("tile"), first_last=8)
    x = arranged(torch.rand(given.batch, 1, 28, 28), torch.channels_last)
    y = torch.randint(10, (given.batch,))
    optimizers = {plain: torch.optim.SGD(plain.parameters(), 0.01, momentum=0.9),
                  net: torch.optim.SGD(parameter_groups(net), 0.01, momentum=0.9)}
    times: dict[torch.nn.Module, list[float]] = {plain: [], net: []}
    for step in range(given.steps + len(WIDTHS)):
        for model, optimizer in optimizers.items():
            net.set_candidate(step % len(WIDTHS))
            started = time.process_time()
            optimizer.zero_grad()
            F.cross_entropy(model.train()(x), y).backward()
            optimizer.step()
            times[model].append(1e3 * (time.process_time() - started))
    # The first pass over the candidates initializes their quantizers.
    measured = {model: values[len(WIDTHS):] for model, values in times.items()}
    ratio = statistics.median(mine / theirs for mine, theirs in zip(measured[net], measured[plain]))
    name = f"resnet20 width {given.width}" + (f" stem stride {given.stem_stride}" if given.stem_stride > 1 else "")
    save_result("cost", name, given.seed, batch=given.batch, accuracy={}, seconds=0.0,
                float_ms=round(min(measured[plain]), 1), switchable_ms=round(min(measured[net]), 1),
                ratio=round(ratio, 3))
    write_page()


if __name__ == "__main__":
    main()
