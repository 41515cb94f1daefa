"""Two processes with batch N compute what one computes with batch 2N."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

WORKER = pathlib.Path(__file__).with_name("distributed_worker.py")
PYTHON = pathlib.Path(__file__).resolve().parents[3] / "python"


def run(world, folder):
    """The results of all ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world),
                   "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{PYTHON}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    result = folder / f"world{world}"
    processes = [subprocess.Popen([sys.executable, WORKER, result], env={**environment, "RANK": str(rank)},
                                  stderr=subprocess.PIPE, text=True) for rank in range(world)]
    messages = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * world, "\n".join(messages)
    return [torch.load(f"{result}.{rank}") for rank in range(world)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    return run(1, folder)[0], run(2, folder)


@pytest.mark.parametrize("quantizer", ["pact", "lsq"])
def test_two_ranks_train_what_one_trains(results, quantizer):
    alone, (first, second) = results
    assert alone[quantizer].keys() == first[quantizer].keys()
    for name, expected in alone[quantizer].items():
        assert torch.equal(first[quantizer][name], second[quantizer][name]), name
        torch.testing.assert_close(first[quantizer][name], expected, rtol=1e-4, atol=1e-6)


def test_training_moved_every_candidate(results):
    alone, _ = results
    state = alone["pact"]
    clips = [name for name in state if "codes" in name and name.endswith("parameter")]
    norms = [name for name in state if ".sets." in name and name.endswith("running_mean")]
    assert len(clips) >= 4 and len(norms) == 12
    assert all(state[name].abs().sum() > 0 for name in norms)


def test_sums_over_ranks(results):
    alone, ranks = results
    assert alone["total"] == [1.0, 0.0]
    assert [rank["total"] for rank in ranks] == [[2.0, 1.0]] * 2


def test_different_candidates_are_refused(results):
    for rank in results[1]:
        assert "candidates differ among ranks (rank 0: w8a8, rank 1: w4a4)" in rank["refusal"]
