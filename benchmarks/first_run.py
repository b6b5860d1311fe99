"""How long does the README's first command take on a fresh clone, by stage?

    python -m benchmarks.first_run

Packages come from uv's cache as far as it has them; `UV_CACHE_DIR=<empty folder>` fetches them all.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.verbs import PROJECT

INSTALL = ["uv", "sync", "--frozen", "--quiet"]
TRAIN = ["uv", "run", "--frozen", "mlflow", "run", ".", "-e", "train", "--env-manager", "local"]
STAGES = {
    "Loading TensorFlow": "mlflow run, which makes the tracking database",
    "logistic: ": "TensorFlow, the model",
    "Validate: ": "reading the shards",
    "Training: 15,2": "training, with evaluations",
    "run_id": "scoring the file again, figures, logging the model",
}
"""What the time before a line was spent on, by how the line begins."""


def main() -> None:
    """Prints a line for each stage."""
    own = ("VIRTUAL_ENV", "MLFLOW_TRACKING_URI", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT")
    environment = {key: value for key, value in os.environ.items() if key not in own}
    with tempfile.TemporaryDirectory() as folder:
        clone, began = Path(folder) / "clone", time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", PROJECT, clone], check=True)
        last = _row("git clone", began)
        subprocess.run(INSTALL, cwd=clone, env=environment, check=True)
        last = _row("uv sync", last)
        command = subprocess.Popen(
            TRAIN,
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert command.stdout
        left = dict(STAGES)
        for line in command.stdout:
            for begin in [begin for begin in left if begin in line]:
                last = _row(left.pop(begin), last)
        _row(f"closing; exit status {command.wait()}", last)
        _row("all", began)


def _row(stage: str, since: float) -> float:
    now = time.perf_counter()
    print(f"{stage:56}{now - since:7.1f} s", flush=True)
    return now


if __name__ == "__main__":
    main()
