"""Export, compile, switch: the networks of train_fashion.py in PyTorch and in anybit, on all test pictures.

    python bench/train_deploy.py [--seed 0] [--stages deploy,ptq]

`deploy` compiles the exported file of the `switchable` run and compares each candidate with the PyTorch network: top-1,
agreement, latency, bytes. `ptq` gives the float network of the same seed, with 1,024 training pictures without labels,
to `anybit quantize` in place of training. The tool is build/bin/anybit, or what ANYBIT names.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import onnx
import onnx.numpy_helper
import torch

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path += [str(FOLDER), str(FOLDER.parent / "python")]  # behind the build folder, if that is in PYTHONPATH
import anybit.torch as abt
from anybit.torch.checkpoint import load_checkpoint
from anybit.torch.recipe import Recipe, parse_recipe
from anybit.torch.recipe_parts import loaders, network, switchable_of
from anybit.torch.train import FLOAT_NETWORK, switchable_settings
from datasets import agreement, top1
from train_fashion import runs
from training_page import PTQ, write_page
from training_results import ROOT, RUNS, save_result
from training_schedule import WIDTHS, tables_of

CALIBRATION = 1024


def tool(*arguments: object) -> None:
    """The command line tool; a failure ends the script."""
    subprocess.run([os.environ.get("ANYBIT", str(ROOT / "build" / "bin" / "anybit")), *map(str, arguments), "-q"],
                   check=True)


def compiled_outputs(artifact: pathlib.Path, inputs: pathlib.Path) -> dict[str, np.ndarray]:
    """Logits [N, 10] of each candidate."""
    result, found = artifact.with_suffix(".npy"), {}
    for name in WIDTHS:
        tool("run", artifact, "--input", inputs, "--candidate", name, "--output", result)
        found[name] = np.load(result)
    return found


def torch_outputs(recipe: Recipe, folder: pathlib.Path, images: torch.Tensor) -> dict[str, np.ndarray]:
    net = switchable_of(network(recipe.network), switchable_settings(recipe))
    load_checkpoint(folder / "switchable.pt", net)
    net.round_masters()
    net.eval()
    found = {}
    with torch.no_grad():
        for name in WIDTHS:
            net.set_candidate(name)
            found[name] = torch.cat([net(part) for part in images.split(250)]).numpy()
    return found


def deploy(recipe: Recipe, seed: int, folder: pathlib.Path, images: torch.Tensor, labels: np.ndarray) -> None:
    artifact, report, started = folder / "switchable.so", folder / "bench.json", time.monotonic()
    tool("compile", folder / "switchable.onnx", "-o", artifact)
    tool("bench", artifact, "--json", report)
    compiled = compiled_outputs(artifact, folder / "images.npy")
    trained = torch_outputs(recipe, folder, images)
    measured = json.loads(report.read_text(encoding="utf-8"))
    save_result("export", "switchable", seed, seconds=round(time.monotonic() - started, 1), pictures=len(labels),
                accuracy={name: round(top1(y, labels), 2) for name, y in compiled.items()},
                pytorch={name: round(top1(y, labels), 2) for name, y in trained.items()},
                agreement={name: round(agreement(y, trained[name]), 2) for name, y in compiled.items()},
                milliseconds={row["name"]: round(row["min_ms"], 4) for row in measured["candidates"]},
                weight_bytes={row["name"]: row["weight_bytes"] for row in measured["candidates"]},
                artifact_bytes=measured["artifact_bytes"], arena_bytes=measured["arena_bytes"],
                model_bytes=(folder / "switchable.onnx").stat().st_size)


def export_float(recipe: Recipe, checkpoint: pathlib.Path, path: pathlib.Path, sample: torch.Tensor) -> None:
    """The float network as a plain ONNX file, with weights of float32."""
    net = switchable_of(network(recipe.network), FLOAT_NETWORK)
    load_checkpoint(checkpoint, net)
    model = abt.export(net, path, sample)
    (candidate,) = (value for value in model.graph.input if value.name == "candidate")
    model.graph.input.remove(candidate)
    del model.metadata_props[:]
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in [node for node in model.graph.node if node.op_type == "Cast" and node.input[0] in values]:
        wide = onnx.numpy_helper.to_array(values[node.input[0]]).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(wide, node.output[0]))
        model.graph.node.remove(node)
    onnx.save(model, path)


def ptq(recipe: Recipe, seed: int, folder: pathlib.Path, train: np.ndarray, images: torch.Tensor,
        labels: np.ndarray) -> None:
    """anybit quantize on the float network: what it gives without training."""
    plain, quantized, artifact = folder / "float.onnx", folder / "ptq.onnx", folder / "ptq.so"
    export_float(recipe, folder / "float.pt", plain, images[:1].contiguous())
    np.save(folder / "calibration.npy", train)
    started = time.monotonic()
    tool("quantize", plain, "--calibration", folder / "calibration.npy", "--candidates", ",".join(WIDTHS),
         "--threshold", 0, "-o", quantized)
    seconds = round(time.monotonic() - started, 1)
    tool("compile", quantized, "-o", artifact)
    outputs = compiled_outputs(artifact, folder / "images.npy")
    save_result("fashion", "ptq", seed, row=PTQ, seconds=seconds, pictures=CALIBRATION,
                accuracy={name: round(top1(y, labels), 2) for name, y in outputs.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", default="deploy,ptq", type=lambda text: text.split(","))
    given = parser.parse_args()
    torch.set_num_threads(1)
    run = next(run for run in runs() if (run.name, run.seed) == ("switchable", given.seed))
    folder, recipe = RUNS / f"fashion-switchable-seed{given.seed}", parse_recipe(tables_of(run, {}))
    train, test = loaders(recipe.data, given.seed)
    batches = list(test)
    images, labels = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]).numpy()
    np.save(folder / "images.npy", images.contiguous().numpy())
    if "deploy" in given.stages:
        deploy(recipe, given.seed, folder, images, labels)
    if "ptq" in given.stages:
        mean, std = recipe.data.mean, recipe.data.std
        unlabelled = (train.images[:CALIBRATION].float().div_(255).numpy() - np.float32(mean)) / np.float32(std)
        ptq(recipe, given.seed, folder, unlabelled, images, labels)
    write_page()


if __name__ == "__main__":
    main()
