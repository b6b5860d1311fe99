"""Uploads of files in a thread of their own: the latest of each name."""

import functools
import logging
import threading
from pathlib import Path, PurePosixPath

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from yt8m_exp.spec import OutsideError, caused_by
from yt8m_exp.tracking import patience

logger = logging.getLogger(__name__)

RETRY_SECONDS = 30.0


class Uploader:
    """Uploads files to a run's artifacts, one after another, without blocking the caller.

    A file that is put again before its turn is uploaded once, with its latest content. A failed
    upload is retried until `close`.

    Args:
        client: a client of the tracking store.
        run_id: the run.
        folder: the folder among the artifacts.
    """

    def __init__(self, client: MlflowClient, run_id: str, folder: str) -> None:
        self._client, self._run_id, self._folder = client, run_id, folder
        self._waiting: dict[str, Path] = {}
        self._sending: dict[str, Path] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="uploads", daemon=True)
        self._thread.start()

    def put(self, path: Path) -> None:
        """Queues a file; returns at once."""
        with self._changed:
            self._waiting[path.name] = path
            self._changed.notify()

    def close(self) -> None:
        """Uploads the waiting files, each once, as far as `patience` allows."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            size = sum(map(_size, (self._sending | self._waiting).values()))
        self._thread.join(patience.left(size))
        with self._changed:
            names = ", ".join(self._sending | self._waiting)
        if names:
            logger.warning("Not uploaded to run %s, but kept on disk: %s.", self._run_id, names)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                self._sending, self._waiting = self._waiting, {}
            failed = {n: path for n, path in self._sending.items() if not self._upload(path)}
            with self._changed:
                self._sending, self._waiting = {}, failed | self._waiting
                if self._closing and failed:
                    return
                if failed:
                    self._changed.wait_for(lambda: self._closing, RETRY_SECONDS)

    def _upload(self, path: Path) -> bool:
        try:
            self._client.log_artifact(self._run_id, str(path), self._folder)
            self._remove_replaced(path)
        except FileNotFoundError:
            return True  # a newer file has replaced it
        except Exception as error:
            reason = caused_by(error, OutsideError) or error
            logger.warning("%s was not uploaded yet: %s", path.name, reason)
            return False
        return True

    def _remove_replaced(self, path: Path) -> None:
        """Removes older artifacts whose local file is gone, as older checkpoints are.

        MLflow's client cannot delete an artifact (mlflow/mlflow#1555, open in 3.17), but the
        repositories below it can.
        """
        for file in self._repository.list_artifacts(self._folder):
            name = PurePosixPath(file.path).name
            if name < path.name and not path.with_name(name).exists():
                self._repository.delete_artifacts(file.path)

    @functools.cached_property
    def _repository(self) -> ArtifactRepository:
        return get_artifact_repository(self._client.get_run(self._run_id).info.artifact_uri)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # a newer file has replaced it
