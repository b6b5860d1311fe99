"""Distant objects fetched into the cache before they are asked for."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.uris import is_local

THREADS = 8
AHEAD_BYTES = 1 << 30
AHEAD_ITEMS = 16
Item = TypeVar("Item")


def read_ahead(
    items: Iterable[Item], objects: Callable[[Item], Sequence[Object]], cache: Cache
) -> Iterator[Item]:
    """Yields items when their objects are in the cache, while those of the next are fetched.

    Args:
        items: what needs objects, perhaps without an end.
        objects: returns those that an item needs. Local ones stay where they are.
        cache: where to; one that keeps nothing is not filled.
    """
    if not cache.bytes:
        yield from items
        return
    most = min(AHEAD_BYTES, cache.bytes // 8)
    waiting: deque[tuple[Item, list[Future], int]] = deque()
    stopped, held = threading.Event(), 0
    pool = ThreadPoolExecutor(THREADS)
    try:
        for item in items:
            distant = [one for one in objects(item) if not is_local(one.uri)]
            missing = [one for one in distant if not cache.has(one)]
            futures = [pool.submit(cache.fetch, one, stopped) for one in missing]
            if not missing and not waiting:  # what is here is not waited for
                yield item
                continue
            size = sum(one.bytes for one in distant)
            waiting.append((item, futures, size))
            held += size
            while held > most or len(waiting) > AHEAD_ITEMS:
                held -= waiting[0][2]
                yield _arrived(waiting.popleft())
        while waiting:
            yield _arrived(waiting.popleft())
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def _arrived(waiting: tuple[Item, list[Future], int]) -> Item:
    item, futures, _ = waiting
    for future in futures:
        future.result()
    return item
