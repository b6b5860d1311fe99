import signal

import psutil
import pytest

from tests.tuning.kills import at_work, faults


def test_a_study_ends_at_its_total_with_the_default_as_its_first_trial(studies):
    result = studies.done("slots=2")
    assert result["counts"] == {"complete": 4}
    first, *others = studies.trials
    assert first.params == {"learning_rate": 0.02}
    assert all(0.001 <= trial.params["learning_rate"] <= 0.05 for trial in others)
    assert result["best"]["trial"] == 0
    assert result["best"]["value"] == pytest.approx(0.8)
    assert result["study"] == studies.name


def test_the_run_of_a_study_holds_what_it_found(studies):
    result = studies.done("slots=2", description="Rates, far and near.", figures=True)
    run = studies.store.get(result["run_id"])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"study {studies.name}"
    assert run.data.metrics["best/val/gap"] == pytest.approx(0.8)
    assert run.data.metrics["study/examples"] == 4 * 768
    assert [step for step, _ in studies.store.curve(result["run_id"], "best/val/gap")] == [
        1,
        2,
        3,
        4,
    ]
    card = run.data.tags["mlflow.note.content"]
    assert card.startswith("Trials: 4 complete.")
    assert "Rates, far and near." in card
    pictures = ("history", "curves", "slices", "timeline")
    assert studies.store.files(result["run_id"], "figures") == {
        f"figures/{name}.png" for name in pictures
    }
    page = studies.store.text(result["run_id"], "study.html")
    assert page.count("<svg") == len(pictures)
    assert "yt8m train" in page  # the best recipe
    assert "learning_rate" in studies.store.text(result["run_id"], "config.yaml")


def test_several_objectives_make_a_front(studies):
    objectives = {"val/gap": "maximize", "parameters": "minimize"}
    result = studies.done("trials=3", objectives=objectives, figures=True)
    assert result["best"]["value"] == [pytest.approx(0.8), 1000.0]
    assert result["front"][0] == result["best"]
    assert "figures/pareto_front.png" in studies.store.files(result["run_id"], "figures")


def test_an_objective_that_no_trial_measures_is_named(studies):
    objectives = {"val/recall": "maximize"}
    outcome = studies.drive("trials=1", objectives=objectives, max_failures=1)
    assert outcome.status == 1
    assert "`val/recall` is none of what trials measure: gap, parameters." in outcome.sentence
    assert studies.states() == ["FAIL"]


def test_a_session_ends_with_its_hours(studies):
    result = studies.done("trials=50", work="climbs", hours=3 / 3600)
    assert 0 < result["counts"]["complete"] < 50
    assert "RUNNING" not in studies.states()
    assert studies.store.status(result["run_id"]) == "FINISHED"


def test_a_second_interrupt_ends_a_trial_that_takes_no_notice_of_the_first(studies):
    driver = studies.start("trials=1", work="takes_no_notice")
    (trial,) = driver.until(lambda: at_work(studies))
    driver.until(lambda: "at work" in studies.output(studies.trials[0]))
    driver.send(signal.SIGINT)
    driver.until(lambda: "Stopped by a signal" in driver.read("err"))
    assert psutil.pid_exists(trial)
    driver.send(signal.SIGINT)
    assert driver.wait().status == 128 + signal.SIGINT
    assert not at_work(studies)
    assert studies.states() == ["FAIL", "WAITING"]


def test_going_on_counts_what_is_there(studies):
    first = studies.done("trials=2")
    assert studies.done("trials=2")["counts"] == {"complete": 2}
    again = studies.done("trials=5", "slots=3")
    assert again["counts"] == {"complete": 5}
    assert again["run_id"] == first["run_id"]


def test_a_session_notes_what_a_driver_that_died_had_not(studies):
    studies.done("trials=2")
    runs = [trial.user_attrs["run_id"] for trial in studies.trials]
    before = [studies.store.get(run_id).data.tags for run_id in runs]
    for run_id, status in zip(runs, ("SCHEDULED", "KILLED"), strict=True):
        studies.store.client.delete_tag(run_id, "trial.state")
        studies.store.client.update_run(run_id, status=status)
    studies.done("trials=2")
    assert [studies.store.status(run_id) for run_id in runs] == ["FINISHED"] * 2
    assert [studies.store.get(run_id).data.tags for run_id in runs] == before


def test_values_are_reported_at_examples_seen(studies):
    studies.done("trials=1")
    (trial,) = studies.trials
    assert trial.intermediate_values == pytest.approx({256: 0.8 / 3, 512: 1.6 / 3, 768: 0.8})
    assert trial.user_attrs["examples"] == 768


def test_a_trial_that_promises_little_is_pruned_and_its_run_says_why(studies):
    pruner = {"_target_": "optuna.pruners.ThresholdPruner", "lower": 0.2656}
    result = studies.done("trials=6", pruner=pruner)
    pruned = [trial for trial in studies.trials if trial.state.name == "PRUNED"]
    assert result["counts"] == {"complete": 6 - len(pruned), "pruned": len(pruned)}
    assert pruned
    for trial in pruned:
        assert list(trial.intermediate_values) == [256]
        run = studies.run(trial)
        assert run.info.status == "FINISHED"
        assert run.data.tags["trial.state"] == "pruned"
        assert "Pruned at 256 examples by ThresholdPruner" in run.data.tags["trial.reason"]


def test_a_model_beyond_the_budget_is_not_trained_and_does_not_count(studies):
    constraints = ["parameters <= 999 or learning_rate > 0.01"]
    result = studies.done("trials=4", constraints=constraints)
    assert result["counts"]["complete"] == 4
    infeasible = [trial for trial in studies.trials if trial.user_attrs.get("infeasible")]
    assert len(infeasible) == result["counts"]["infeasible"] > 0
    for trial in infeasible:
        assert trial.params["learning_rate"] <= 0.01
        assert not trial.intermediate_values
        assert "with 1,000 parameters" in trial.user_attrs["reason"]
        assert studies.run(trial).info.status == "FINISHED"


def test_proposals_that_break_a_constraint_by_themselves_are_not_tried(studies):
    result = studies.done("trials=3", constraints=["learning_rate > 0.01"])
    assert result["counts"]["complete"] == 3
    assert result["counts"]["infeasible"] > 0
    for trial in studies.trials:
        assert ("run_id" in trial.user_attrs) == (trial.params["learning_rate"] > 0.01)


@pytest.mark.parametrize(
    ("work", "reason", "words"),
    [
        ("raises", "ArithmeticError: these numbers do not add up", ()),
        (
            "wants_memory",
            "Out of memory. MemoryError",
            ("launcher.megabytes=2000", "launcher.preload=[]"),
        ),
        ("not_a_number", "val/gap is not a number.", ()),
        ("hangs", "Did not end within 1 s (trial_hours).", ()),
    ],
)
def test_failures_stop_the_study_which_says_why(studies, work, reason, words):
    hours = 1 / 3600 if work == "hangs" else None
    outcome = studies.drive(*words, work=work, max_failures=2, trial_hours=hours)
    assert outcome.status == 1
    assert "2 trials failed (max_failures)" in outcome.sentence
    assert reason in outcome.sentence
    assert studies.states() == ["FAIL", "FAIL"]
    for trial in studies.trials:
        assert reason in trial.user_attrs["reason"]
        run = studies.run(trial)
        assert run.info.status == "FAILED"
        assert reason in run.data.tags["trial.reason"]
    assert studies.store.status(studies.parent) == "FAILED"


def test_a_trial_fails_alone(studies):
    outcome = studies.drive("trials=1", work="fails_unless_default", max_failures=9)
    assert outcome.result["counts"] == {"complete": 1}


def test_a_trial_beyond_ulimit_fails_alone_with_a_sentence(studies):
    result = studies.done("trials=2", work="outgrows_ulimit", max_failures=9)
    assert result["counts"]["complete"] == 2
    failed = [trial for trial in studies.trials if trial.state.name == "FAIL"]
    assert failed
    for trial in failed:
        assert trial.params["learning_rate"] < 0.01
        assert trial.user_attrs["reason"].startswith("Out of memory. MemoryError")


def test_a_trial_that_floods_its_output_disturbs_nobody(studies):
    outcome = studies.drive("trials=1", work="floods")
    assert outcome.result["counts"] == {"complete": 1}
    assert len(studies.output(studies.trials[0])) > 20_000_000
    assert len(outcome.out + outcome.err) < 10_000


def test_a_trial_that_is_killed_is_tried_again_with_its_parameters_and_its_values(studies):
    result = studies.done("trials=2", work="dies_once")
    assert result["counts"] == {"complete": 2, "requeued": 2}
    trials = studies.trials
    for trial in trials:
        if trial.state.name == "COMPLETE":
            before = trials[trial.user_attrs["retry_of"]]
            assert trial.params == before.params
            assert trial.user_attrs["run_id"] == before.user_attrs["run_id"]
            assert "was killed by SIGKILL" in before.user_attrs["reason"]
            assert trial.intermediate_values[256] == before.intermediate_values[256] == 0.1
            assert studies.run(trial).info.status == "FINISHED"


def test_a_trial_that_dies_each_time_fails_in_the_end(studies):
    outcome = studies.drive("trials=1", work="dies", retries=1, max_failures=1)
    assert outcome.status == 1
    assert studies.states() == ["FAIL", "FAIL"]
    assert [trial.user_attrs["requeued"] for trial in studies.trials] == [True, False]


PLACES = {
    "local": "slots=8 launcher.megabytes=100 launcher.preload=[yt8m_exp.tuning.launchers.preload]",
    "subprocess": "slots=4 launcher=subprocess",
}


@pytest.mark.parametrize("launcher", PLACES)
def test_each_trial_sees_the_device_of_its_slot_alone(studies, launcher):
    words = [*PLACES[launcher].split(), "launcher.devices=[0,1,2,3]", "trials=8"]
    studies.done(*words, work="shows_its_place")
    seen = [studies.output(trial).partition("device ")[2].split()[0] for trial in studies.trials]
    assert set(seen) == {"0", "1", "2", "3"}


def test_a_signal_leaves_a_study_that_goes_on_where_it_was(studies):
    driver = studies.start("trials=2", "slots=2", work="hangs")
    driver.until(
        lambda: (
            studies.states() == ["RUNNING"] * 2
            and all("run_id" in t.user_attrs for t in studies.trials)
        )
    )
    driver.send(signal.SIGINT)
    outcome = driver.wait()
    assert outcome.status == 128 + signal.SIGINT
    assert sorted(studies.states()) == ["FAIL", "FAIL", "WAITING", "WAITING"]
    assert studies.store.status(studies.parent) == "KILLED"
    result = studies.done("trials=2")
    assert result["counts"] == {"complete": 2, "requeued": 2}
    assert {"learning_rate": 0.02} in [trial.params for trial in studies.trials[2:]]


def test_a_cluster_that_loses_a_worker_still_ends_the_study(studies):
    driver = studies.start("launcher=dask", "slots=2", work="climbs", trials=6, retries=9)
    driver.until(lambda: "COMPLETE" in studies.states() and len(at_work(studies)) == 2)
    victim = psutil.Process(at_work(studies)[0]).parent()
    victim.kill()
    outcome = driver.wait()
    assert outcome.status == 0, outcome.err
    assert outcome.result["counts"]["complete"] == 6
    assert outcome.result["counts"]["requeued"] >= 1
    assert faults(studies, 6) == []
