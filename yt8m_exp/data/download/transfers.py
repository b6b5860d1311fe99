"""Transfers side by side, in threads that end with the process: a stop never waits for a server."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from yt8m_exp.data.download.client import StoppedError, TransferError
from yt8m_exp.data.download.partitions import File

Fetch = Callable[[File, Callable[[int], None]], None]


@dataclass(frozen=True)
class Grown:
    """How many bytes of a file are there."""

    file: File
    bytes: int


@dataclass(frozen=True)
class Ended:
    """A file that is there, or cannot be had because of an error."""

    file: File
    error: TransferError | None = None


def side_by_side(
    fetch: Fetch, files: Sequence[File], transfers: int, stop: threading.Event
) -> Iterator[Grown | Ended]:
    """Fetches files, some at a time; yields what happens, until all have ended.

    Args:
        fetch: fetches a file, and reports how many bytes are there.
        files: what to fetch.
        transfers: how many at a time.
        stop: is set when nobody listens any more; `fetch` has to heed it.

    Raises:
        Exception: what `fetch` raised that is no fault of a transfer, as a full disk.
    """
    waiting: SimpleQueue[File] = SimpleQueue()
    events: SimpleQueue[Grown | Ended | BaseException] = SimpleQueue()
    for file in files:
        waiting.put(file)

    def work() -> None:
        while not stop.is_set():
            try:
                events.put(_fetched(fetch, waiting.get_nowait(), events))
            except (Empty, StoppedError):
                return
            except BaseException as error:
                events.put(error)

    for _ in range(min(transfers, len(files))):
        threading.Thread(target=work, daemon=True).start()
    left = len(files)
    try:
        while left:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            left -= isinstance(event, Ended)
            yield event
    finally:
        stop.set()


def _fetched(fetch: Fetch, file: File, events: SimpleQueue) -> Ended:
    try:
        fetch(file, lambda size: events.put(Grown(file, size)))
    except TransferError as error:
        return Ended(file, error)
    return Ended(file)
