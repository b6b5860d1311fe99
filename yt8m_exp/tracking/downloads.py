"""Downloads of a run's checkpoints: to resume elsewhere, or to score each as it arrives."""

import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlflow import MlflowClient
from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException

from yt8m_exp.tracking import owners, store

FOLDER = "checkpoints"
NAME = re.compile(r"checkpoint-(\d+)\.npz")
BESIDE = re.compile(r"best\.keras|weights-\d+\.npz")
"""What a run that is resumed needs beside its last checkpoint."""


def fetch_checkpoints(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Downloads the last checkpoint of a run, its best model, and weights to average later.

    The folder stays as it is if it has them.

    Args:
        client: a client of the tracking store.
        run_id: the run.
        folder: where they go; unchanged if its last checkpoint is as new.
    """
    theirs = [PurePosixPath(file.path).name for file in client.list_artifacts(run_id, FOLDER)]
    ours = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    newest = max(filter(NAME.fullmatch, theirs), default="")
    if newest <= max(filter(NAME.fullmatch, ours), default=""):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in [
        *filter(BESIDE.fullmatch, theirs),
        newest,
    ]:  # last: with it the folder is up to date
        with store.no_bars():
            path = client.download_artifacts(run_id, f"{FOLDER}/{name}", str(folder.parent))
        Path(path).replace(folder / name)  # a local store leaves the folder's name out of its path


def require_there(client: MlflowClient, run_id: str, path: Path) -> None:
    """Uploads a checkpoint that is not among a run's artifacts, for others to fetch."""
    names = {PurePosixPath(file.path).name for file in client.list_artifacts(run_id, FOLDER)}
    if path.name not in names:
        client.log_artifact(run_id, str(path), FOLDER)


def checkpoints_as_they_arrive(
    client: MlflowClient, run_id: str, folder: Path, *, every_seconds: float
) -> Iterator[tuple[int, Path]]:
    """Yields each checkpoint of a run as it is uploaded, until the run has ended.

    Args:
        client: a client of the tracking store.
        run_id: the run.
        folder: where each is kept while it is in use.
        every_seconds: time between two requests.

    Returns:
        Examples seen, and the file.
    """
    seen: set[int] = set()
    while True:
        owners.close_dead_runs(client, client.get_run(run_id).info.experiment_id)
        ended = RunStatus.is_terminated(RunStatus.from_string(client.get_run(run_id).info.status))
        try:
            listed = client.list_artifacts(run_id, FOLDER)
        except OSError:
            listed = []  # a file was removed while a local store was listing it
        names = [PurePosixPath(file.path).name for file in listed]
        found = {int(match[1]): match[0] for name in names if (match := NAME.fullmatch(name))}
        for examples in sorted(found.keys() - seen):
            try:
                path = client.download_artifacts(run_id, f"{FOLDER}/{found[examples]}", str(folder))
            except (MlflowException, OSError):
                continue  # a newer one has replaced it, or the next request succeeds
            if not zipfile.is_zipfile(path):
                continue  # the store lists it while it is still being written
            seen.add(examples)
            yield examples, Path(path)
            Path(path).unlink()
        if ended:
            return
        time.sleep(every_seconds)
