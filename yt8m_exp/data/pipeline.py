"""Batches from shards: the order of an epoch is a pure function of the seed and the epoch.

First the shards are shuffled and cut into groups; then the records of a group are shuffled
together. A position in the data is therefore one number, the examples seen, and any position can be
gone to without reading what lies before it. Memory holds two groups: one in use, one being read.
"""

import itertools
import queue
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from yt8m_exp.data.checks import Shard
from yt8m_exp.data.shards import Loader, Manifest
from yt8m_exp.data.videos import Batch, Videos, join

BATCH = {"video": 1024, "frame": 128, "segment": 1024}
Item = TypeVar("Item")


@dataclass(frozen=True)
class Shuffle:
    """How the order of an epoch is drawn.

    Args:
        seed: of the random order.
        group_bytes: shards are read and shuffled together in groups of about this size.
    """

    seed: int
    group_bytes: int = 32 << 20


@dataclass(frozen=True)
class Part:
    """Which rows of each batch are wanted: those of one of several equal workers."""

    worker: int = 0
    workers: int = 1


def training_batches(
    manifest: Manifest, batch_size: int, shuffle: Shuffle, *, start: int = 0, part: Part = Part()
) -> Iterator[Batch]:
    """Yields batches of one size for ever, epoch after epoch, each in a new order.

    A batch may hold the last videos of an epoch and the first of the next.

    Args:
        manifest: the shards.
        batch_size: videos in a batch, over all workers.
        shuffle: how the order is drawn.
        start: the examples seen before; the batches go on from there.
        part: which rows of each batch are yielded.

    Returns:
        Batches; see `Videos.batch`.
    """
    rows = batch_size // part.workers
    mine = slice(part.worker * rows, (part.worker + 1) * rows)
    groups = _load_ahead(_epochs(manifest, shuffle, start), Loader(manifest))
    return ahead(_cut(groups, batch_size, mine))


def ordered_batches(manifest: Manifest, batch_size: int | None = None) -> Iterator[Batch]:
    """Yields each video once, in the order of the shards.

    Args:
        manifest: the shards.
        batch_size: videos in a batch, but for the last; by default what a model's memory bears.
    """
    batch_size = batch_size or BATCH["video" if manifest.means else manifest.schema.level]
    groups = _groups(manifest.shards, Shuffle(0).group_bytes)
    ordered = ((group, np.arange(sum(shard.records for shard in group))) for group in groups)
    return ahead(_cut(_load_ahead(ordered, Loader(manifest)), batch_size, slice(None)))


def epoch_order(manifest: Manifest, shuffle: Shuffle, epoch: int) -> list[list[Shard]]:
    """Returns the groups of shards of an epoch, in the order in which they are read."""
    rng = np.random.default_rng([shuffle.seed, epoch])
    shards = sorted(manifest.shards, key=lambda s: (s.name, s.bytes, s.crc32c))  # as the digest
    order = rng.permutation(len(shards))
    return _groups([shards[i] for i in order], shuffle.group_bytes)


def _groups(shards: tuple[Shard, ...] | list[Shard], group_bytes: int) -> list[list[Shard]]:
    groups: list[list[Shard]] = []
    room = 0
    for shard in shards:
        if shard.loaded_bytes > room or not groups:
            groups.append([])
            room = group_bytes
        groups[-1].append(shard)
        room -= shard.loaded_bytes
    return groups


def _epochs(
    manifest: Manifest, shuffle: Shuffle, start: int
) -> Iterator[tuple[list[Shard], np.ndarray]]:
    """Yields groups of shards, each with the order of its rows, from a position on, for ever."""
    first, behind = divmod(start, manifest.records)
    for epoch in itertools.count(first):
        for number, group in enumerate(epoch_order(manifest, shuffle, epoch)):
            size = sum(shard.records for shard in group)
            if behind < size:
                rng = np.random.default_rng([shuffle.seed, epoch, number])
                yield group, rng.permutation(size)[behind:]
            behind = max(behind - size, 0)


def _load_ahead(
    groups: Iterator[tuple[list[Shard], np.ndarray]], load: Loader
) -> Iterator[tuple[Videos, np.ndarray]]:
    """Loads groups, the next while one is in use."""
    with ThreadPoolExecutor(1) as pool:
        loading: deque = deque()
        for group, order in groups:
            loading.append((pool.submit(load, group), order))
            if len(loading) > 1:
                videos, rows = loading.popleft()
                yield videos.result(), rows
        for videos, rows in loading:
            yield videos.result(), rows


def _cut(
    pieces: Iterator[tuple[Videos, np.ndarray]], batch_size: int, mine: slice
) -> Iterator[Batch]:
    """Cuts a stream of ordered groups into batches, and takes this worker's rows of each."""
    waiting: list[Batch] = []
    missing = batch_size
    for videos, order in pieces:
        for_next = 0
        while for_next < len(order):
            rows = order[for_next : for_next + missing]
            for_next += len(rows)
            missing -= len(rows)
            waiting.append(videos.batch(rows))
            if not missing:
                yield _rows(join(waiting), mine)
                waiting, missing = [], batch_size
    if waiting:
        yield _rows(join(waiting), mine)


def _rows(batch: Batch, mine: slice) -> Batch:
    return batch if mine == slice(None) else {name: rows[mine] for name, rows in batch.items()}


def ahead(items: Iterator[Item], depth: int = 2) -> Iterator[Item]:
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
