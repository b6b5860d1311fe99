"""What does a newcomer see who makes a slip, how soon, and is TensorFlow loaded for it?

    python -m benchmarks.slips

Each slip is a command of its own. It should end within 3 s, and without TensorFlow.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlflow import MlflowClient

from tests.verbs import PROJECT, record, shard
from yt8m_exp.tracking import store

SLIPS = {
    "a misspelt key": "train epoch=1",
    "a misspelt model": "train model=logistc",
    "a misspelt sweep": "sweep sweep=logistik",
    "a misspelt verb": "trian model=moe",
    "a pattern without quotes": "train data.train={video}/validate0017.tfrecord "
    "{video}/validate0040.tfrecord",
    "a missing file": "train data.train=/data/none/train*.tfrecord",
    "an unknown alias": "inference model_uri=models:/yt8m@champoin output={folder}/p.csv",
    "an unknown version": "eval model_uri=models:/yt8m/7",
    "shards without labels": "train data.train={folder}/test.tfrecord",
    "a value of another type": "train epochs=ten",
    "a training of frames on videos": "train data=frame data.train={video}/*.tfrecord",
}
RUN = """
import atexit, runpy, sys
from pathlib import Path
mark = Path(sys.argv.pop())
atexit.register(lambda: mark.write_text(str("tensorflow" in sys.modules)))
runpy.run_module("yt8m_exp", run_name="__main__", alter_sys=True)
"""
"""Runs `yt8m`, and notes at its end whether TensorFlow was loaded."""


def main() -> None:
    """Prints, for each slip, how it ended and what was seen."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        client: MlflowClient = store.connect()
        client.create_registered_model("yt8m")
        client.create_model_version("yt8m", f"{folder}/model")
        client.set_registered_model_alias("yt8m", "champion", "1")
        shard(folder / "test.tfrecord", record("a", labels=None))
        places = {"folder": folder, "video": "sample/video/train"}
        for slip, command in SLIPS.items():
            _make(slip, command.format(**places), folder)


def _make(slip: str, command: str, folder: Path) -> None:
    mark = folder / "loaded"
    words = command.split()
    runs = [f"tracking.runs={folder}/runs"] if words[0] != "trian" else []
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words, *runs, str(mark)],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    seconds = time.perf_counter() - began
    loaded = " TensorFlow loaded" if mark.read_text() == "True" else ""
    print(f"{slip}: {seconds:.2f} s, exit status {done.returncode}{loaded}")
    print(f"    yt8m {command.replace(f'{folder}', '.')}")
    for line in done.stderr.splitlines():
        print(f"    {line.replace(f'{folder}', '.')}")


if __name__ == "__main__":
    main()
