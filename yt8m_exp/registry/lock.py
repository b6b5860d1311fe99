"""The lock of a champion: only one process of a host at a time may change it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from mlflow.exceptions import MlflowException

from yt8m_exp import spec
from yt8m_exp.spec import RefusedError, UnansweredError
from yt8m_exp.tracking import patience, store


@contextmanager
def champion_lock(name: str) -> Iterator[None]:
    """Holds the lock of a registered model; meanwhile, requests to a server fail within seconds.

    The lock is released when this process ends, even if it is killed.

    Args:
        name: name of the registered model.

    Raises:
        RefusedError: the tracking server does not let this user decide.
        UnansweredError: the tracking server went away.
    """
    with FileLock(lock_path(name)), patience.of(patience.START_SECONDS):
        try:
            yield
        except MlflowException as error:
            if error.error_code == "PERMISSION_DENIED":
                raise RefusedError(
                    f"The tracking server at {store.tracking_uri()} does not let this user decide "
                    f"on the champion of {name}: Permission denied. An admin gives the role "
                    "promoter (docs/team.md)."
                ) from error
            if "API request to" not in str(error):
                raise
            raise UnansweredError(
                f"The tracking server at {store.tracking_uri()} went away while the champion of "
                f"{name} was read or changed ({str(error)[:200]}). Once it is back, start again: "
                "this completes a recorded decision. Nothing else was changed."
            ) from error


def lock_path(name: str) -> Path:
    """Returns the lock file of a registered model.

    If the database is a file, the lock lies beside it, and all users of the database share it.
    Otherwise it belongs to this host and user.

    Args:
        name: name of the registered model.
    """
    uri = store.tracking_uri()
    key = hashlib.sha256(f"{uri} {name}".encode()).hexdigest()[:16]
    if database := store.sqlite_file(uri):
        return database.with_name(f"{database.name}.{key}.lock")
    return spec.cache("locks") / key
