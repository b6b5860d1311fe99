import json
import multiprocessing
import os
import socket
from contextlib import ExitStack

import numpy as np
import pytest
import tensorflow as tf

from tests.training import several
from yt8m_exp.training import cluster, replicas

pytestmark = pytest.mark.slow
RUNS = ("free", "clipped")


def free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(kind, output, **environment):
    cache = {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"], "CUDA_VISIBLE_DEVICES": "-1"}
    process = multiprocessing.get_context("forkserver").Process(
        target=several.run_here, args=(kind, output, cache | environment), daemon=True
    )
    process.start()
    return process


def written(process, output):
    process.join(200)
    errors = output.with_suffix(".txt")
    assert process.exitcode == 0, errors.read_text() if errors.exists() else "no answer"
    return dict(np.load(output))


def task(ports, index):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


@pytest.fixture(scope="module")
def trained(cache, tmp_path_factory):
    """What a process alone ends with, one with two devices, and two with one device each."""
    folder = tmp_path_factory.mktemp("trained")
    outputs = [folder / f"{name}.npz" for name in ("devices", "first", "second")]
    ports = free_ports(2)
    processes = [
        start("devices", outputs[0]),
        start("workers", outputs[1], TF_CONFIG=task(ports, 0)),
        start("workers", outputs[2], TF_CONFIG=task(ports, 1)),
    ]
    try:
        alone = several.both(tf.distribute.get_strategy())
        return [alone, *map(written, processes, outputs)]
    finally:
        for process in processes:
            process.kill()


def assert_close(one, other):
    for run in RUNS:
        for name in ("curve", "kernel", "bias", "average"):
            key = f"{run}/{name}"
            np.testing.assert_allclose(one[key], other[key], rtol=1e-5, atol=1e-5)


def test_training_moves_the_weights_and_clipping_matters(trained):
    alone = trained[0]
    for run in RUNS:
        assert np.abs(np.diff(alone[f"{run}/curve"])).min() > 0.01
    assert np.abs(alone["free/kernel"] - alone["clipped/kernel"]).max() > 0.01


def test_two_devices_with_half_the_batch_are_one(trained):
    alone, devices, _, _ = trained
    assert devices["place"].tolist() == [0, 1, 2]
    assert_close(devices, alone)


def test_two_processes_with_half_the_batch_are_one(trained):
    alone, _, *workers = trained
    assert [worker["place"].tolist() for worker in workers] == [[0, 2, 2], [1, 2, 2]]
    for worker in workers:
        assert_close(worker, alone)


def test_two_processes_end_with_equal_weights(trained):
    *_, first, second = trained
    for run in RUNS:
        for name in ("kernel", "bias", "average", "curve"):
            assert np.array_equal(first[f"{run}/{name}"], second[f"{run}/{name}"])


def test_without_a_cluster_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert cluster.place() == (0, 1)


@pytest.mark.parametrize(
    ("chiefs", "task", "place"),
    [
        (0, {"type": "worker", "index": 1}, (1, 3)),
        (1, {"type": "chief", "index": 0}, (0, 4)),
        (1, {"type": "worker", "index": 2}, (3, 4)),
    ],
)
def test_the_chief_comes_before_all_workers(monkeypatch, chiefs, task, place):
    addresses = {"worker": ["a:1", "b:1", "c:1"]} | ({"chief": ["d:1"]} if chiefs else {})
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": addresses, "task": task}))
    assert cluster.place() == place


def test_a_cluster_of_one_is_no_cluster(monkeypatch):
    alone = {"cluster": {"worker": ["127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(alone))
    strategy = replicas.strategy()
    assert not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    assert cluster.place() == (0, 1)


def test_one_device_is_dealt_all_rows():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert np.array_equal(replicas.deal(tf.distribute.get_strategy(), values), values)
