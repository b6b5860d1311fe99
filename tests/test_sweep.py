import os
import signal
import sys
from pathlib import Path

import pytest
import yaml

from tests.data.examples import floats
from tests.verbs import CURVES, SMALL, record, shard
from yt8m_exp.tracking import owners
from yt8m_exp.tuning.slots import slot_environments

BIN = Path(sys.executable).parent
TRAINED = ("epochs=4", "batch_size=32", "log_every=64", "checkpoint_seconds=0.02")
STUDY = {
    "overrides": [*SMALL, *TRAINED],
    "objectives": {"val/gap": "maximize"},
    "trials": 2,
    "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.05, "log": True}},
    "sampler": {"_target_": "optuna.samplers.RandomSampler", "seed": 1},
}


def words(folder, name, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump({"name": name} | STUDY | changes))
    return (
        f"sweep={folder}/study.yaml",
        f"storage={folder}/journal",
        "tracking.system_metrics=false",
        "figures=false",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def disturbed(store, folder):
    """A study of real trainings, one of which is killed, and which is then stopped and resumed."""

    def children():
        return {run.info.run_id for run in store.search("tags.mlflow.parentRunId != ''")}

    def of_trials():
        return children() - of_others

    of_others = children()
    given = words(folder, "disturbed")
    first = store.start("sweep", *given, "slots=2")

    first.until(lambda: any(len(store.checkpoints(run_id)) > 1 for run_id in of_trials()))
    victim = next(run_id for run_id in of_trials() if store.checkpoints(run_id))
    os.kill(int(owners.of_run(store.get(victim))["pid"]), signal.SIGKILL)
    first.until(lambda: "was killed by SIGKILL" in first.read("err"))
    first.send(signal.SIGINT)
    stopped = first.wait()
    between = {run_id: store.status(run_id) for run_id in of_trials()}
    result = store.done("sweep", *given, "slots=2", "register=swept")
    return {"stopped": stopped, "between": between, "victim": victim, "result": result}


def test_a_study_that_was_disturbed_ends_at_its_total(disturbed):
    assert disturbed["stopped"].status == 128 + signal.SIGINT
    assert set(disturbed["between"].values()) <= {"KILLED", "FINISHED", "SCHEDULED"}
    assert disturbed["result"]["counts"]["complete"] == 2


def test_the_same_command_goes_on_with_it(store, disturbed):
    tags = store.get(disturbed["result"]["run_id"]).data.tags
    assert tags["resumes"] == "1"
    assert tags["command"].startswith("yt8m sweep ")
    assert "resume.1.command" not in tags  # there if it had another


def test_its_trials_are_runs_below_the_studys(store, disturbed):
    parent = disturbed["result"]["run_id"]
    assert store.status(parent) == "FINISHED"
    runs = store.search(f"tags.mlflow.parentRunId = '{parent}'")
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    for run in runs:
        assert run.data.tags["trial.state"] == "complete"
        assert float(run.data.params["learning_rate"]) == float(
            run.data.params["cfg.learning_rate"]
        )


def test_a_trial_that_was_killed_ends_as_if_it_were_not(store, disturbed, monkeypatch):
    for name, value in slot_environments(2, [])[0].items():  # sums depend on threads
        monkeypatch.setitem(store.environment, name, value)
    run = store.get(disturbed["victim"])
    rate = run.data.params["learning_rate"]
    straight = store.done("train", *SMALL, *TRAINED, f"learning_rate={rate}")
    assert run.data.metrics["val/gap"] == store.get(straight["run_id"]).data.metrics["val/gap"]
    for key in CURVES:
        assert store.curve(run.info.run_id, key) == store.curve(straight["run_id"], key)


def test_the_best_model_is_registered_as_a_challenger(store, disturbed):
    version = store.client.get_model_version_by_alias("swept", "challenger")
    assert version.run_id == disturbed["result"]["best"]["run_id"]
    assert disturbed["result"]["version"] == int(version.version)


def test_an_entry_point_of_mlflow_holds_the_study_and_its_trials(store, tmp_path):
    words(tmp_path, "by mlflow")
    given = f"storage={tmp_path}/journal tracking.runs={store.runs} tracking.system_metrics=false"
    parameters = {"sweep": f"{tmp_path}/study.yaml", "trials": "1", "overrides": given}
    result = store.mlflow_run("sweep", parameters)
    run = store.get(result["run_id"])
    assert (run.info.status, run.data.tags["mlflow.project.entryPoint"]) == ("FINISHED", "sweep")
    trial = store.get(result["best"]["run_id"])
    assert trial.info.status == "FINISHED"
    assert trial.data.tags["mlflow.parentRunId"] == result["run_id"]


def test_the_remedies_for_shards_are_the_sweeps_own(store, tmp_path):
    given = words(tmp_path / "study", "remedies", overrides=["tracking.system_metrics=false"])
    outcome = store.run("sweep", *given, f"train={tmp_path}/none*.tfrecord")
    assert outcome.status == 2
    assert "Set train to where yours lie" in outcome.sentence
    shard(tmp_path / "bad.tfrecord", record("bad", mean_audio=floats([1.0])))
    outcome = store.run("sweep", *given, f"train={tmp_path}/bad.tfrecord")
    assert outcome.status == 2
    assert """set 'fixed=["data.on_bad_record=skip"]'.""" in outcome.sentence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"space": {"model.dropout": {"type": "float", "low": -0.5, "high": 0.5}}},
            "`model.dropout >= 0` must hold, but got model.dropout=-0.5.",
        ),
        ({"sampler": {"_target_": "optuna.samplers.Nothing"}}, "`sampler` cannot be made"),
        ({"pruner": {"_target_": "optuna.pruners.MedianPruner", "x": 1}}, "`pruner` cannot be"),
        ({"overrides": [*SMALL, "epochs=${nothing}"]}, "nothing"),
    ],
)
def test_what_no_trial_could_use_is_refused_before_one_begins(store, tmp_path, changes, sentence):
    before = store.run_ids()
    outcome = store.run("sweep", *words(tmp_path / "study", "refused", **changes))
    assert outcome.status == 2, outcome.err
    assert sentence in outcome.sentence
    assert store.run_ids() == before
