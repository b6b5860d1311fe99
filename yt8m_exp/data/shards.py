"""Shard patterns to a manifest, and shards to videos."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from rich.console import Console
from rich.progress import track

from yt8m_exp.data import checks
from yt8m_exp.data.ahead import in_order
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import DEFAULT_REMEDY, Manifest, Remedy
from yt8m_exp.data.patterns import find_objects
from yt8m_exp.data.tfrecords import compression, records, tfrecord, wire
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.videos import ALIGNMENT, Videos, aligned
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.stores import local
from yt8m_exp.stores.cache import DEFAULT_CACHE, Cache
from yt8m_exp.stores.objects import FOLDER, Object
from yt8m_exp.stores.read_ahead import THREADS, read_ahead
from yt8m_exp.stores.uris import is_local

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


def find(patterns: str | Sequence[str], remedy: Remedy = DEFAULT_REMEDY) -> list[Object]:
    """Finds the shards that patterns match, see `find_objects`.

    Raises:
        MissingInputError: a pattern matches nothing.
        UserError: a store cannot be reached.
    """
    if not patterns:
        raise MissingInputError("At least one shard pattern must be given, but got an empty list.")
    try:
        return find_objects(patterns, names=FOLDER)
    except MissingInputError as error:
        text = str(error).replace("No file", "No shard", 1)
        raise MissingInputError(
            f"{text} Set {remedy.shards} to where yours lie, or fetch the dataset: "
            "mlflow run . -e download"
        ) from None


def find_local(patterns: str | Sequence[str], remedy: Remedy = DEFAULT_REMEDY) -> list[Path]:
    """Finds shards that lie on this machine; see `find`."""
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if not is_local(pattern):
            raise InputError(f"Shards must lie in a local file system, but got {pattern!r}.")
    return [Path(found.uri) for found in find(patterns, remedy)]


def scan(
    patterns: str | Sequence[str],
    schema: Schema,
    *,
    on_bad_record: str = "stop",
    needs_labels: bool = False,
    reading: Reading = DEFAULT_READING,
    remedy: Remedy = DEFAULT_REMEDY,
) -> Manifest:
    """Describes the shards that patterns match, after a check of the records of the first.

    Args:
        patterns: see `find`.
        schema: what each record must hold.
        on_bad_record: `stop` raises at the first bad record, `skip` leaves such records out.
        needs_labels: whether each record must have labels.
        reading: which shards are checked before, and where distant ones are kept.
        remedy: what the user sets where shards cannot be used.

    Raises:
        MissingInputError: a pattern matches nothing.
        InputError: a record is bad and `on_bad_record` is `stop`, or no record is left.
    """
    if on_bad_record not in ("stop", "skip"):
        raise InputError(f"`on_bad_record` must be stop or skip, but got {on_bad_record!r}.")
    shards = tuple(
        Shard(found, checks.remembered(found, schema)) for found in find(patterns, remedy)
    )
    source = (patterns,) if isinstance(patterns, str) else tuple(map(str, patterns))
    manifest = Manifest(
        source,
        shards,
        schema,
        cache=reading.cache,
        skip_bad=on_bad_record == "skip",
        needs_labels=needs_labels,
        remedy=remedy,
    )
    read(manifest, most_bytes=reading.check_bytes)
    for shard in shards:
        manifest.require(shard)
    manifest = replace(manifest, began_unread=not manifest.is_read)
    if not manifest.records:
        raise InputError(f"No usable record is left in the {len(shards)} shards of {source}.")
    return manifest


def read(manifest: Manifest, *, most_bytes: int | None = None) -> None:
    """Reads and checks shards that nobody has read.

    Args:
        manifest: the shards.
        most_bytes: how much of them must be known at least; None stands for all. Compressed ones
            always must: what they take in memory decides on the groups of an epoch.
    """
    known = sum(shard.bytes for shard in manifest.shards if shard.facts)
    unread = [shard for shard in manifest.shards if not shard.facts]
    if most_bytes is None or sum(shard.bytes for shard in unread) <= most_bytes:
        most_bytes = sum(shard.bytes for shard in manifest.shards) + 1  # all
    wanted = []
    for shard in unread:
        if known < most_bytes or checks.seems_compressed(shard.object):
            wanted.append(shard)
            known += shard.bytes
    _check(manifest, wanted)
    for shard in manifest.shards:  # an estimate needs one record at least
        if not shard.facts and not any(other.records for other in manifest.shards):
            _check(manifest, [shard])


def _check(manifest: Manifest, unread: Sequence[Shard]) -> None:
    def check(shard: Shard) -> None:
        buffer = aligned((shard.bytes + wire.PADDING,))
        _read(shard, buffer.data[: shard.bytes], manifest.cache, packed=True)
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
        InputError: a shard is not what it was when it was listed or checked.
    """
    buffer = aligned((room(shards),)) if buffer is None else buffer
    ends = np.cumsum([_aligned_bytes(shard) for shard in shards])
    starts = [int(end) - _aligned_bytes(shard) for end, shard in zip(ends, shards, strict=True)]
    _read_all(shards, starts, buffer, cache)
    frames = []
    for shard, start in zip(shards, starts, strict=True):
        if not shard.facts:
            _learn(shard, buffer[start:], schema)
            require(shard)
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


def _learn(shard: Shard, buffer: np.ndarray, schema: Schema) -> None:
    checks.learn(shard, buffer, schema)
    if shard.compression:
        raise InputError(
            f"{shard.path} is compressed ({shard.compression}), which its name does not say. This "
            "is known from now on: start again."
        )


def _aligned_bytes(shard: Shard) -> int:
    return shard.loaded_bytes + -shard.loaded_bytes % ALIGNMENT


def repeats_sentence(manifest: Manifest, examples: int = 3) -> str:
    """Says how many rows have the id of one before them, and names some with their shards."""
    found = manifest.repeats
    named = []
    for repeat in found[:examples]:
        shard, first = manifest.shards[repeat.shard], manifest.shards[repeat.first_shard]
        videos = load([shard], manifest.schema, cache=manifest.cache)
        video = videos.ids[repeat.row].decode()
        named.append(f"{video!r} of {shard.path}" + (f" and {first.path}" * (first != shard)))
    more = ", ..." if len(found) > examples else ""
    return f"{len(found):,} ids occur again: {', '.join(named)}{more}"


def _read_all(
    shards: Sequence[Shard], starts: Sequence[int], buffer: np.ndarray, cache: Cache
) -> None:
    views = [
        buffer.data[start : start + shard.loaded_bytes]
        for start, shard in zip(starts, shards, strict=True)
    ]
    if cache.bytes or all(is_local(shard.path) for shard in shards):
        for shard, view in zip(shards, views, strict=True):
            _read(shard, view, cache)
        return
    with ThreadPoolExecutor(THREADS) as pool:  # nothing was fetched before
        list(pool.map(lambda shard, view: _read(shard, view, cache), shards, views))


def _read(shard: Shard, view: memoryview, cache: Cache, *, packed: bool = False) -> None:
    """Fills memory with a shard: decompressed, or as it lies in its store if `packed`."""
    kind = "" if packed else shard.compression
    if is_local(shard.path):
        with Path(shard.path).open("rb") as file:
            same = local.generation(os.fstat(file.fileno())) == shard.object.generation
            if same and _filled(view, file, kind):
                return
    else:
        with cache.open(shard.object) as file:
            if _filled(view, file, kind):
                return
    raise InputError(f"{shard.path} changed while it was in use. Start again.")


def _filled(view: memoryview, file: BinaryIO, kind: str) -> bool:
    size = compression.read_into(view, file, kind) if kind else file.readinto(view)  # type: ignore[attr-defined]
    return size == len(view)
