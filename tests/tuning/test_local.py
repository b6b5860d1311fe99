"""Trials as forks of a server that loads modules."""

import os
import subprocess
import sys

import pytest

from tests.verbs import PROJECT

SLOW = """
import time
from pathlib import Path

Path("begun").touch()
while not Path("go").exists():
    time.sleep(0.01)


def work(reported):
    from mlflow.utils.file_utils import ArtifactProgressBar

    with ArtifactProgressBar.files("as a resume downloads", total=1) as bar:
        bar.update()
    return {"done": 1}
"""
SCRIPT = """
import json, os, signal, time
from multiprocessing import forkserver
from pathlib import Path
from yt8m_exp.tuning.launchers.local import Local

launcher = Local(slots=1, preload=["slow"])
while not Path("begun").exists():
    time.sleep(0.01)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    os.kill(forkserver._forkserver._forkserver_pid, number)
Path("go").touch()
task = {"work": "slow:work", "arguments": {}, "environment": {}, "output": "output.log"}
child = launcher.start(task, 0)
print(json.loads(child.connection.recv_bytes())["result"], child.ended())
"""


@pytest.mark.slow
def test_a_server_outlives_signals_while_it_loads_and_its_trials_leave_nothing_behind(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    path = f"{tmp_path}{os.pathsep}{PROJECT}"
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert ended.stdout.startswith("{'done': 1}"), ended.stderr
    assert ended.stderr == ""  # where Python warns of semaphores that a trial has leaked
