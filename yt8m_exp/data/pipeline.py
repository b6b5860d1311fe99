"""Batches from shards: the order of an epoch is a pure function of the seed and the epoch.

First the shards are shuffled and cut into groups by their bytes; then the records of a group are
shuffled together. The order is known before anything is read. A position in the data is one number,
the examples seen. Any position can be gone to without reading what lies before it, once the records
of the shards have been counted. Memory holds two groups: one in use, one being read.

Without a shuffle, a large shard is read in pieces, and memory holds three of them.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from yt8m_exp.data.ahead import ahead, in_order
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.loading import Loader
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.sampling.balance import drawn
from yt8m_exp.data.tfrecords import large
from yt8m_exp.data.videos import Batch, Videos, join
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.read_ahead import read_ahead

BATCH = {"video": 1024, "frame": 128, "segment": 1024}
Load = Callable[[Sequence[Shard]], Videos]
"""Returns the videos of some shards."""
ORDERED_BYTES = 8 << 20
"""Shards that are read in their order are read together up to this size."""
Piece = tuple[Videos, np.ndarray]
"""Videos, and the order of their rows."""


class Group(NamedTuple):
    """Shards that are read and shuffled together: group `number` of an epoch."""

    epoch: int
    number: int
    shards: list[Shard]

    @property
    def objects(self) -> list[Object]:
        """The files of the shards."""
        return [shard.object for shard in self.shards]


@dataclass(frozen=True)
class Shuffle:
    """How the order of an epoch is drawn.

    Args:
        seed: of the random order.
        group_bytes: shards are read and shuffled together in groups of about this size.
        balance: how much more often videos of rare classes are seen; see `balance.drawn`.
    """

    seed: int
    group_bytes: int = 32 << 20
    balance: float = 0.0


@dataclass(frozen=True)
class Part:
    """Which rows of each batch are wanted: those of one of several equal workers."""

    worker: int = 0
    workers: int = 1


def training_batches(
    manifest: Manifest,
    batch_size: int,
    shuffle: Shuffle,
    *,
    start: int = 0,
    part: Part = Part(),
    load: Load | None = None,
) -> Iterator[Batch]:
    """Yields batches of one size for ever, epoch after epoch, each in a new order.

    A batch may hold the last videos of an epoch and the first of the next.

    Args:
        manifest: the shards.
        batch_size: videos in a batch, over all workers.
        shuffle: how the order is drawn.
        start: the examples seen before; the batches go on from there.
        part: which rows of each batch are yielded.
        load: returns the videos of shards; None reads their files.

    Returns:
        Batches; see `Videos.batch`.
    """
    rows = batch_size // part.workers
    mine = slice(part.worker * rows, (part.worker + 1) * rows)
    return ahead(_cut(_shuffled(manifest, shuffle, start, load), batch_size, mine), depth=2)


def ordered_batches(manifest: Manifest, batch_size: int | None = None) -> Iterator[Batch]:
    """Yields each video once, in the order of the shards.

    Args:
        manifest: the shards.
        batch_size: videos in a batch, but for the last; by default what a model's memory bears.
    """
    pieces = ((videos, np.arange(len(videos.ids))) for _, videos in _ordered(manifest))
    return ahead(_cut(pieces, _batch_size(manifest, batch_size), slice(None)))


def shard_batches(manifest: Manifest, batch_size: int | None = None) -> Iterator[tuple[int, Batch]]:
    """Yields each row once, in the order of the shards; a batch holds rows of one shard.

    A product rounds a row as the size of its batch makes it. So what is predicted from a shard does
    not depend on the shards beside it.

    Args:
        manifest: the shards.
        batch_size: see `ordered_batches`.

    Yields:
        The place of a shard in the manifest, and a batch of its rows.
    """
    return ahead(_cut_by_shard(manifest, _batch_size(manifest, batch_size)))


def epoch_order(manifest: Manifest, shuffle: Shuffle, epoch: int) -> list[list[Shard]]:
    """Returns the groups of shards of an epoch, in the order in which they are read."""
    rng = np.random.default_rng([shuffle.seed, epoch])
    shards = sorted(manifest.shards, key=lambda shard: (shard.name, shard.bytes))  # of any folder
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


def _epochs(manifest: Manifest, shuffle: Shuffle, first: int) -> Iterator[Group]:
    """Yields the groups of one epoch after the other, for ever."""
    for epoch in itertools.count(first):
        for number, shards in enumerate(epoch_order(manifest, shuffle, epoch)):
            if not all(shard.facts and not shard.records for shard in shards):
                yield Group(epoch, number, shards)


def _positioned(groups: Iterator[Group], behind: int, load: Load) -> tuple[Iterator[Group], int]:
    """Returns the groups from a position on, and how many rows of the first lie before it.

    Groups before it are passed over. Those whose records nobody has counted are read for that.
    """
    for group in groups:
        known = all(shard.facts for shard in group.shards)
        size = sum(s.records for s in group.shards) if known else len(load(group.shards).ids)
        if behind < size:
            return itertools.chain([group], groups), behind
        behind -= size
    raise AssertionError("epochs have no end")


def _loaded(
    groups: Iterable[Group], manifest: Manifest, load: Load
) -> Iterator[tuple[Group, Videos]]:
    """Loads groups, the next while one is in use."""
    if isinstance(load, Loader) and not manifest.is_local:
        groups = read_ahead(groups, lambda group: group.objects, manifest.cache)
    return in_order(lambda group: load(group.shards), groups)


def _shuffled(
    manifest: Manifest, shuffle: Shuffle, start: int, load: Load | None
) -> Iterator[Piece]:
    """Yields videos with the order of their rows, from a position on, for ever."""
    load = load or Loader(manifest)
    epoch, behind = divmod(start, manifest.records) if manifest.is_read else (0, start)
    groups, behind = _positioned(_epochs(manifest, shuffle, epoch), behind, load)
    for group, videos in _loaded(groups, manifest, load):
        rng = np.random.default_rng([shuffle.seed, group.epoch, group.number])
        yield videos, drawn(videos, shuffle.balance, rng)[behind:]
        behind = 0


def _ordered(manifest: Manifest) -> Iterator[tuple[list[Shard], Videos]]:
    """Yields shards that are small together, or a large one several times, and their next videos.

    The next are read while some are in use.
    """
    groups: Iterable[list[Shard]] = _groups(manifest.shards, ORDERED_BYTES)
    if not manifest.is_local:
        groups = read_ahead(groups, lambda group: [s.object for s in group], manifest.cache)
    load = Loader(manifest)

    def read() -> Iterator[tuple[list[Shard], Videos]]:
        for group in groups:
            if large.is_large(group[0]):
                yield from ((group, videos) for videos in large.load(group[0], manifest))
            else:
                yield group, load(group)

    return ahead(read())


def _batch_size(manifest: Manifest, given: int | None) -> int:
    return given or BATCH["video" if manifest.means else manifest.schema.level]


def _cut_by_shard(manifest: Manifest, batch_size: int) -> Iterator[tuple[int, Batch]]:
    for place, pieces in itertools.groupby(_by_shard(manifest), key=lambda piece: piece[0]):
        whole = (piece for _, piece in pieces)
        yield from ((place, batch) for batch in _cut(whole, batch_size, slice(None)))


def _by_shard(manifest: Manifest) -> Iterator[tuple[int, Piece]]:
    """Yields the place of each shard with its rows; of a large shard several times."""
    places = {id(shard): place for place, shard in enumerate(manifest.shards)}
    for group, videos in _ordered(manifest):
        if len(group) == 1:
            yield places[id(group[0])], (videos, np.arange(len(videos.ids)))
            continue
        first = 0
        for shard in group:
            last = first + shard.records
            yield places[id(shard)], (videos, np.arange(first, last))
            first = last


def _cut(pieces: Iterator[Piece], batch_size: int, mine: slice) -> Iterator[Batch]:
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
