"""Work that threads do ahead of its use."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 1, depth: int = 1
) -> Iterator[tuple[Item, Result]]:
    """Yields each item with what `work` makes of it, up to `depth` more while one is in use."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > depth:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def ahead(items: Iterator[Item], depth: int = 1) -> Iterator[Item]:
    """Makes items in a thread, up to `depth` ahead of their use.

    Args:
        items: a generator; it is closed, and its thread ended, when the iteration is.
        depth: how many wait at the most.
    """
    ready: queue.Queue = queue.Queue(depth)
    stopped = threading.Event()

    def work() -> None:
        try:
            for item in items:
                if not _put(ready, item, stopped):
                    return
            _put(ready, None, stopped)
        except BaseException as error:
            _put(ready, error, stopped)
        finally:
            items.close()  # type: ignore[attr-defined]

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def _put(ready: queue.Queue, item: object, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
