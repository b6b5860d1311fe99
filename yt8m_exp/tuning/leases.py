"""The leases of a study's drivers, by which others see that a driver has died."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from optuna import Study

from yt8m_exp.tracking import owners

BEAT_SECONDS = 20.0
LEASE_SECONDS = 180.0
PREFIX = "driver:"


class Leases:
    """The leases of a study's drivers, this one's among them.

    A driver of this machine lives while its process does, and one of a container while it holds its
    lock, which the container sees when it is started again. A driver of another machine lives while
    it renews its lease. Clocks differ, so this driver measures how long it has seen no change.

    Args:
        study: the study.
        folder: where drivers hold their locks.
        lease_seconds: how long a lease that is not renewed holds.
    """

    def __init__(self, study: Study, folder: Path, lease_seconds: float = LEASE_SECONDS) -> None:
        self.driver = uuid.uuid4().hex[:12]
        self._study, self._lease_seconds = study, lease_seconds
        self._lock = folder.absolute() / f"{self.driver}.lock"
        self._process = owners.process() | {"lock": str(self._lock)}
        self._seen: dict[str, tuple[int, float]] = {}
        self._beat = 0

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Holds a lease of this driver until the block ends."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(BEAT_SECONDS):
                self._write()

        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._lock):
            self._write()
            thread = threading.Thread(target=renew, name="lease", daemon=True)
            thread.start()
            try:
                yield
            finally:
                done.set()
                thread.join()
                self._write(ended=True)
        self._lock.unlink(missing_ok=True)

    def lives(self, driver: str | None) -> bool:
        """Tells whether a driver holds a lease; None: it died before it wrote its name."""
        lease = self._study.user_attrs.get(f"{PREFIX}{driver}")
        if lease is None or lease["ended"]:
            return False
        if driver == self.driver:
            return True
        if owners.is_of_this_machine(lease):
            return owners.lives(lease)
        held = _is_held(lease)
        return held if held is not None else self._is_renewed(str(driver), lease)

    def _is_renewed(self, driver: str, lease: Mapping[str, Any]) -> bool:
        beat, since = self._seen.get(driver, (-1, 0.0))
        if lease["beat"] != beat:
            self._seen[driver] = lease["beat"], time.monotonic()
            return True
        return time.monotonic() - since < self._lease_seconds

    def _write(self, *, ended: bool = False) -> None:
        self._beat += 1
        lease = {**self._process, "beat": self._beat, "ended": ended}
        self._study.set_user_attr(f"{PREFIX}{self.driver}", lease)


def _is_held(lease: Mapping[str, Any]) -> bool | None:
    """Tells whether a driver of this host's name holds its lock; None where that cannot be seen."""
    lock = Path(lease.get("lock", ""))
    if lease["host"] != socket.gethostname() or not lock.is_file():
        return None
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except PermissionError:
        return None
