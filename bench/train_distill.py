"""Label-free distillation of the CIFAR ResNet-20 of the test data, then compiled and run by anybit.

    ANYBIT_TEST_DATA=... python bench/train_distill.py [--seed 0] [--candidates w3a3,w2a2] [--stages distill,deploy]

The float ONNX file becomes a PyTorch module (`from_onnx`), learns to run at low widths from the outputs of the float
network on at most 1,024 pictures without labels, and is exported. `deploy` compiles that file and compares the compiled
network with PyTorch on labelled test pictures. Labels are only ever used to report accuracy: which of several runs is
the result, the divergence from the float network on the pictures without labels decides. Both stages go on where they
stopped.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path += [str(FOLDER), str(FOLDER.parent / "python")]  # behind the build folder, if that is in PYTHONPATH
import anybit.torch as abt
from anybit.torch.data import Augment, TensorLoader
from anybit.torch.evaluate import evaluate, evaluate_all
from anybit.torch.fit import parameter_groups
from anybit.torch.onnx_import import from_onnx
from anybit.torch.strategies import Distillation, divergence
from datasets import agreement, cifar10, top1
from training_results import ROOT, RUNS, load_results, save_result
from training_page import write_page

MODEL = "resnet20_cifar10"
PICTURES, BATCH = 1024, 64


def loaders(data: pathlib.Path, seed: int) -> tuple[TensorLoader, TensorLoader]:
    """Unlabelled pictures (their labels here are zeros), and the labelled test set."""
    images, _ = cifar10(data, "train_lossless_4000", "imagenet", PICTURES)
    tests, labels = cifar10(data, "test_jpeg_5000", "imagenet")
    layout = {"memory_format": torch.channels_last}
    return (TensorLoader(torch.from_numpy(images), torch.zeros(len(images), dtype=torch.int64), BATCH, shuffle=True,
                         seed=seed, augment=Augment(4, True), **layout),
            TensorLoader(torch.from_numpy(tests), torch.from_numpy(labels), 250, **layout))


def divergences(net: abt.Switchable, teacher: torch.nn.Module, data: pathlib.Path) -> dict[str, float]:
    """KL(teacher || candidate), mean over the pictures without labels."""
    images = torch.from_numpy(cifar10(data, "train_lossless_4000", "imagenet", PICTURES)[0])
    with torch.no_grad():
        wanted = torch.cat([teacher(part) for part in images.split(256)])
    scores = evaluate_all(net, TensorLoader(images, wanted, 256, memory_format=torch.channels_last), divergence)
    return {name: round(score.loss, 4) for name, score in scores.items()}


def distill(arguments: argparse.Namespace, data: pathlib.Path, folder: pathlib.Path) -> None:
    """The `distill` stage: trains, exports, saves the result."""
    train, test = loaders(data, arguments.seed)
    teacher = from_onnx(data / "models" / f"{MODEL}.onnx").to(memory_format=torch.channels_last)
    torch.manual_seed(arguments.seed)
    net = abt.switchable(teacher, arguments.candidates, weight=abt.LSQ(per_channel=True), activation=abt.LSQ(),
                         wavelet=None, first_last=8).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(parameter_groups(net, 0.0, 1.0, arguments.learning_rate))
    epochs = -(-arguments.steps // len(train))
    history = abt.fit(net, train, None, epochs, 16, arguments.probabilities, teacher, optimizer=optimizer,
                      scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train)),
                      learning_rate=arguments.warmup_rate, distillation=Distillation(1.0, 2.0),
                      checkpoint=folder / "distill.pt", log=folder / "distill.csv", seed=arguments.seed)
    net.round_masters()
    scores = {"f32": evaluate(teacher, test), **evaluate_all(net, test)}
    abt.export(net, folder / "switchable.onnx", next(iter(test))[0][:1].contiguous())
    save_result("distill", arguments.name, arguments.seed, seconds=round(history.seconds, 1), steps=history.steps,
                batch=BATCH, pictures=PICTURES, learning_rate=arguments.learning_rate,
                divergence=divergences(net, teacher, data),
                accuracy={name: round(100 * score.accuracy, 2) for name, score in scores.items()})


def deploy(arguments: argparse.Namespace, data: pathlib.Path, folder: pathlib.Path) -> None:
    """The `deploy` stage: the exported file through ONNX Runtime and through anybit."""
    import onnxruntime
    tool = os.environ.get("ANYBIT", str(ROOT / "build" / "bin" / "anybit"))
    subprocess.run([tool, "compile", folder / "switchable.onnx", "-o", folder / "model.so", "-q"], check=True)
    images, labels = cifar10(data, "test_jpeg_5000", "imagenet")
    np.save(folder / "images.npy", images)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "switchable.onnx", options)
    picture, candidate = (i.name for i in session.get_inputs())
    accuracy, agrees, started = {}, {}, time.monotonic()
    for index, name in enumerate(arguments.candidates):
        subprocess.run([tool, "run", folder / "model.so", "--input", folder / "images.npy", "--candidate", name,
                        "--output", folder / "y.npy", "-q"], check=True)
        compiled = np.load(folder / "y.npy")
        oracle = np.concatenate([session.run(None, {picture: part, candidate: np.array(index)})[0]
                                 for part in np.split(images, 20)])
        accuracy[name], agrees[name] = round(top1(compiled, labels), 2), round(agreement(compiled, oracle), 2)
    save_result("deploy", arguments.name, arguments.seed, seconds=round(time.monotonic() - started, 1),
                accuracy=accuracy, agreement=agrees, bytes=(folder / "model.so").stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="resnet20", help="name of the configuration in the table")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--candidates", default="w3a3,w2a2", type=lambda text: text.split(","))
    parser.add_argument("--probabilities", default=None,
                        type=lambda text: [float(part) for part in text.split(",")], help="of the candidates, in order")
    parser.add_argument("--steps", type=int, default=480)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--warmup-rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stages", default="distill,deploy", type=lambda text: text.split(","))
    arguments = parser.parse_args()
    if not os.environ.get("ANYBIT_TEST_DATA"):
        parser.error("ANYBIT_TEST_DATA is not set: it names the folder with the models and pictures")
    torch.set_num_threads(arguments.threads)
    folder = RUNS / f"distill-{arguments.name}-seed{arguments.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    done = {row["name"] for row in load_results("distill") if row["seed"] == arguments.seed}
    data = pathlib.Path(os.environ["ANYBIT_TEST_DATA"])
    if "distill" in arguments.stages and arguments.name not in done:
        distill(arguments, data, folder)
    if "deploy" in arguments.stages:
        deploy(arguments, data, folder)
    write_page()


if __name__ == "__main__":
    main()
