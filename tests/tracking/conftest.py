"""A real MLflow database for each test, and other processes that open runs in it."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.verbs import PROJECT, copy_database


def start(script: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Starts a process that runs a script with the database and the runs of a folder."""
    code = "import os, signal, sys\nfrom yt8m_exp.tracking import runs\n" + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **uri(folder), **environment},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def uri(folder: Path) -> dict[str, str]:
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}


@pytest.fixture
def folder(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a database of its own, which is this process's tracking store."""
    import mlflow

    copy_database(database, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # so that it is as before after the test
    mlflow.set_tracking_uri(uri(tmp_path)["MLFLOW_TRACKING_URI"])
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    mlflow.set_tracking_uri(None)
    assert mlflow.active_run() is None


@pytest.fixture
def child(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes in the folder, and ends them with the test."""
    processes = []

    def start_one(script: str, **environment: str) -> subprocess.Popen[str]:
        processes.append(start(script, folder, **environment))
        return processes[-1]

    yield start_one
    for process in processes:
        with process:
            process.kill()


@pytest.fixture
def artifact(folder: Path) -> Callable[[str, str], object]:
    """Reads a text artifact of a run, JSON decoded."""
    import mlflow

    def read(run_id: str, name: str) -> object:
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/{name}")
        return json.loads(text) if name.endswith(".json") else text

    return read
