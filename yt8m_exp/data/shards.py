"""Shard patterns to a manifest: which files, what they hold, and the digest that names the data."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from yt8m_exp.data import checks, compression, ids, records, tfrecord, wire
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.means import Means
from yt8m_exp.data.patterns import find_files
from yt8m_exp.data.records import Schema
from yt8m_exp.data.videos import ALIGNMENT, Videos, aligned
from yt8m_exp.spec import InputError, MissingInputError

FILES = ("*.tfrecord", "*.tfrecord.gz", "*.tfrecord.zlib")
"""What a folder of shards stands for."""


@dataclass(frozen=True)
class Remedy:
    """What a verb's user sets, in the verb's own keys, where shards cannot be used.

    Args:
        shards: the key of the patterns.
        skip: the override that leaves bad records out.
    """

    shards: str = "shards"
    skip: str = "on_bad_record=skip"


@dataclass(frozen=True)
class Manifest:
    """The shards of one data set, and what identifies them."""

    source: tuple[str, ...]
    shards: tuple[Shard, ...]
    schema: Schema
    means: Means | None = None
    """What its frames are averaged to as they are loaded; None leaves them as they are."""

    @cached_property
    def records(self) -> int:
        """How many rows the usable records give: videos, or rated segments."""
        return sum(shard.records for shard in self.shards)

    @cached_property
    def skipped(self) -> int:
        """How many records are left out because they are bad."""
        return sum(len(shard.bad) for shard in self.shards)

    @cached_property
    def repeats(self) -> list[ids.Repeat]:
        """The rows whose id a row before them has."""
        return ids.repeats([shard.ids for shard in self.shards])

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits of a SHA-256 over names, sizes and checksums; not over folders."""
        rows = sorted(f"{shard.name} {shard.bytes} {shard.crc32c}" for shard in self.shards)
        return hashlib.sha256(os.fsencode("\n".join(rows))).hexdigest()[:32]

    def class_counts(self) -> np.ndarray:
        """Returns the videos of each class, int64 (C,)."""
        counts = np.zeros(self.schema.classes, np.int64)
        for shard in self.shards:
            for label, count in shard.class_counts.items():
                counts[label] += count
        return counts

    def require_labels(self) -> None:
        """Raises InputError where a record has no labels, as those of the test split."""
        for shard in self.shards:
            if shard.labelled < shard.records:
                missing = shard.records - shard.labelled
                raise InputError(
                    f"{shard.path}: {missing} of {shard.records} records have no `labels`. "
                    "Shards of the test split can be predicted, but not trained or scored on."
                )

    def require_positives(self) -> None:
        """Raises InputError where no row has a label: no metric is defined on such shards."""
        if not self.class_counts().any():
            what = "rated segments" if self.schema.level == "segment" else "videos"
            raise InputError(
                f"At least one video must have a label, but none of the {self.records:,} {what} in "
                f"{', '.join(self.source)} has one, so there is nothing to score."
            )

    def as_dict(self) -> dict:
        """Returns the manifest as plain data, for a JSON file."""
        rows = [
            {"name": s.name, "bytes": s.bytes, "crc32c": s.crc32c, "records": s.records}
            | ({"skipped": [problem._asdict() for problem in s.bad]} if s.bad else {})
            for s in self.shards
        ]
        return {
            "digest": self.digest,
            "source": list(self.source),
            "records": self.records,
            "skipped": self.skipped,
            "repeated": len(self.repeats),
            "features": dict(self.schema.features),
            "classes": self.schema.classes,
            "level": self.schema.level,
            "shards": rows,
        }


def find(patterns: str | Sequence[str], remedy: Remedy = Remedy()) -> list[Path]:
    """Finds the shards that patterns match, a folder's being its `FILES`; see `find_files`."""
    if not patterns:
        raise MissingInputError("At least one shard pattern must be given, but got an empty list.")
    try:
        return find_files(patterns, names=FILES)
    except FileNotFoundError as error:
        text = str(error).replace("No file", "No shard", 1)
        raise MissingInputError(
            f"{text} Set {remedy.shards} to where yours lie, or fetch the dataset: "
            "mlflow run . -e download"
        ) from None


def scan(
    patterns: str | Sequence[str],
    schema: Schema,
    *,
    on_bad_record: str = "stop",
    remedy: Remedy = Remedy(),
) -> Manifest:
    """Checks every record of the shards that patterns match, and describes them.

    Args:
        patterns: the patterns, see `find`.
        schema: what each record must hold.
        on_bad_record: `stop` raises at the first bad record, `skip` leaves such records out.
        remedy: see there.

    Raises:
        MissingInputError: a pattern matches nothing.
        InputError: a record is bad and `on_bad_record` is `stop`, or no record is left.
    """
    if on_bad_record not in ("stop", "skip"):
        raise InputError(f"`on_bad_record` must be stop or skip, but got {on_bad_record!r}.")
    paths = find(patterns, remedy)
    with ThreadPoolExecutor(2) as pool:
        checked = pool.map(lambda path: checks.checked(path, schema), paths)
        shards = tuple(track(
            checked, "Checking shards", total=len(paths), console=Console(stderr=True),
            transient=True, disable=not Console(stderr=True).is_terminal,
        ))  # fmt: skip
    if on_bad_record == "stop":
        for shard in shards:
            if shard.bad:
                raise InputError(_sentence(shard, remedy))
    source = (patterns,) if isinstance(patterns, str) else tuple(map(str, patterns))
    manifest = Manifest(source, shards, schema)
    if not manifest.records:
        raise InputError(f"No usable record is left in the {len(shards)} shards of {source}.")
    return manifest


class Loader:
    """Reads some of a manifest's shards at a time."""

    def __init__(self, manifest: Manifest) -> None:
        self._schema, self._means = manifest.schema, manifest.means
        self._buffer = np.empty(0, np.uint8)  # new memory takes longer to get than to fill

    def __call__(self, shards: Sequence[Shard]) -> Videos:
        """See `load`."""
        if self._means is None:
            return load(shards, self._schema)
        size = room(shards)
        if size > len(self._buffer):
            self._buffer = aligned((size,))
        return self._means.of(load(shards, self._schema, self._buffer[:size]))


def room(shards: Sequence[Shard]) -> int:
    """Returns how many bytes shards take in memory."""
    return sum(_aligned_bytes(shard) for shard in shards) + wire.PADDING


def load(shards: Sequence[Shard], schema: Schema, buffer: np.ndarray | None = None) -> Videos:
    """Reads shards that were scanned, without what was bad in them.

    Args:
        shards: the shards.
        schema: what they were scanned for.
        buffer: `room(shards)` bytes to read them into, where the frames then are; None makes some.

    Raises:
        InputError: a shard is not what it was when it was scanned.
    """
    buffer = aligned((room(shards),)) if buffer is None else buffer
    frames, end = [], 0
    for shard in shards:
        start, end = end, end + _aligned_bytes(shard)
        view = buffer.data[start : start + shard.loaded_bytes]
        _read(shard, view)
        found, _ = tfrecord.index(view, checksums=False)
        bad = [problem.record for problem in shard.bad if problem.record < len(found.starts)]
        rows = np.delete(np.stack(found, axis=1), bad, axis=0)
        frames.append(rows + np.array([start, 0]))
    table = np.concatenate(frames)
    videos, problems = records.decode(buffer, tfrecord.Spans(*table.T), schema)
    if problems or len(videos.ids) != sum(shard.records for shard in shards):
        names = ", ".join(shard.path for shard in shards)
        raise InputError(f"A shard changed while it was in use, one of: {names}. Start again.")
    return videos


def _aligned_bytes(shard: Shard) -> int:
    return shard.loaded_bytes + -shard.loaded_bytes % ALIGNMENT


def repeats_sentence(manifest: Manifest, examples: int = 3) -> str:
    """Says how many rows have the id of one before them, and names some with their shards."""
    found = manifest.repeats
    named = []
    for repeat in found[:examples]:
        shard, first = manifest.shards[repeat.shard], manifest.shards[repeat.first_shard]
        video = load([shard], manifest.schema).ids[repeat.row].decode()
        named.append(f"{video!r} of {shard.path}" + (f" and {first.path}" * (first != shard)))
    more = ", ..." if len(found) > examples else ""
    return f"{len(found):,} ids occur again: {', '.join(named)}{more}"


def _sentence(shard: Shard, remedy: Remedy) -> str:
    first, more = shard.bad[0], len(shard.bad) - 1
    skip = f"To leave such records out, set {remedy.skip}."
    tail = f" ({more} more bad records in this shard.)" if more else ""
    return f"{shard.path}, record {first.record}: {first.text} {skip}{tail}"


def _read(shard: Shard, view: memoryview) -> None:
    with Path(shard.path).open("rb") as file:
        status = os.fstat(file.fileno())
        same = (status.st_size, status.st_mtime_ns) == (shard.bytes, shard.modified)
        if shard.compression:
            size = compression.read_into(view, file, shard.compression)
        else:
            size = file.readinto(view)
        if not (same and size == shard.loaded_bytes):
            raise InputError(f"{shard.path} changed while it was in use. Start again.")
