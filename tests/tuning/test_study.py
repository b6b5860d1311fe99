import json
import multiprocessing
import os
import resource
import signal
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import NullPool, create_engine

from yt8m_exp.spec import OutsideError
from yt8m_exp.tracking import owners
from yt8m_exp.tuning import leases as of_drivers
from yt8m_exp.tuning import study_summary
from yt8m_exp.tuning.definition import Definition
from yt8m_exp.tuning.leases import Leases
from yt8m_exp.tuning.storage import open_storage
from yt8m_exp.tuning.study import Trials, open_study

DATA = {"train": "a", "validate": "b"}
SPACE = {"x": {"type": "float", "low": 0.0, "high": 1.0}}
DEFINITION = Definition("study", (), {"val/gap": "maximize"}, SPACE, 4)


@pytest.fixture
def storage(tmp_path):
    return open_storage(str(tmp_path / "studies.journal"))


def opened(storage, definition=DEFINITION, data=DATA, **options):
    given = {"first": {"x": 0.5}, "sampler": lambda session: None, "pruner": None} | options
    return open_study(storage, definition, data=data, **given)


def trials_of(storage, total=4, retries=2, lease_seconds=60.0):
    study = opened(storage)
    held = Leases(study, Path(storage.url).parent / "drivers", lease_seconds)
    held._write()
    return Trials(storage, study, held, total, retries)


def begin_and_die(path):
    trials = trials_of(open_storage(path))
    for _ in range(2):
        trial = trials.claim()
        trial.suggest_float("x", 0, 1)
        trial.report(0.25, 100)
        trial.set_user_attr("run_id", f"run-{trial.number}")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_study_begins_with_its_first_trial_once(storage):
    opened(storage)
    study = opened(storage)
    assert [trial.state for trial in study.trials] == [TrialState.WAITING]
    assert study.ask().suggest_float("x", 0, 1) == 0.5
    assert study.metric_names == ["val/gap"]


@pytest.mark.parametrize(
    ("definition", "data", "what"),
    [
        (Definition("study", ("epochs=2",), {"val/gap": "maximize"}, SPACE, 4), DATA, "space"),
        (DEFINITION, DATA | {"train": "c"}, "data"),
    ],
)
def test_a_study_of_another_kind_is_refused_unless_that_is_meant(storage, definition, data, what):
    opened(storage)
    with pytest.raises(ValueError, match=f"must go on with the {what}.* accept_changes=true"):
        opened(storage, definition, data)
    opened(storage, definition, data, accept_changes=True)
    opened(storage, definition, data)


def test_no_session_proposes_what_another_has_proposed(storage):
    def sampler(session):
        return optuna.samplers.RandomSampler(seed=session)

    sessions = [opened(storage, sampler=sampler) for _ in range(3)]
    proposals = [study.ask().suggest_float("x", 0, 1) for study in sessions for _ in range(2)]
    assert proposals[0] == 0.5
    assert len(set(proposals)) == 6


def test_no_more_trials_are_taken_than_count(storage):
    trials = trials_of(storage)
    taken = [trials.claim() for _ in range(4)]
    assert trials.claim() is None
    trials.finish(taken[0], [0.5])
    trials.prune(taken[1], "no promise")
    assert trials.claim() is None
    trials.fail(taken[2].number, "its own fault")
    taken.append(trials.claim())
    assert taken[-1] is not None
    assert trials.claim() is None
    assert not trials.is_done()
    trials.finish(taken[3], [0.5])
    trials.finish(taken[4], [0.5])
    assert trials.is_done()


def test_an_infeasible_trial_does_not_count_and_is_not_the_best(storage):
    trials = trials_of(storage, total=1)
    trials.prune(trials.claim(), "too large", infeasible=True)
    assert not trials.is_done()
    trials.finish(trials.claim(), [0.1])
    assert trials.is_done()
    assert study_summary.best(trials.study)[0]["value"] == 0.1
    assert study_summary.count_by_state(trials.study) == {"complete": 1, "infeasible": 1}


def test_the_description_of_a_study_begins_with_its_results(storage):
    trials = trials_of(storage, total=1)
    trials.finish(trials.claim(), [0.25])
    counts, table, purpose = study_summary.note(trials.study, "A purpose.\n").split("\n\n")
    assert (counts, purpose) == ("Trials: 1 complete.", "A purpose.")
    assert "| 0&emsp; | 0.25 |" in table


@pytest.mark.slow
def test_trials_of_a_driver_that_died_are_failed_and_queued_again(storage):
    process = multiprocessing.get_context("forkserver").Process(
        target=begin_and_die, args=(storage.url,)
    )
    process.start()
    process.join()
    trials = trials_of(storage)
    trial = trials.claim()
    assert [t.state.name for t in trials.study.trials] == ["FAIL", "FAIL", "RUNNING", "WAITING"]
    assert trial.user_attrs["retry_of"] == 0
    assert trial.user_attrs["attempt"] == 1
    assert trial.user_attrs["run_id"] == "run-0"
    assert trial.suggest_float("x", 0, 1) == 0.5
    assert trials.study.trials[2].intermediate_values == {100: 0.25}
    assert "is gone" in trials.study.trials[0].user_attrs["reason"]


def test_a_trial_is_queued_again_once_whoever_finds_it(storage):
    trials = trials_of(storage)
    trial = trials.claim()
    assert trials.fail(trial.number, "it died", "crashed")
    assert trials.fail(trial.number, "it died", "crashed")
    assert trials_of(storage).fail(trial.number, "it died", "crashed")
    assert [t.state.name for t in trials.study.trials] == ["FAIL", "WAITING"]


def test_retries_have_a_limit_and_interruptions_have_none(storage):
    trials = trials_of(storage, retries=1)
    for again, queued in (
        *[("interrupted", True)] * 3,
        *[("crashed", True), ("interrupted", True), ("crashed", False)],
    ):
        assert trials.fail(trials.claim().number, "stopped", again) == queued
    assert study_summary.count_by_state(trials.study) == {"fail": 1, "requeued": 5}


def test_a_trial_that_another_driver_has_ended_is_left_as_it_is(storage):
    trials = trials_of(storage)
    trial = trials.claim()
    trials_of(storage).study.tell(trial.number, state=TrialState.FAIL)
    assert not trials.finish(trial, [0.5])
    assert not trials.prune(trial, "late")
    trials.set_attributes(trial, examples=3)
    assert trials.study.trials[0].state == TrialState.FAIL


def test_a_driver_lives_while_its_process_does(storage, tmp_path):
    study = opened(storage)
    ours, theirs = Leases(study, tmp_path), Leases(study, tmp_path)
    assert not ours.lives(theirs.driver)
    with theirs.renewed():
        assert ours.lives(theirs.driver)
    assert not ours.lives(theirs.driver)
    assert not ours.lives(None)


def test_a_driver_of_this_container_before_its_restart_is_known_to_be_dead(
    storage, tmp_path, monkeypatch
):
    study = opened(storage)
    with monkeypatch.context() as before:
        before.setattr(owners, "_pid_namespace", lambda: "pid:[1]")
        dead = Leases(study, tmp_path)
    ours, name = Leases(study, tmp_path), f"driver:{dead.driver}"
    with dead.renewed():
        lease = study.user_attrs[name]
        assert ours.lives(dead.driver)
    study.set_user_attr(name, lease)
    Path(lease["lock"]).touch()  # as a kill leaves it
    assert not ours.lives(dead.driver)
    Path(lease["lock"]).unlink()  # as on another machine
    assert ours.lives(dead.driver)


def test_a_driver_of_another_machine_lives_while_it_renews_its_lease(
    storage, tmp_path, monkeypatch
):
    study = opened(storage)
    there = owners.process() | {"host": "elsewhere", "beat": 1, "ended": False}
    study.set_user_attr("driver:other", there)
    now = 1000.0
    monkeypatch.setattr(of_drivers.time, "monotonic", lambda: now)
    ours = Leases(study, tmp_path, lease_seconds=60)
    assert ours.lives("other")
    now += 59
    assert ours.lives("other")
    study.set_user_attr("driver:other", there | {"beat": 2})
    now += 59
    assert ours.lives("other")
    now += 61
    assert not ours.lives("other")


def test_what_a_writer_left_of_a_line_is_cut_off(storage, tmp_path):
    opened(storage)
    journal = tmp_path / "studies.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "worker')
    study = opened(open_storage(storage.url))
    study.enqueue_trial({"x": 0.25})
    assert journal.read_bytes().startswith(whole)
    for line in journal.read_text().splitlines():
        json.loads(line)
    assert len(study.trials) == 2


@pytest.mark.parametrize("place", [0, 3, None])
@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"",
        b"\xff\xfe",
        b"{}",
        b"[1]",
        b"null",
        b'{"op_code": 4}',
        b'{"op_code": 99, "worker_id": "w"}',
    ],
)
def test_a_bad_line_of_a_journal_is_named_with_the_way_out(storage, tmp_path, line, place):
    opened(storage).ask()
    journal = tmp_path / "studies.journal"
    whole = journal.read_bytes().splitlines(keepends=True)
    place = len(whole) if place is None else place
    journal.write_bytes(b"".join([*whole[:place], line + b"\n", *whole[place:]]))
    with pytest.raises(ValueError, match=rf"{journal}, line {place + 1} is no .*head -n {place} "):
        open_storage(storage.url)


def test_a_line_that_goes_bad_later_is_named_too(storage, tmp_path):
    study = opened(storage)
    with (tmp_path / "studies.journal").open("ab") as file:
        file.write(b"no json\n")
    with pytest.raises(ValueError, match=r"studies.journal, line \d+ is no JSON"):
        study.ask()


@pytest.mark.slow
def test_the_lock_of_a_journal_ends_with_its_process(storage):
    process = multiprocessing.get_context("forkserver").Process(
        target=hold_and_die, args=(storage.url,)
    )
    process.start()
    process.join()
    with storage.claiming("study"):
        opened_study = optuna.create_study(storage=storage.optuna, study_name="other")
    assert opened_study.trials == []


def hold_and_die(path):
    with open_storage(path).claiming("study"):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("url", ["sqlite:///studies.db", "mysql://host/studies"])
def test_other_databases_are_refused(url):
    with pytest.raises(ValueError, match="must be a file for Optuna's journal or a postgresql URL"):
        open_storage(url)


def test_a_database_of_another_program_is_refused(postgres):
    with create_engine(postgres, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
        connection.exec_driver_sql("CREATE TABLE runs (id int)")
        connection.commit()
    with pytest.raises(ValueError, match=r"for Optuna alone, but .* alembic_version, runs"):
        open_storage(postgres)


def test_a_journal_on_a_full_disk_is_named_and_goes_on_when_there_is_room(storage, tmp_path):
    study = optuna.create_study(storage=storage.optuna)
    journal = tmp_path / "studies.journal"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + 9, limits[1]))
    try:
        with pytest.raises(OutsideError, match=f"The journal {journal} cannot be written to: "):
            study.ask()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    again = open_storage(str(journal)).optuna
    study = optuna.load_study(study_name=study.study_name, storage=again)
    assert study.ask().number == 0
