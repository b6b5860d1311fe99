"""Shard patterns to a manifest, and shards to videos."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from yt8m_exp.data import checks, records, tfrecord, wire
from yt8m_exp.data.ahead import in_order
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.records import Schema
from yt8m_exp.data.videos import ALIGNMENT, Videos, aligned
from yt8m_exp.stores import local
from yt8m_exp.stores.cache import DEFAULT_CACHE, Cache
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.read_ahead import THREADS, read_ahead
from yt8m_exp.stores.uris import is_local, scheme, store_of

CHECK_BYTES = 256 << 20


@dataclass(frozen=True)
class Reading:
    """How shards are read.

    Args:
        cache: where distant shards are kept.
        check_bytes: shards are checked before any is used until so many bytes have been; the rest
            is checked when it is read. None checks all before.
    """

    cache: Cache = DEFAULT_CACHE
    check_bytes: int | None = CHECK_BYTES


DEFAULT_READING = Reading()


def find(patterns: str | Sequence[str]) -> list[Object]:
    """Finds the shards that patterns match.

    Args:
        patterns: a glob, a file, a folder (its `*.tfrecord`), or a list of these; local, or in a
            bucket as gs://bucket/pattern; or the https:// URL of a file.

    Returns:
        The files in the order of the patterns, then of their names, each once.

    Raises:
        FileNotFoundError: a pattern matches nothing.
        UserError: a store cannot be reached.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(map(str, patterns))
    if not patterns:
        raise FileNotFoundError("At least one shard pattern must be given, but got an empty list.")
    matched: dict[str, list[Object]] = {}
    for kind in dict.fromkeys(map(scheme, patterns)):
        mine = [pattern for pattern in patterns if scheme(pattern) == kind]
        matched |= zip(mine, store_of(mine[0]).list(mine), strict=True)
    for pattern, found in matched.items():
        if not found:
            place = f" (from {Path.cwd()})" if is_local(pattern) else ""
            raise FileNotFoundError(
                f"No shard matches {pattern!r}{place}. Set data.train, data.validate or shards to "
                "where yours lie."
            )
    objects = (found for pattern in patterns for found in matched[pattern])
    return list({found.uri: found for found in objects}.values())


def scan(
    patterns: str | Sequence[str],
    schema: Schema,
    *,
    on_bad_record: str = "stop",
    needs_labels: bool = False,
    reading: Reading = DEFAULT_READING,
) -> Manifest:
    """Describes the shards that patterns match, after a check of the records of the first.

    Args:
        patterns: see `find`.
        schema: what each record must hold.
        on_bad_record: `stop` raises at the first bad record, `skip` leaves such records out.
        needs_labels: whether each record must have labels.
        reading: which shards are checked before, and where distant ones are kept.

    Raises:
        FileNotFoundError: a pattern matches nothing.
        ValueError: a record is bad and `on_bad_record` is `stop`, or no record is left.
    """
    if on_bad_record not in ("stop", "skip"):
        raise ValueError(f"`on_bad_record` must be stop or skip, but got {on_bad_record!r}.")
    shards = tuple(Shard(found, checks.remembered(found, schema)) for found in find(patterns))
    source = (patterns,) if isinstance(patterns, str) else tuple(map(str, patterns))
    manifest = Manifest(
        source,
        shards,
        schema,
        cache=reading.cache,
        skip_bad=on_bad_record == "skip",
        needs_labels=needs_labels,
    )
    read(manifest, most_bytes=reading.check_bytes)
    for shard in shards:
        manifest.require(shard)
    manifest = replace(manifest, began_unread=not manifest.is_read)
    if not manifest.records:
        raise ValueError(f"No usable record is left in the {len(shards)} shards of {source}.")
    return manifest


def read(manifest: Manifest, *, most_bytes: int | None = None) -> None:
    """Reads and checks shards that nobody has read.

    Args:
        manifest: the shards.
        most_bytes: how much of them must be known at least; None stands for all.
    """
    unread = [shard for shard in manifest.shards if not shard.facts]
    if most_bytes is not None and sum(shard.bytes for shard in unread) > most_bytes:
        known = sum(shard.bytes for shard in manifest.shards if shard.facts)
        ends = known + np.cumsum([shard.bytes for shard in unread])
        unread = unread[: int(np.searchsorted(ends, most_bytes, side="right")) + 1]
        unread = [] if known >= most_bytes else unread
    _check(manifest, unread)
    for shard in manifest.shards:  # an estimate needs one record at least
        if not shard.facts and not any(other.records for other in manifest.shards):
            _check(manifest, [shard])


def _check(manifest: Manifest, unread: Sequence[Shard]) -> None:
    def check(shard: Shard) -> None:
        buffer = aligned((shard.bytes + wire.PADDING,))
        _read(shard, buffer.data[: shard.bytes], manifest.cache)
        checks.learn(shard, buffer, manifest.schema)

    shards = read_ahead(unread, lambda shard: [shard.object], manifest.cache)
    terminal = Console(stderr=True)
    for _ in track(
        in_order(check, shards, workers=2, depth=3), "Checking shards", total=len(unread),
        console=terminal, transient=True, disable=not (unread and terminal.is_terminal),
    ):  # fmt: skip
        pass


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
        ValueError: a shard is not what it was when it was listed or checked.
    """
    buffer = aligned((room(shards),)) if buffer is None else buffer
    ends = np.cumsum([_aligned_bytes(shard) for shard in shards])
    starts = [int(end) - _aligned_bytes(shard) for end, shard in zip(ends, shards, strict=True)]
    _read_all(shards, starts, buffer, cache)
    frames = []
    for shard, start in zip(shards, starts, strict=True):
        if not shard.facts:
            checks.learn(shard, buffer[start:], schema)
            require(shard)
        found, _ = tfrecord.index(buffer.data[start : start + shard.bytes], checksums=False)
        bad = [problem.record for problem in shard.bad if problem.record < len(found.starts)]
        rows = np.delete(np.stack(found, axis=1), bad, axis=0)
        frames.append(rows + np.array([start, 0]))
    table = np.concatenate(frames)
    videos, problems = records.decode(buffer, tfrecord.Spans(*table.T), schema)
    if problems or len(videos.ids) != sum(shard.records for shard in shards):
        names = ", ".join(shard.path for shard in shards)
        raise ValueError(f"A shard changed while it was in use, one of: {names}. Start again.")
    return videos


def _aligned_bytes(shard: Shard) -> int:
    return shard.bytes + -shard.bytes % ALIGNMENT


def _read_all(
    shards: Sequence[Shard], starts: Sequence[int], buffer: np.ndarray, cache: Cache
) -> None:
    views = [
        buffer.data[start : start + shard.bytes]
        for start, shard in zip(starts, shards, strict=True)
    ]
    if cache.bytes or all(is_local(shard.path) for shard in shards):
        for shard, view in zip(shards, views, strict=True):
            _read(shard, view, cache)
        return
    with ThreadPoolExecutor(THREADS) as pool:  # nothing was fetched before
        list(pool.map(lambda shard, view: _read(shard, view, cache), shards, views))


def _read(shard: Shard, view: memoryview, cache: Cache) -> None:
    if is_local(shard.path):
        with Path(shard.path).open("rb") as file:
            same = local.generation(os.fstat(file.fileno())) == shard.object.generation
            if same and file.readinto(view) == shard.bytes:
                return
    else:
        with cache.open(shard.object) as file:
            if file.readinto(view) == shard.bytes:  # type: ignore[attr-defined]
                return
    raise ValueError(f"{shard.path} changed while it was in use. Start again.")
