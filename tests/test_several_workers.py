"""A training of two workers, as two processes with TF_CONFIG: a worker is lost, and all resume."""

import json
import signal

import pytest

from tests.training.test_replicas import free_ports
from tests.verbs import CURVES, SMALL

WORDS = (*SMALL, "batch_size=16", "epochs=6", "evaluate_every=256", "checkpoint_seconds=0")


def start(store, *words):
    """Starts a training on two workers; each has a folder of its own for runs."""
    ports = free_ports(2)
    workers = []
    for index in range(2):
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        store.environment["TF_CONFIG"] = json.dumps(config)
        runs = store.runs if index == 0 else store.folder / "others"
        workers.append(store.start("train", *words, f"tracking.runs={runs}"))
        del store.environment["TF_CONFIG"]
    return workers


@pytest.fixture(scope="module")
def straight(store):
    first, second = start(store, *WORDS)
    outcome = first.wait()
    assert outcome.status == 0, outcome.err
    assert second.wait().status == 0
    return outcome.result


def test_a_lost_worker_ends_all_in_a_sentence_and_they_resume(store, straight):
    before = set(store.runs.glob("*"))
    first, second = start(store, *WORDS)

    def begun():
        return next(
            (
                run
                for run in set(store.runs.glob("*")) - before
                if list((run / "checkpoints").glob("*.npz"))
            ),
            None,
        )

    run_id = first.until(begun).name
    second.send(signal.SIGKILL)
    ended = first.wait()
    assert ended.status == 1, ended.err
    assert f"resume={run_id}" in ended.sentence
    assert store.status(run_id) == "FAILED"

    first, second = start(store, f"resume={run_id}")
    outcome = first.wait()
    assert outcome.status == 0, outcome.err + second.wait().err
    assert second.wait().status == 0
    assert outcome.result["gap"] == straight["gap"]
    for key in CURVES:
        assert store.curve(run_id, key) == store.curve(straight["run_id"], key)
