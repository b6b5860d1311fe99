import os
import runpy
import shutil
import sys
import tomllib
from importlib.metadata import EntryPoint

import pytest

from tests.verbs import PROJECT
from yt8m_exp.tracking import store
from yt8m_mlflow import EXPERIMENT, DefaultExperiment


@pytest.mark.parametrize(
    ("words", "is_ours"),
    [
        (["/bin/mlflow", "run", ".", "-e", "train"], True),
        (["/x/mlflow/__main__.py", "run", "-e", "train", str(PROJECT)], True),
        (["/bin/mlflow", "ui"], False),
        (["/bin/mlflow", "run", "tests"], False),
        (["train.py", "run", "."], False),
    ],
)
def test_it_answers_for_mlflow_run_of_this_project_alone(monkeypatch, words, is_ours):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", words)
    assert DefaultExperiment().in_context() is is_ours


def test_the_copy_that_is_installed_answers_too(tmp_path, monkeypatch):
    copy = shutil.copy(PROJECT / "yt8m_mlflow.py", tmp_path)
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["/bin/mlflow", "run", "."])
    assert runpy.run_path(copy)["DefaultExperiment"]().in_context()


def test_the_run_goes_where_all_others_are(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    client = store.connect()
    found = client.get_experiment(DefaultExperiment().get_experiment_id())
    assert found.name == EXPERIMENT
    assert os.fspath(folder) in found.artifact_location


def test_the_package_names_it_to_mlflow():
    points = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]
    (value,) = points["mlflow.default_experiment_provider"].values()
    assert EntryPoint("yt8m", value, "").load() is DefaultExperiment
