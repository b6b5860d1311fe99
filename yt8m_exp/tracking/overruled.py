"""Puts a run's KILLED back where `mlflow run` overrules it with FAILED.

`mlflow run` means to leave the status that its child has set, but compares the name of a status
with numbers (`RunStatus.is_terminated`, MLflow 3.17), finds no run terminated, and writes FAILED
over KILLED once the child is gone. So a process that outlives the child looks after it.
"""

import os
import sys
import time
from pathlib import Path

from mlflow import MlflowClient

MADE = "mlflow.project.entryPoint"
"""The tag by which a run that `mlflow run` made is known."""
WATCH_SECONDS = 30.0
POLL_SECONDS = 0.2


def watch(run_id: str) -> None:
    """Starts, without waiting for it, the process that looks after a run's status.

    Args:
        run_id: A run that is KILLED and that `mlflow run` waits for.
    """
    project = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [project, os.environ.get("PYTHONPATH")]))
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", __name__, run_id],
        {**os.environ, "PYTHONPATH": path},
        setsid=True,  # a second Ctrl-C must not reach it
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)],
    )


def main() -> None:
    """Waits for a run to be overruled, for a bounded time, and puts KILLED back."""
    client, run_id = MlflowClient(), sys.argv[1]
    end = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < end:
        if client.get_run(run_id).info.status == "FAILED":
            client.set_terminated(run_id, "KILLED")
            return
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
