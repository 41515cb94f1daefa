"""`Model` and threads: the GIL, one call at a time, switches during calls, interrupts."""
import _thread
import threading
import time

import numpy as np
import pytest

pytest.importorskip("anybit._anybit")
import anybit
import package_models
from package_models import NAMES


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    package_models.write_switchable(folder / "switchable.onnx")
    anybit.compile(folder / "switchable.onnx", folder / "switchable.so")
    return folder / "switchable.so"


def rows_for(model, seconds):
    """An array of equal rows that takes about so long to compute."""
    x = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    few = np.repeat(x, 200, axis=0)
    model(few)
    start = time.perf_counter()
    model(few)
    return np.repeat(x, int(200 * seconds / (time.perf_counter() - start)) + 1, axis=0)


def golden(model, x):
    """The bytes of the output of every candidate."""
    found = {}
    for name in NAMES:
        model.candidate = name
        found[name] = model(x[:1]).tobytes()
    model.candidate = NAMES[0]
    return found


def test_second_call_is_refused_while_the_first_runs(artifact):
    model = anybit.load(artifact)
    x = rows_for(model, 1.0)
    refusals = []
    thread = threading.Thread(target=model, args=(x,))
    thread.start()
    while thread.is_alive():
        try:
            model(x[:1])
        except RuntimeError as error:
            refusals.append(str(error))
        time.sleep(0.01)
    thread.join()
    # Some fall into the call only if it has released the GIL.
    assert set(refusals) == {"a call of this model is in flight, load the artifact once per thread"}
    assert model(x[:1]).shape == (1, 5)


def test_a_call_keeps_its_candidate_for_all_rows(artifact):
    model = anybit.load(artifact)
    x = rows_for(model, 0.3)
    expected = golden(model, x)
    stop = threading.Event()

    def switch():
        while not stop.is_set():
            for name in NAMES:
                model.candidate = name
                assert model.candidate == name
                time.sleep(0.001)

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        for _ in range(5):
            y = model(x)
            assert y[:1].tobytes() in expected.values()
            assert (y == y[:1]).all()
    finally:
        stop.set()
        thread.join()


def test_candidate_set_during_a_call_is_the_next_ones(artifact):
    model = anybit.load(artifact)
    x = rows_for(model, 0.5)
    expected = golden(model, x)
    results = []
    thread = threading.Thread(target=lambda: results.append(model(x)))
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    model.candidate = "w2a2"
    assert model.candidate == "w2a2"
    thread.join()
    assert results[0][-1:].tobytes() == expected["w8a8"]
    assert model.candidate == "w2a2" and model(x[:1]).tobytes() == expected["w2a2"]


def test_a_model_per_thread(artifact):
    x = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    expected = golden(anybit.load(artifact), x)
    failures = []

    def work(name):
        model = anybit.load(artifact)
        model.candidate = name
        failures.extend(name for _ in range(500) if model(x).tobytes() != expected[name])

    threads = [threading.Thread(target=work, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_interrupt_ends_a_long_call(artifact):
    model = anybit.load(artifact)
    x = rows_for(model, 2.0)
    timer = threading.Timer(0.3, _thread.interrupt_main)
    start = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model(x)
    assert time.perf_counter() - start < 1.5
    timer.join()
    assert model(x[:1]).shape == (1, 5)
