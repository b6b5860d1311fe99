"""The package as it is installed elsewhere: all that a clone has beside it goes with it."""

import subprocess
from zipfile import ZipFile

from hatchling.builders.wheel import WheelBuilder

from tests.verbs import PROJECT

FOLDERS = ("yt8m_exp", "conf", "sweeps", "sample")


def test_a_wheel_holds_each_file_that_a_verb_reads(tmp_path):
    (wheel,) = WheelBuilder(str(PROJECT)).build(directory=str(tmp_path), versions=["standard"])
    held = set(ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "-z", *FOLDERS], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    files = [name.removeprefix("yt8m_exp/") for name in listed.stdout.split("\0") if name]
    assert {f"yt8m_exp/{name}" for name in files} | {"yt8m_mlflow.py"} <= held
    assert not [name for name in held if name.startswith(("tests/", "benchmarks/"))]
