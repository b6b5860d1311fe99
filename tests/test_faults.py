"""Verbs whose tracking server fails: they end soon, lose nothing, and log nothing twice."""

import os
import signal

import numpy as np
import pytest

from tests.proxy import cut, failing, lost, reset
from tests.verbs import CURVES, SCORED, SMALL

TRAINED = (
    *SMALL,
    *("epochs=3", "batch_size=64", "log_every=64", "evaluate_every=256", "figures=false"),
)
FAULTS = (reset, lost, cut, failing(500), failing(503), failing(429, Retry_After="0"))
"""What may go wrong with one request in ten: before the server sees it, and after."""
LAST = "checkpoint-000000000768.npz"


@pytest.fixture(scope="module")
def straight(store):
    """A training that nothing disturbed."""
    run_id = store.done("train", *TRAINED)["run_id"]
    return store.checkpoints(run_id)[-1], {key: store.curve(run_id, key) for key in CURVES}


def require_equal(machine, run_id, straight):
    """Compares a run with the one that nothing disturbed, and looks for what it left behind."""
    checkpoint, curves = straight
    ours, theirs = np.load(machine.checkpoints(run_id)[-1]), np.load(checkpoint)
    assert ours.files == theirs.files
    for name in ours.files:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert {key: machine.curve(run_id, key) for key in CURVES} == curves
    run = machine.get(run_id)
    assert run.info.status == "FINISHED"
    assert "error" not in run.data.tags
    assert len(machine.curve(run_id, "best/val/gap")) == 1
    models = machine.client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run_id}'"
    )
    assert [(model.name, model.status) for model in models] == [("best", "READY")]
    assert {f"checkpoints/{name}" for name in (LAST, "best.keras")} <= machine.files(
        run_id, "checkpoints"
    )


def test_a_server_that_fails_in_closing_ends_a_training_soon_and_a_resume_logs_the_rest(
    behind, tracking_proxy, straight
):
    tracking_proxy.once_asked("PATCH .*logged-models", failing(500))  # a model is almost logged
    ended = behind.run("train", *TRAINED, "tracking.patience=1")
    (folder,) = behind.runs.glob("*")
    assert ended.status == os.EX_TEMPFAIL
    assert "as it should: status 500" in ended.sentence
    assert f"The work is safe in {folder}." in ended.sentence
    assert f"resume={folder.name} logs the rest" in ended.sentence

    tracking_proxy.once_asked("POST .*runs/set-tag", tracking_proxy.hang)  # the model is logged
    closing = behind.start("train", f"resume={folder.name}", "tracking.patience=3600")
    closing.until(tracking_proxy.fell.is_set)
    closing.send(signal.SIGTERM)
    assert closing.wait().status == 128 + signal.SIGTERM

    tracking_proxy.heal()
    behind.done("train", f"resume={folder.name}")
    require_equal(behind, folder.name, straight)


def test_a_server_that_fails_at_every_tenth_request_changes_nothing(
    behind, tracking_proxy, straight
):
    tracking_proxy.sometimes(0.1, *FAULTS, seed=1)
    name = behind.folder.name
    apart = f"tracking.experiment={name}"
    trained = behind.done("train", *TRAINED, f"register={name}", apart)
    require_equal(behind, trained["run_id"], straight)

    words = (f"name={name}", f"shards={SCORED}", "tracking.system_metrics=false", apart)
    promoted = behind.done("promote", *words, "policy.minimum_gap=0", "policy.resamples=200")
    assert promoted["promoted"]
    told = behind.done("history", f"name={name}")
    assert [(d["number"], d["to"], d["completed"]) for d in told["decisions"]] == [(1, 1, True)]
    assert told["problems"] == []
    versions = behind.client.search_model_versions(f"name='{name}'")
    assert [version.version for version in versions] == ["1"]
    experiment = behind.client.get_experiment_by_name(name)
    runs = behind.client.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in runs} == {trained["run_id"], promoted["run_id"]}


@pytest.mark.parametrize("words", ["POST .*runs/create", "POST .*log-inputs"])
def test_a_server_that_goes_away_ends_a_prediction_soon(
    store, trained, behind, tracking_proxy, words
):
    tracking_proxy.once_asked(words, reset)
    output = behind.folder / "predictions.csv"
    model = store.model(trained["model_uri"])
    given = (f"model_uri={model}", f"shards={SCORED}", f"output={output}")
    ended = behind.run("inference", *given, "tracking.patience=1")
    assert ended.status == os.EX_TEMPFAIL
    assert "Once it is back, start the same command again." in ended.sentence
    assert not output.exists()
    tracking_proxy.heal()
    assert behind.done("inference", *given)["videos"] == 251
