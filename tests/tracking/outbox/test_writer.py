import json
import math
import signal
import time
from collections import Counter
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from tests.tracking.server import Server
from yt8m_exp.spec import RefusedError
from yt8m_exp.tracking import runs
from yt8m_exp.tracking.outbox import writer as writer_file
from yt8m_exp.tracking.outbox.writer import MetricWriter

KILLED = """
    with runs.open_run("train", experiment="e", config={}, system_metrics=False) as run:
        for step in range(0, 600):
            run.writer.log({"loss": step / 10, "gap": 0.5}, step)
        assert run.writer.flush() == 0
        for step in range(600, 700):
            run.writer.log({"loss": step / 10, "gap": 0.5}, step)
        print(run.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def server(folder, monkeypatch):
    server = Server(folder)
    server.start()
    mlflow.set_tracking_uri(server.uri)
    server.wait()
    yield server
    server.kill()


@pytest.fixture
def run_id(folder) -> str:
    return MlflowClient().create_run("0").info.run_id


def stored(run_id: str, key: str) -> list[tuple[int, float]]:
    history = MlflowClient().get_metric_history(run_id, key)
    return sorted((metric.step, metric.value) for metric in history)


def write(run_id: str, journal: Path) -> MetricWriter:
    return MetricWriter(MlflowClient(), run_id, journal)


def test_an_outage_neither_stalls_training_nor_loses_a_point(server, folder, caplog, monkeypatch):
    monkeypatch.setattr(writer_file, "REQUEST_SECONDS", 3600.0)  # whoever waits, waits for ever
    with runs.open_run("train", experiment="e", config={"note": "", "epochs": 1}) as run:
        run.writer.log({"loss": math.nan}, 0)
    assert MlflowClient().get_run(run.id).data.params == {"cfg.note": "", "cfg.epochs": "1"}
    assert math.isnan(MlflowClient().get_metric_history(run.id, "loss")[0].value)

    run_id = MlflowClient().create_run("0").info.run_id
    writer = write(run_id, folder / "metrics.jsonl")
    writer.log({"loss": 0.5}, 0)
    assert writer.flush() == 0
    server.pause()
    for step in range(1, 1001):
        writer.log({"loss": step / 2}, step)
    assert writer.flush(timeout_seconds=1.0) == 1000  # their request is not answered
    for step in range(1001, 2001):
        writer.log({"loss": step / 2}, step)
    server.kill()
    assert writer.flush(timeout_seconds=3.0) == 2000
    server.start()
    server.wait()
    assert writer.flush(timeout_seconds=30.0) == 0
    assert stored(run_id, "loss") == [(step, max(step / 2, 0.5)) for step in range(2001)]

    server.kill()
    writer.log({"loss": 1.0}, 3000)
    writer.close(timeout_seconds=0.5)
    assert f"1 metric points of run {run_id} are not on the tracking server" in caplog.text
    assert f"resume={run_id}" in caplog.text


def test_a_killed_and_resumed_run_has_each_point_once(folder, child):
    process = child(KILLED)
    run_id = process.stdout.readline().strip()
    assert process.wait() == -signal.SIGKILL
    journal = folder / "runs" / run_id / "metrics.jsonl"
    with journal.open("a") as file:
        file.write('{"time": 1, "step": 700, "metr')  # killed in the middle of a write
    with runs.open_run("train", experiment="e", config={}, resume=run_id) as run:
        for step in range(500, 800):  # from the checkpoint, which is older than the last point
            run.writer.log({"loss": step / 10, "gap": 0.5}, step)
    assert stored(run_id, "loss") == [(step, step / 10) for step in range(800)]
    assert stored(run_id, "gap") == [(step, 0.5) for step in range(800)]
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_resumed_run_without_its_journal_does_not_double_a_point(run_id, tmp_path):
    first = write(run_id, tmp_path / "here" / "metrics.jsonl")
    first.log({"loss": 1.0}, 1)
    first.close()
    second = write(run_id, tmp_path / "there" / "metrics.jsonl")
    second.log({"loss": 9.0}, 1)
    second.log({"loss": 2.0}, 2)
    second.close()
    assert stored(run_id, "loss") == [(1, 1.0), (2, 2.0)]


def test_a_point_that_was_stored_without_an_answer_is_stored_once(run_id, tmp_path):
    journal = tmp_path / "metrics.jsonl"
    writer = write(run_id, journal)
    writer.log({"loss": 1.0, "bad": math.nan}, 1)
    writer.close()
    # The same journal sent again, as after an answer that was lost on its way.
    (call,) = map(json.loads, journal.read_text().splitlines())
    again = [mlflow.entities.Metric(k, v, call["time"], 1) for k, v in call["metrics"].items()]
    MlflowClient().log_batch(run_id, metrics=again)
    assert stored(run_id, "loss") == [(1, 1.0)]
    assert len(MlflowClient().get_metric_history(run_id, "bad")) == 1


def test_a_login_that_is_refused_is_not_waited_for_and_what_is_left_is_sent_later(
    run_id, tmp_path, monkeypatch
):
    def refuse(*given: object, **named: object) -> None:
        raise RefusedError("does not accept the login")

    writer = write(run_id, tmp_path / "metrics.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", refuse)
        writer.log({"loss": 1.0}, 1)
        began = time.monotonic()
        assert writer.flush(60.0) == 1
        assert time.monotonic() - began < 20
    assert writer.flush(60.0) == 0
    writer.close()
    assert stored(run_id, "loss") == [(1, 1.0)]


def test_what_mlflow_cannot_hold_is_replaced_or_left_out_with_a_warning(run_id, tmp_path, caplog):
    writer = write(run_id, tmp_path / "metrics.jsonl")
    writer.log({"up": math.inf, "what?": 1.0, "text": "x", "../up": 1.0, "loss": 0.5}, 1)
    writer.log({"up": -math.inf, "loss": 0.25}, 2)
    writer.close()
    writer.log({"loss": 1.0}, 3)
    assert all(math.isnan(value) for _, value in stored(run_id, "up"))
    assert stored(run_id, "loss") == [(1, 0.5), (2, 0.25)]
    assert MlflowClient().get_run(run_id).data.metrics.keys() == {"up", "loss"}
    named = Counter(name for name in ("up is inf", "'what?'", "text") if name in caplog.text)
    assert named.total() == 3


def test_points_are_sent_without_being_asked(run_id, tmp_path):
    writer = write(run_id, tmp_path / "metrics.jsonl")
    writer.log({f"class/{number}": 0.5 for number in range(1200)}, 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and len(MlflowClient().get_run(run_id).data.metrics) < 1200:
        time.sleep(0.1)
    assert len(MlflowClient().get_run(run_id).data.metrics) == 1200
    writer.close()


def test_a_damaged_journal_gives_what_it_has(run_id, tmp_path, caplog):
    journal = tmp_path / "metrics.jsonl"
    whole = '{"time": 1, "step": 1, "metrics": {"loss": 0.5}}\n'
    journal.write_bytes(whole.encode() + b"\x00\x00{\n" + whole.replace("1", "2").encode() + b'{"t')
    writer = write(run_id, journal)
    writer.close()
    assert stored(run_id, "loss") == [(1, 0.5), (2, 0.5)]
    assert "line 2 is damaged" in caplog.text
