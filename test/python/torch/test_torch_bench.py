"""The scripts of bench/: every run they list is a valid recipe whose network can be built, and the page follows from
the results."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

import train_ablations
import train_all
import train_fashion
import training_page
import training_results
from anybit.torch.networks import ResNet
from anybit.torch.recipe import parse_recipe
from anybit.torch.recipe_parts import switchable_of
from training_schedule import OutOfTime, budget, tables_of

RUNS = [*train_fashion.runs(), *train_ablations.runs()]
DISTINCT = {json.dumps(run.settings, sort_keys=True): run for run in RUNS}


def test_runs_do_not_share_results():
    assert len({run.path for run in RUNS}) == len(RUNS)


@pytest.mark.parametrize("run", DISTINCT.values(), ids=lambda run: run.key)
def test_runs_are_valid(run):
    recipe = parse_recipe(tables_of(run, {}))
    settings = {name: getattr(recipe.switchable, name) for name in
                ("candidates", "weight", "activation", "wavelet", "first_last", "residual", "batch_norm")}
    net = switchable_of(ResNet(8, 2, 1), settings)
    with torch.no_grad():
        for name in (net.names[0], net.names[-1]):
            net.set_candidate(name)
            assert net(torch.rand(1, 1, 28, 28)).shape == (1, 10)


def test_every_run_is_done_once_by_train_all():
    assert sorted(run.path for run in train_all.runs()) == sorted(run.path for run in RUNS)


def test_a_budget_ends():
    with pytest.raises(OutOfTime), budget(0.0005):
        while True:
            pass


def test_the_page_has_what_the_results_say(tmp_path, monkeypatch):
    monkeypatch.setattr(training_results, "RESULTS", tmp_path)
    monkeypatch.setattr(training_page, "PAGE", tmp_path / "page.md")
    training_page.write_page()
    assert training_page.PAGE.read_text().count("No results yet.") == 5
    for seed, loss in ((0, 0.1), (1, 0.3)):
        training_results.save_result("fashion", "switchable", seed, seconds=60, accuracy={"w8a8": 90.0})
        training_results.save_result("fashion", "dedicated-long-w8a8", seed, row="dedicated-long", seconds=60,
                                     accuracy={"w8a8": 90.0 + loss})
    training_page.write_page()
    text = training_page.PAGE.read_text()
    one = {"w8a8": 90.0}
    for agreement, verdict in ((99.6, "holds"), (99.4, "missed")):
        training_results.save_result("export", "switchable", 0, accuracy=one, pytorch={"w8a8": 90.1}, model_bytes=1000,
                                     agreement={"w8a8": agreement}, milliseconds={"w8a8": 0.1}, artifact_bytes=3000,
                                     weight_bytes={"w8a8": 2000}, arena_bytes=500)
        training_page.write_page()
        assert f"(wanted 99.5): {verdict}." in training_page.PAGE.read_text()
    assert "| switchable | dedicated-long | 2 | 0.20 ± 0.14 (0.3) |" in text
    assert "| switchable | 0, 1 | " in text and text.count("No results yet.") == 4
