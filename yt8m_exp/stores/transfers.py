"""One object's bytes, from its store to a local file or to memory, checked before they are used."""

import random
import threading
from collections.abc import Callable
from typing import BinaryIO

from yt8m_exp.spec import UserError
from yt8m_exp.stores.checksums import Checksum
from yt8m_exp.stores.objects import Interrupted, Object
from yt8m_exp.stores.uris import store_of

ATTEMPTS = 6
PIECE = 1 << 20


class Stopped(Exception):
    """Nobody waits for a transfer any more."""


def download(found: Object, file: BinaryIO, stopped: threading.Event | None = None) -> None:
    """Fills a file with an object, after what the file already holds of it.

    A transfer that is cut goes on where it was; one of wrong bytes begins again.

    Args:
        found: the object.
        file: open for reading and writing; what it holds is the beginning of the object.
        stopped: ends the transfer when it is set.

    Raises:
        UserError: the bytes are again and again not what the listing says, or do not arrive.
        Changed: the object was replaced or deleted.
        Stopped: `stopped` was set.
    """
    stopped = stopped or threading.Event()
    attempt = 0
    while True:
        checksum = _checksum_of(file, found)
        start = file.tell()
        try:
            if start < found.bytes:
                store_of(found.uri).read(found, _sink(file, checksum, stopped), start=start)
            problem = checksum.problem()
        except Interrupted as error:
            problem = str(error)
            if file.tell() > start:
                attempt = 0  # it goes on
        else:
            if problem is None:
                file.flush()
                return
            file.truncate(0)
        attempt += 1
        if attempt == ATTEMPTS:
            raise UserError(f"{problem} (Tried {ATTEMPTS} times.)")
        stopped.wait(_pause_seconds(attempt))


def _checksum_of(file: BinaryIO, found: Object) -> Checksum:
    """Returns the checksum of what a file holds, at its end; empties one that is too long."""
    checksum = Checksum(found)
    if file.seek(0, 2) > found.bytes:
        file.truncate(0)
    file.seek(0)
    while data := file.read(PIECE):
        checksum.update(data)
    return checksum


def _sink(file: BinaryIO, checksum: Checksum, stopped: threading.Event) -> Callable[[bytes], None]:
    def take(data: bytes) -> None:
        if stopped.is_set():
            raise Stopped
        file.write(data)
        checksum.update(data)

    return take


def _pause_seconds(attempt: int) -> float:
    return random.uniform(0.05, 0.1) * 2**attempt
