"""File locks that end with the process that holds them, however it ends."""

import fcntl
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.1


@contextmanager
def hold(path: Path, *, wait_seconds: float = math.inf) -> Iterator[None]:
    """Holds an exclusive lock on a file that is created where it is missing and never deleted.

    A record lock (`lockf`) is not inherited by forked children, so an orphan cannot keep it.

    Args:
        path: The lock file.
        wait_seconds: How long to wait for another process to let go; 0 tries once.

    Raises:
        BlockingIOError: Another process held the lock all the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        _acquire(file, wait_seconds)
        yield


def _acquire(file: IO[str], wait_seconds: float) -> None:
    if wait_seconds == math.inf:
        fcntl.lockf(file, fcntl.LOCK_EX)
        return
    end = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
        time.sleep(POLL_SECONDS)
