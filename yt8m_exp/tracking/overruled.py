"""Sets a run's status back to KILLED where `mlflow run` overwrites it with FAILED.

`mlflow run` means to keep the status that its child process set, but compares the status' name with
numbers (`RunStatus.is_terminated`), takes no run for terminated, and writes FAILED when the child
has ended (MLflow 3.17.2, not reported; this file can go once that is fixed). A process that
outlives the child sets the status back.
"""

import os
import sys
import time

from mlflow import MlflowClient

from yt8m_exp import spec

MADE = "mlflow.project.entryPoint"
"""The tag by which a run that `mlflow run` made is known."""
WATCH_SECONDS = 30.0
POLL_SECONDS = 0.2


def watch(run_id: str) -> None:
    """Starts the process that sets a run's status back, and does not wait for it.

    Args:
        run_id: A run that is KILLED and that `mlflow run` waits for.
    """
    project = str(spec.PACKAGE.parent)
    path = os.pathsep.join(filter(None, [project, os.environ.get("PYTHONPATH")]))
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", __name__, run_id],
        {**os.environ, "PYTHONPATH": path},
        setsid=True,  # a second Ctrl-C must not reach it
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)],
    )


def main() -> None:
    """Waits for a limited time until the status is overwritten, and sets KILLED again."""
    client, run_id = MlflowClient(), sys.argv[1]
    end = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < end:
        if client.get_run(run_id).info.status == "FAILED":
            client.set_terminated(run_id, "KILLED")
            return
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
