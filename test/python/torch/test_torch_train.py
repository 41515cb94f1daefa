"""`anybit.torch.train`: recipes, the whole run on a small set, resuming, refusals."""

from __future__ import annotations

import importlib.util
import json
import pathlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from anybit import InvalidInput
from anybit.torch import train
from anybit.torch.recipe import Recipe, parse_recipe, read_recipe

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Two classes of 8x8 pictures: a bright upper or lower half."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part, count in (("train", 96), ("test", 40)):
        labels = rng.integers(0, 2, count)
        images = rng.integers(0, 120, (count, 1, 8, 8))
        for i, label in enumerate(labels):
            images[i, :, 4 * label:4 * label + 4] += 100
        np.save(folder / f"{part}_x.npy", images.astype(np.uint8))
        np.save(folder / f"{part}_y.npy", labels)
    return {"threads": 1, "network": {"name": "resnet", "depth": 8, "width": 4, "channels": 1, "classes": 2},
            "data": {"name": "arrays", "folder": str(folder), "batch": 24, "shift": 0, "flip": True},
            "float": {"epochs": 2, "optimizer": {"name": "adam", "learning_rate": 0.01}},
            "switchable": {"candidates": ["w8a8", "w2a2"], "weight": {"name": "LSQ", "per_channel": True}},
            "train": {"epochs": 2, "warmup_batches": 2, "teacher": "float",
                      "optimizer": {"name": "adam", "learning_rate": 0.01}}}


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return train.run(parse_recipe(recipe), folder, progress=False), folder


def test_a_whole_run(finished):
    result, folder = finished
    assert set(result["accuracy"]) == {"f32", "w8a8", "w2a2"}
    assert min(result["accuracy"].values()) >= 75
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(result))
    assert {"recipe.json", "float.pt", "float.csv", "switchable.pt", "switchable.csv"} <= {
        path.name for path in folder.iterdir()}
    table = train.final_table(result).splitlines()
    assert len(table) == 5 and table[3].startswith("| w8a8 |")


def test_the_exported_file_has_the_accuracy(finished, recipe):
    onnxruntime = pytest.importorskip("onnxruntime")
    result, folder = finished
    data = pathlib.Path(recipe["data"]["folder"])
    images, labels = np.load(data / "test_x.npy"), np.load(data / "test_y.npy")
    x = ((images.astype(np.float32) / np.float32(255)) - np.float32(0.286)) / np.float32(0.353)
    session = onnxruntime.InferenceSession(folder / "switchable.onnx")
    names = [i.name for i in session.get_inputs()]
    for index, name in enumerate(("w8a8", "w2a2")):
        (y,) = session.run(None, {names[0]: x, names[1]: np.array(index)})
        assert abs(100 * (y.argmax(1) == labels).mean() - result["accuracy"][name]) < 1e-3


def test_a_stopped_run_goes_on_as_if_it_had_not(recipe, finished, tmp_path, monkeypatch):
    import sys
    fit_module = sys.modules["anybit.torch.fit"]
    calls, evaluate_all = [], fit_module.evaluate_all

    def stopping(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return evaluate_all(*arguments, **keywords)

    monkeypatch.setattr(fit_module, "evaluate_all", stopping)
    with pytest.raises(KeyboardInterrupt):
        train.run(parse_recipe(recipe), tmp_path, progress=False)
    monkeypatch.undo()
    again = train.run(parse_recipe(recipe), tmp_path, progress=False)
    assert again["loss"] == finished[0]["loss"] and again["accuracy"] == finished[0]["accuracy"]


def test_a_folder_belongs_to_one_recipe(recipe, finished):
    with pytest.raises(InvalidInput, match="--fresh"):
        train.run(parse_recipe({**recipe, "seed": 1}), finished[1], progress=False)


def test_the_recipes_of_the_repository_are_valid():
    paths = sorted((ROOT / "recipes").glob("*.toml"))
    assert paths
    for path in paths:
        assert isinstance(read_recipe(path), Recipe)


def test_every_problem_of_a_recipe_is_told(tmp_path, capsys):
    (tmp_path / "bad.toml").write_text('speed = 1\n[network]\nname = "resnet"\nonnx = "a.onnx"\n[data]\nbatch = "big"\n'
                                       '[train]\nteacher = "me"\noptimizer = { name = "lion", lr = 1 }\n')
    assert train.main(["--recipe", str(tmp_path / "bad.toml"), "--folder", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("anybit: error: '") for line in lines)
    for word in ("'speed'", "'data.batch' is 'big', expected a whole number", "'train.optimizer.lr'"):
        assert any(word in line for line in lines), word
    with pytest.raises(InvalidInput) as error:
        parse_recipe({"network": {"name": "resnet", "onnx": "a"}, "train": {"teacher": "me", "epochs": 0}})
    assert len(str(error.value).splitlines()) == 4


@pytest.mark.parametrize("text, words", [("x = [", "not valid TOML"), (None, "cannot read")])
def test_files_that_are_no_recipes(tmp_path, text, words):
    if text is not None:
        (tmp_path / "r.toml").write_text(text)
    with pytest.raises(InvalidInput, match=words):
        read_recipe(tmp_path / "r.toml")


@pytest.mark.parametrize("change, words", [
    ({"network": {"name": "vgg"}}, "there is no network 'vgg'"),
    ({"network": {"name": "resnet", "depth": 9}}, "depth is 9"),
    ({"network": {"name": "resnet", "size": 9}}, "size"),
    ({"switchable": {"candidates": ["w9a9"]}}, "w9a9"),
    ({"switchable": {"candidates": ["w4a4"], "weight": "LSQX"}}, "'switchable.weight' is 'LSQX', expected one of"),
    ({"switchable": {"candidates": ["w4a4"], "wavelet": {"name": "Haar", "layout": "round"}}}, "layout is 'round'"),
    ({"train": {"strategy": "Best"}}, "train.strategy"),
])
def test_wrong_settings_of_parts(recipe, tmp_path, change, words):
    short = {**recipe, "float": {}, **change}
    with pytest.raises(InvalidInput, match=words):
        train.run(parse_recipe(short), tmp_path, progress=False)


def test_a_tensorboard_log_needs_its_package(recipe, tmp_path):
    if importlib.util.find_spec("tensorboard"):
        train.run(parse_recipe({**recipe, "float": {}}), tmp_path, tensorboard=True, progress=False)
        assert list((tmp_path / "tensorboard").rglob("events*"))
        return
    with pytest.raises(InvalidInput, match="pip install tensorboard"):
        train.run(parse_recipe({**recipe, "float": {}}), tmp_path, tensorboard=True, progress=False)


def test_settings_from_the_command_line(tmp_path):
    recipe = read_recipe(ROOT / "recipes" / "fashion_resnet20.toml")
    changed = train._overridden(recipe, ["train.epochs=3", "network.width=16", "switchable.weight=PACT",
                                         "float.optimizer.learning_rate=0.2"])
    assert (changed.train.epochs, changed.network.arguments["width"], changed.switchable.weight) == (3, 16, "PACT")
    assert changed.float.optimizer.learning_rate == 0.2 and changed.data == recipe.data
    for wrong in ("train.epoch=3", "epochs", "train.epochs=many"):
        with pytest.raises(InvalidInput):
            train._overridden(recipe, [wrong])
