from pathlib import Path

import pytest
from mlflow import MlflowClient

from yt8m_exp.tracking.trials import Outcome, TrialRuns


@pytest.fixture
def runs(folder: Path) -> TrialRuns:
    client = MlflowClient()
    return TrialRuns(client, "rates", client.create_run("0").info.run_id, folder / "runs")


def test_a_trial_has_a_run_below_that_of_its_study_which_its_process_joins(runs):
    run = runs.begin(3, {"learning_rate": 0.02, "model": "moe"}, None)
    assert (run.name, run.resumed) == ("rates-3", False)
    assert run.environment["MLFLOW_RUN_ID"] == run.id
    assert run.output == runs.root / run.id / "output.log"
    found = runs.client.get_run(run.id)
    assert found.info.status == "SCHEDULED"
    assert found.data.tags["mlflow.parentRunId"] == runs.parent
    assert found.data.params == {"learning_rate": "0.02", "model": "moe"}


def test_another_attempt_takes_the_same_run_and_resumes_what_had_started(runs):
    first = runs.begin(0, {}, None)
    again = runs.begin(1, {}, first.id)
    assert (again.id, again.resumed, again.environment["MLFLOW_RUN_ID"]) == (
        first.id,
        False,
        first.id,
    )
    runs.client.log_text(first.id, "model: moe", "config.yaml")
    resumed = runs.begin(2, {}, first.id)
    assert (resumed.resumed, resumed.environment["MLFLOW_RUN_ID"]) == (True, "")


@pytest.mark.parametrize(
    ("state", "status"), [("complete", "FINISHED"), ("failed", "FAILED"), ("pruned", "FINISHED")]
)
def test_the_run_of_a_trial_tells_how_it_ended(runs, state, status):
    run = runs.begin(0, {}, None)
    runs.end(Outcome(run.id, 0, state, 512, "Why."))
    found = runs.client.get_run(run.id)
    assert found.info.status == status
    assert found.info.run_name == ("rates-0" if state == "complete" else f"rates-0 · {state}")
    note = found.data.tags.get("mlflow.note.content", "")
    assert note == ("" if state == "complete" else f"**{state.capitalize()}.** Why.")
    told = {key: value for key, value in found.data.tags.items() if key.startswith("trial.")}
    assert told == {
        "trial.study": "rates",
        "trial.number": "0",
        "trial.state": state,
        "trial.examples": "512",
        "trial.reason": "Why.",
    }


def test_the_run_of_a_pruned_trial_shows_the_command_that_repeats_it_and_no_error(runs):
    run = runs.begin(0, {}, None)
    runs.client.set_tag(run.id, "command", "yt8m train model=moe")
    runs.client.set_tag(run.id, "error", "Pruned at 512 examples.")
    runs.end(Outcome(run.id, 0, "pruned", 512, "Below the median."))
    tags = runs.client.get_run(run.id).data.tags
    assert tags["mlflow.note.content"].endswith("```\nyt8m train model=moe\n```")
    assert "error" not in tags


def test_what_a_dead_driver_has_not_recorded_is_recorded_once(runs):
    recorded, lost = runs.begin(0, {}, None), runs.begin(1, {}, None)
    runs.end(Outcome(recorded.id, 0, "complete", 256))
    ended = [Outcome(recorded.id, 0, "complete", 0, time=1), Outcome(lost.id, 1, "pruned", 9)]
    runs.end_unrecorded(ended)
    assert runs.client.get_run(recorded.id).data.tags["trial.examples"] == "256"
    assert runs.client.get_run(lost.id).data.tags["trial.state"] == "pruned"


def test_a_run_that_no_trial_will_get_is_closed(runs):
    made = [runs.begin(number, {}, None).id for number in range(4)]
    runs.client.update_run(made[3], status="RUNNING")  # its driver died before it was scheduled
    runs.close_orphans(lambda: {0: made[0], 1: None})
    statuses = [runs.client.get_run(run_id).info.status for run_id in made]
    assert statuses == ["SCHEDULED", "SCHEDULED", "KILLED", "KILLED"]
