"""Shards to videos: their files are read to memory, and what lies there is decoded."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from yt8m_exp.data import checks
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.tfrecords import compression, records, tfrecord, wire
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.videos import ALIGNMENT, Videos, aligned
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.stores import local
from yt8m_exp.stores.cache import DEFAULT_CACHE, Cache
from yt8m_exp.stores.read_ahead import THREADS
from yt8m_exp.stores.uris import is_local


class Loader:
    """Reads some of a manifest's shards at a time."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._buffer = np.empty(0, np.uint8)  # new memory takes longer to get than to fill

    def __call__(self, shards: Sequence[Shard]) -> Videos:
        """See `load`."""
        if (means := self._manifest.means) is None:
            return self._load(shards, None)
        size = room(shards)
        if size > len(self._buffer):
            self._buffer = aligned((size,))
        return means.of(self._load(shards, self._buffer[:size]))

    def _load(self, shards: Sequence[Shard], buffer: np.ndarray | None) -> Videos:
        manifest = self._manifest
        return load(shards, manifest.schema, buffer, cache=manifest.cache, require=manifest.require)


def room(shards: Sequence[Shard]) -> int:
    """Returns how many bytes shards take in memory."""
    return sum(_aligned_bytes(shard) for shard in shards) + wire.PADDING


def load(
    shards: Sequence[Shard],
    schema: Schema,
    buffer: np.ndarray | None = None,
    *,
    cache: Cache = DEFAULT_CACHE,
    require: Callable[[Shard], None] = lambda shard: None,
) -> Videos:
    """Reads shards, without what is bad in them; one that nobody has read is checked first.

    Args:
        shards: the shards.
        schema: what their records must hold.
        buffer: `room(shards)` bytes to read them into, where the frames then are; None makes some.
        cache: where distant shards are kept.
        require: refuses a shard that has just been checked, by an error.

    Raises:
        InputError: a shard is not what it was when it was listed or checked.
    """
    buffer = aligned((room(shards),)) if buffer is None else buffer
    ends = np.cumsum([_aligned_bytes(shard) for shard in shards])
    starts = [int(end) - _aligned_bytes(shard) for end, shard in zip(ends, shards, strict=True)]
    _read_all(shards, starts, buffer, cache)
    places = list(zip(shards, starts, strict=True))
    new = [(shard, start) for shard, start in places if not shard.facts]
    for shard, start in places:
        if shard.facts:
            checks.require_same(shard, buffer.data[start : start + shard.loaded_bytes], schema)
    if new:
        checks.learn_all([shard for shard, _ in new], [at for _, at in new], buffer, schema)
    for shard, _ in new:
        require_plain(shard)
        require(shard)
    frames = []
    for shard, start in places:
        found, _ = tfrecord.index(buffer.data[start : start + shard.loaded_bytes], checksums=False)
        bad = [problem.record for problem in shard.bad if problem.record < len(found.starts)]
        rows = np.delete(np.stack(found, axis=1), bad, axis=0)
        frames.append(rows + np.array([start, 0]))
    table = np.concatenate(frames)
    videos, problems = records.decode(buffer, tfrecord.Spans(*table.T), schema)
    if problems or len(videos.ids) != sum(shard.records for shard in shards):
        names = ", ".join(shard.path for shard in shards)
        raise InputError(f"A shard changed while it was in use, one of: {names}. Start again.")
    return videos


def require_plain(shard: Shard) -> None:
    """Refuses a shard that turns out to be compressed: it was not read as such."""
    if shard.compression:
        raise InputError(
            f"{shard.path} is compressed ({shard.compression}), which its name does not say. This "
            "is known from now on: start again."
        )


def _aligned_bytes(shard: Shard) -> int:
    return shard.loaded_bytes + -shard.loaded_bytes % ALIGNMENT


def _read_all(
    shards: Sequence[Shard], starts: Sequence[int], buffer: np.ndarray, cache: Cache
) -> None:
    views = [
        buffer.data[start : start + shard.loaded_bytes]
        for start, shard in zip(starts, shards, strict=True)
    ]
    if cache.bytes or all(is_local(shard.path) for shard in shards):
        for shard, view in zip(shards, views, strict=True):
            read(shard, view, cache)
        return
    with ThreadPoolExecutor(THREADS) as pool:  # nothing was fetched before
        list(pool.map(lambda shard, view: read(shard, view, cache), shards, views))


def read(shard: Shard, view: memoryview, cache: Cache, *, packed: bool = False) -> None:
    """Fills memory with a shard: decompressed, or as it lies in its store if `packed`."""
    kind = "" if packed else shard.compression
    with opened(shard, cache) as file:
        if _filled(view, file, kind):
            return
    raise InputError(f"{shard.path} changed while it was in use. Start again.")


@contextmanager
def opened(shard: Shard, cache: Cache) -> Iterator[BinaryIO]:
    """Opens a shard's file, which must be as it was when it was listed."""
    try:
        if is_local(shard.path):
            with Path(shard.path).open("rb") as file:
                if not local.is_same(os.fstat(file.fileno()), shard.object.generation):
                    raise InputError(f"{shard.path} changed while it was in use. Start again.")
                yield file
        else:
            with cache.open(shard.object) as file:
                yield file
    except FileNotFoundError:
        raise MissingInputError(
            f"{shard.path} was deleted while it was in use. Bring it back, and start again."
        ) from None


def _filled(view: memoryview, file: BinaryIO, kind: str) -> bool:
    size = compression.read_into(view, file, kind) if kind else file.readinto(view)  # type: ignore[attr-defined]
    return size == len(view)
