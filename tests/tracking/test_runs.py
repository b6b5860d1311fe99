import multiprocessing
import os
import signal
import time
from pathlib import Path

import mlflow
import psutil
import pytest
from filelock import FileLock
from mlflow import MlflowClient

from tests.tracking.conftest import uri
from yt8m_exp.spec import OutsideError
from yt8m_exp.tracking import configuration, owners, runs, store
from yt8m_exp.tracking.configuration import flatten

CONFIG = {
    "model": {"_target_": "yt8m_exp.models.moe", "experts": 4, "dropout": None},
    "data": {"train": ["a*.tfrecord", "b*.tfrecord"], "cache": True, "note": ""},
    "long": "x" * 7000,
}
PARALLEL_STARTS = 3
WAIT = """
    with runs.open_run("train", experiment="e", config={}, resume=os.environ.get("RESUME")) as run:
        print(run.id, flush=True)
        signal.pause()
"""


def open_run(**options):
    options = {"experiment": "e", "config": CONFIG, "system_metrics": False, **options}
    return runs.open_run("train", **options)


def finished(**options) -> str:
    with open_run(**options) as run:
        return run.id


def status(run_id: str) -> str:
    return MlflowClient().get_run(run_id).info.status


def tags(run_id: str) -> dict[str, str]:
    return MlflowClient().get_run(run_id).data.tags


def open_one(folder: Path) -> None:
    os.chdir(folder)
    os.environ.update(uri(folder))
    with runs.open_run("train", experiment="fresh", config={}, system_metrics=False) as run:
        Path(f"{run.id}.opened").touch()


def test_processes_that_find_no_database_at_the_same_time_share_one(folder):
    (folder / "mlflow.db").unlink()
    forked = multiprocessing.get_context("forkserver")
    processes = [forked.Process(target=open_one, args=(folder,)) for _ in range(PARALLEL_STARTS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PARALLEL_STARTS
    started = {path.stem for path in folder.glob("*.opened")}
    client = MlflowClient()
    experiments = [e for e in client.search_experiments() if e.name == "fresh"]
    assert len(experiments) == 1
    found = {run.info.run_id: run for run in client.search_runs([experiments[0].experiment_id])}
    assert found.keys() == started
    for run_id, run in found.items():
        assert run.info.status == "FINISHED"
        assert run.info.artifact_uri.startswith(f"{folder}/mlruns/")
        assert (folder / "runs" / run_id / "lock").exists()


def test_artifacts_lie_beside_the_database_whatever_the_directory(folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run_id = finished()
    place = Path(MlflowClient().get_run(run_id).info.artifact_uri)
    assert place.is_relative_to(folder / "mlruns")
    assert (place / "config.yaml").exists()


def test_without_a_setting_the_database_lies_beside_the_package(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = Path(runs.__file__).parents[2]
    assert store.tracking_uri() == f"sqlite:///{project}/mlflow.db"


def test_a_run_records_configuration_origin_and_owner(folder, artifact):
    with open_run(name="moe", tags={"note": "first"}) as run:
        assert not run.resumed
        assert run.directory == folder / "runs" / run.id
        assert mlflow.active_run().info.run_id == run.id
    data = MlflowClient().get_run(run.id).data
    assert data.params["cfg.model.experts"] == "4"
    assert data.params["cfg.model.dropout"] == "null"
    assert data.params["cfg.data.train"] == '["a*.tfrecord", "b*.tfrecord"]'
    assert len(data.params["cfg.long"]) == 6000
    assert "x" * 7000 in artifact(run.id, "config.yaml")
    assert data.tags["verb"] == "train"
    assert data.tags["note"] == "first"
    assert data.tags[owners.PREFIX + "pid"] == str(os.getpid())
    assert data.tags["mlflow.runName"] == "moe"
    assert f"mlflow {mlflow.__version__}" in data.tags["versions"]


def test_a_large_configuration_is_logged_whole(folder):
    config = {f"group{i}": {f"key{j}": j for j in range(25)} for i in range(10)}
    params = MlflowClient().get_run(finished(config=config)).data.params
    assert params == flatten(config)
    assert len(params) == 250


def test_a_status_is_true(folder, artifact):
    with pytest.raises(ArithmeticError), open_run() as failed:
        raise ArithmeticError("loss is NaN")
    with pytest.raises(KeyboardInterrupt), open_run() as interrupted:
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), open_run() as refused:
        raise SystemExit(2)
    assert status(finished()) == "FINISHED"
    assert status(failed.id) == "FAILED"
    assert tags(failed.id)["error"] == "ArithmeticError: loss is NaN"
    assert "raise ArithmeticError" in artifact(failed.id, "error.txt")
    assert status(interrupted.id) == "KILLED"
    assert status(refused.id) == "FAILED"


def test_sigterm_kills_a_run_and_a_second_one_does_not_disturb(folder):
    def stop_twice() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as raised, open_run() as run:
        stop_twice()
    assert raised.value.code == 128 + signal.SIGTERM
    assert status(run.id) == "KILLED"
    assert tags(run.id)["error"] == "Stopped by SIGTERM."
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_live_run_is_neither_closed_nor_resumed_by_others_and_sigterm_kills_it(folder, child):
    run_id = finished()
    process = child(WAIT, RESUME=run_id)
    assert process.stdout.readline().strip() == run_id
    experiment_id = MlflowClient().get_run(run_id).info.experiment_id
    assert owners.close_dead_runs(MlflowClient(), experiment_id) == []
    for root in (Path("runs"), Path("other")):
        held = f"Run {run_id} is held by process {process.pid}"
        with pytest.raises(OutsideError, match=held), open_run(resume=run_id, root=root):
            pass
    assert status(run_id) == "RUNNING"
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    assert status(run_id) == "KILLED"


def test_of_a_run_whose_holder_is_not_known_no_process_is_named(folder, child, monkeypatch):
    process = child(WAIT)
    run_id = process.stdout.readline().strip()
    process.kill()
    process.wait()
    monkeypatch.setattr(owners, "RESUME_WAIT_SECONDS", 0.1)
    with FileLock(Path("runs", run_id, "lock")):  # by one that has not yet said so
        held = rf"{run_id} is held by process \(unknown\) .* kill <pid>"
        with pytest.raises(OutsideError, match=held), open_run(resume=run_id):
            pass


def test_a_run_of_a_process_that_is_gone_is_closed_by_the_next_start(folder, child):
    process = child(WAIT)
    dead = process.stdout.readline().strip()
    process.kill()  # a zombie as long as nobody waits for it, and dead all the same
    partial = Path("runs", dead, "checkpoints", "checkpoint-000000000007.part")
    partial.parent.mkdir()
    partial.touch()
    other_host = relabelled(dead, host="elsewhere")
    reused = relabelled(dead, pid=str(os.getpid()))
    live = relabelled(dead, pid=str(os.getpid()), process_start=started(os.getpid()))
    finished()
    assert status(dead) == "KILLED"
    assert f"process {process.pid} on" in tags(dead)["error"]
    assert not partial.exists()
    assert status(reused) == "KILLED"
    assert status(other_host) == "RUNNING"
    assert status(live) == "RUNNING"
    with open_run(resume=dead):
        assert status(dead) == "RUNNING"
        assert "error" not in tags(dead)
    assert status(dead) == "FINISHED"


def relabelled(run_id: str, **labels: str) -> str:
    """Returns a new RUNNING run with the owner of another one, as far as it is not replaced."""
    run = MlflowClient().get_run(run_id)
    owner = owners.of_run(run) | labels
    named = {owners.PREFIX + key: value for key, value in owner.items()}
    return MlflowClient().create_run(run.info.experiment_id, tags=named).info.run_id


def started(pid: int) -> str:
    return str(psutil.Process(pid).create_time())


def test_a_run_of_another_host_is_refused_with_a_remedy_that_works(folder):
    foreign = finished()
    MlflowClient().update_run(foreign, status="RUNNING")
    MlflowClient().set_tag(foreign, f"{owners.PREFIX}host", "gpu-7")
    with pytest.raises(OutsideError, match="on host 'gpu-7'") as raised, open_run(resume=foreign):
        pass
    remedy = str(raised.value).partition('python -c "')[2].rstrip('"')
    exec(remedy)
    assert status(finished(resume=foreign)) == "FINISHED"


def test_a_run_that_does_not_exist_is_refused(folder):
    with pytest.raises(ValueError, match="has no run 'nothing'"), open_run(resume="nothing"):
        pass
    deleted = finished()
    MlflowClient().delete_run(deleted)
    with pytest.raises(ValueError, match="mlflow runs restore"), open_run(resume=deleted):
        pass


def test_a_resumed_run_keeps_its_first_configuration_and_names_what_changed(folder, artifact):
    run_id = finished(config={"epochs": 1, "seed": 7})
    finished(resume=run_id, config={"epochs": 1, "seed": 7})
    finished(resume=run_id, config={"epochs": 2, "seed": 7, "new": "x"})
    run = MlflowClient().get_run(run_id)
    assert run.data.params == {
        "cfg.epochs": "1",
        "cfg.epochs.resume-2": "2",
        "cfg.seed": "7",
        "cfg.new": "x",
    }
    assert run.data.tags["resumes"] == "2"
    assert run.data.tags["resume.2.changed"] == "epochs, new"
    assert "resume.1.changed" not in run.data.tags
    assert "epochs: 1" in artifact(run_id, "config.yaml")
    assert "epochs: 2" in artifact(run_id, "config.resume-2.yaml")


def test_the_cost_of_a_run_is_that_of_all_its_attempts(folder):
    run_id, costs = None, []
    for _ in range(3):
        with open_run(resume=run_id) as run:
            time.sleep(0.1)
        run_id = run.id
        costs.append(MlflowClient().get_run(run_id).data.metrics["cost/seconds"])
    assert costs[0] > 0.1
    assert costs[1] > costs[0] + 0.1
    assert costs[2] > costs[1] + 0.1


def test_the_parameters_of_a_resumed_run_show_what_it_has_now(folder):
    run_id = finished(config={"epochs": 1, "optimizer": {"beta": 0.9}})
    finished(resume=run_id, config={"epochs": 3, "optimizer": {"momentum": 0.5}})
    finished(resume=run_id, config={"epochs": 3, "optimizer": {"momentum": 0.5}})
    finished(resume=run_id, config={"epochs": 1, "optimizer": {"beta": 0.9}})
    params = MlflowClient().get_run(run_id).data.params
    assert params == {
        "cfg.epochs": "1",
        "cfg.epochs.resume-1": "3",
        "cfg.epochs.resume-3": "1",
        "cfg.optimizer.beta": "0.9",
        "cfg.optimizer.beta.resume-1": "(not set)",
        "cfg.optimizer.beta.resume-3": "0.9",
        "cfg.optimizer.momentum": "0.5",
        "cfg.optimizer.momentum.resume-3": "(not set)",
    }
    assert configuration.current(params) == {
        "cfg.epochs": "1",
        "cfg.optimizer.beta": "0.9",
        "cfg.optimizer.momentum": "(not set)",
    }
    assert configuration.changes(params) == ["optimizer.momentum: 0.5, now (not set)"]


def test_a_server_that_does_not_answer_is_named_at_once(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(
        ConnectionError, match=r"No tracking server answers at http://127\.0\.0\.1:9"
    ):
        finished()


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("sqlite:///{folder}", "must be a file, but .* is a folder"),
        ("sqlite:////proc/nothing/mlflow.db", "The folder of the tracking database .* cannot be"),
        ("sqlite:///{folder}/text", "file is not a database"),
        ("postgresql+psycopg://nobody@127.0.0.1:9/none", "onnection refused"),
        ("nothing://at.all", "MLFLOW_TRACKING_URI names no store"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_at_once(tmp_path, monkeypatch, uri, sentence):
    (tmp_path / "text").write_text("no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(folder=tmp_path))
    with pytest.raises(OutsideError, match=sentence):
        store.connect()


def test_the_run_of_mlflow_run_is_joined(folder, monkeypatch):
    wrapper = MlflowClient().create_run("0").info.run_id
    MlflowClient().log_param(wrapper, "epochs", "'1'")
    monkeypatch.setenv("MLFLOW_RUN_ID", wrapper)
    assert finished(config={"epochs": 1}) == wrapper
    assert "MLFLOW_RUN_ID" not in os.environ
    assert MlflowClient().get_run(wrapper).data.params == {"epochs": "'1'", "cfg.epochs": "1"}


@pytest.mark.parametrize(("given", "name"), [("calm-fox-17", "moe"), ("my own", "my own")])
def test_a_run_that_mlflow_run_named_at_random_gets_the_name_of_its_verb(
    folder, monkeypatch, given, name
):
    made = {"mlflow.project.entryPoint": "train"}
    wrapper = MlflowClient().create_run("0", tags=made, run_name=given).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", wrapper)
    with open_run(name="moe"):
        pass
    assert MlflowClient().get_run(wrapper).info.run_name == name


def test_mlflow_run_cannot_turn_killed_into_failed(folder, monkeypatch):
    made = {"mlflow.project.entryPoint": "train"}  # as `mlflow run` labels its runs
    wrapper = MlflowClient().create_run("0", tags=made).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", wrapper)
    with pytest.raises(KeyboardInterrupt), open_run():
        raise KeyboardInterrupt
    MlflowClient().set_terminated(wrapper, "FAILED")  # as `mlflow run` does when its child is gone
    deadline = time.monotonic() + 30
    while status(wrapper) != "KILLED" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status(wrapper) == "KILLED"


def test_resuming_under_mlflow_run_continues_the_old_run(folder, monkeypatch):
    old = finished()
    wrapper = MlflowClient().create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", wrapper)
    with open_run(resume=old) as run:
        assert run.resumed
        assert run.id == old
    assert tags(wrapper)["resumed_run"] == old
    assert status(wrapper) == "RUNNING"


def test_even_a_short_run_has_system_metrics(folder):
    metrics = MlflowClient().get_run(finished(system_metrics=True)).data.metrics
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100
