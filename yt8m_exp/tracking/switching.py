"""The few requests that change a champion: alone on this host, and not for long."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

from yt8m_exp.tracking import locks, store


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Holds the lock on a registered model, which ends with this process; servers get seconds.

    Args:
        name: of the registered model.

    Raises:
        ConnectionError: the tracking server went away.
    """
    with locks.hold(store.lock_file(name)), store.brief_requests():
        try:
            yield
        except MlflowException as error:
            if "API request to" not in str(error):
                raise
            raise ConnectionError(
                f"The tracking server at {store.tracking_uri()} went away while the champion of "
                f"{name} was looked at or changed ({str(error)[:200]}). Once it is back, start "
                "again: what is recorded will be completed, and nothing else was done."
            ) from error
