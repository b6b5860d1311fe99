"""Verbs whose tracking server fails: they end soon, lose nothing, and log nothing twice."""

import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from tests.faults import FAULTS, TRAINED, Trained, machine_of
from tests.proxy import failing, reset
from tests.tracking.server import Server
from tests.verbs import SCORED, copy_database
from yt8m_exp.tracking.connection import login


@pytest.fixture(scope="module")
def straight(store):
    return Trained(store)


def test_a_server_that_fails_in_closing_ends_a_training_soon_and_a_resume_logs_the_rest(
    behind, tracking_proxy, straight
):
    tracking_proxy.once_asked("PATCH .*logged-models", failing(500))  # a model is almost logged
    ended = behind.run("train", *TRAINED, "tracking.patience=1")
    (folder,) = behind.runs.glob("*")
    assert ended.status == os.EX_TEMPFAIL
    assert "as it should: status 500" in ended.sentence
    assert f"The work is safe in {folder}; resume={folder.name} logs the rest" in ended.sentence

    tracking_proxy.once_asked("POST .*runs/set-tag", tracking_proxy.hang)  # the model is logged
    closing = behind.start("train", f"resume={folder.name}", "tracking.patience=3600")
    closing.until(tracking_proxy.fell.is_set)
    closing.send(signal.SIGTERM)
    assert closing.wait().status == 128 + signal.SIGTERM

    tracking_proxy.heal()
    behind.done("train", f"resume={folder.name}")
    assert straight.differences(behind, folder.name) == []


def test_a_server_that_fails_at_every_tenth_request_changes_nothing(
    behind, tracking_proxy, straight
):
    tracking_proxy.sometimes(0.1, *FAULTS, seed=1)
    name = behind.folder.name
    apart = f"tracking.experiment={name}"
    trained = behind.done("train", *TRAINED, f"register={name}", apart)
    assert straight.differences(behind, trained["run_id"]) == []

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
    assert "Then start the same command again." in ended.sentence
    assert not output.exists()
    tracking_proxy.heal()
    assert behind.done("inference", *given)["videos"] == 251


def test_a_login_that_expires_ends_a_prediction_with_a_sentence(
    store, trained, behind, tracking_proxy
):
    tracking_proxy.once_asked("POST .*log-inputs", failing(401))
    output = behind.folder / "predictions.csv"
    model = store.model(trained["model_uri"])
    ended = behind.run("inference", f"model_uri={model}", f"shards={SCORED}", f"output={output}")
    assert ended.status == 1
    address = tracking_proxy.url.rstrip("/")
    assert f"The tracking server at {address} does not accept the login. Set MLFLOW_" in ended.err
    assert ended.sentence.endswith("Then start the same command again.")
    assert not output.exists()


@pytest.fixture
def closed_server(database, tmp_path):
    """A tracking server that lets nobody in without a login."""
    server = Server(tmp_path, login=("anna", "correct horse battery"))
    copy_database(database, tmp_path)
    server.start()
    server.wait()
    yield server
    server.kill()


def test_a_training_whose_login_expires_says_so_and_a_new_login_logs_the_rest(
    store, straight, closed_server, tmp_path, monkeypatch
):
    machine = machine_of(store, closed_server.uri, closed_server.uri, tmp_path / "machine")
    name, password = closed_server.login
    for given in ({}, {login.USERNAME: name, login.PASSWORD: "wrong"}):
        machine.environment = machine.environment | given
        outcome = machine.run("train", *TRAINED)
        assert outcome.status == 1
        assert "does not accept the login. Set MLFLOW_TRACKING_USERNAME and" in outcome.sentence

    machine.environment = machine.environment | {login.PASSWORD: password}
    running, run_id = machine.start_run("train", *TRAINED)
    running.until(lambda: "Validate:" in running.read("err"))
    closed_server.change_password("another horse battery")
    expired = running.wait()
    assert expired.status == 1
    assert "does not accept the login. Set MLFLOW_TRACKING_USERNAME and" in expired.sentence
    assert f"resume={run_id} logs the rest" in expired.sentence

    name, password = closed_server.login
    machine.environment = machine.environment | {login.PASSWORD: password}
    machine.done("train", f"resume={run_id}")
    monkeypatch.setenv(login.USERNAME, name)
    monkeypatch.setenv(login.PASSWORD, password)
    assert straight.differences(machine, run_id) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 20 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk])
    if made.returncode:
        pytest.skip("Only root may mount a disk.")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_training_whose_tracking_disk_is_full_is_whole_after_a_resume(
    store, straight, database, small_disk, tmp_path
):
    copy_database(database, small_disk)
    uri = f"sqlite:///{small_disk}/mlflow.db"
    machine = machine_of(store, uri, uri, tmp_path)
    running, run_id = machine.start_run("train", *TRAINED, "tracking.patience=1")
    running.until(lambda: "Validate:" in running.read("err"))
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free))
    ended = running.wait()
    assert ended.status == 1
    assert f"The disk of {uri} is full. Make room." in ended.sentence
    assert f"resume={run_id} logs the rest" in ended.sentence
    filler.unlink()
    machine.done("train", f"resume={run_id}")
    assert straight.differences(machine, run_id) == []
