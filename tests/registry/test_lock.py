import subprocess
import sys

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from yt8m_exp.registry.lock import champion_lock, lock_path
from yt8m_exp.tracking import patience

HOLD = """
from filelock import FileLock
from yt8m_exp.registry.lock import lock_path
with FileLock(lock_path("yt8m"), timeout=0):
    pass
"""


@pytest.fixture(autouse=True)
def uri(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def test_the_lock_lies_beside_the_database_one_a_model(tmp_path):
    files = {lock_path(name) for name in ("yt8m", "a/b", "it's")}
    assert len(files) == 3
    assert {file.parent for file in files} == {tmp_path}


def test_the_lock_of_a_server_is_of_this_user_and_of_that_server(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files = set()
    for uri in ("http://one:5000", "http://two:5000"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        files.add(lock_path("yt8m"))
    assert len(files) == 2
    assert all(tmp_path in file.parents for file in files)


@pytest.mark.slow
def test_another_process_cannot_hold_it_meanwhile():
    with champion_lock("yt8m"):
        done = subprocess.run([sys.executable, "-c", HOLD], capture_output=True, text=True)
    assert "could not be acquired" in done.stderr
    assert subprocess.run([sys.executable, "-c", HOLD]).returncode == 0


def test_a_server_that_goes_away_is_said_in_a_sentence():
    with (
        pytest.raises(
            ConnectionError, match=r"went away while the champion of yt8m .* start again"
        ),
        champion_lock("yt8m"),
    ):
        raise MlflowException("API request to http://gone failed with exception X")


def test_a_user_without_the_right_to_decide_is_told_so():
    denied = "API request to endpoint /x failed with error code 403 != 200. Response body: 'no'"
    with (
        pytest.raises(PermissionError, match=r"champion of yt8m: Permission denied\. An admin"),
        champion_lock("yt8m"),
    ):
        raise MlflowException(denied, PERMISSION_DENIED)


def test_other_errors_stay_what_they_are():
    with pytest.raises(MlflowException, match="no such thing"), champion_lock("yt8m"):
        raise MlflowException("no such thing")


def test_the_wait_for_a_server_is_brief_within_and_as_before_after():
    with patience.of(100.0):
        with champion_lock("yt8m"):
            assert patience.left() <= patience.START_SECONDS
        assert patience.left() == pytest.approx(100.0, abs=10.0)
