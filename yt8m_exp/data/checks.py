"""The check of a shard's records, made when it is first read and remembered in the user's cache.

What was found is kept under the file's path, size, times and number, or under its URI and
generation. Later runs know it from the start, and compare the checksum of what they read.
"""

import hashlib
import io
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from yt8m_exp.data import ids
from yt8m_exp.data.tfrecords import compression, records, tfrecord, wire
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.tfrecords.tfrecord import Problem
from yt8m_exp.data.videos import Videos
from yt8m_exp.spec import InputError
from yt8m_exp.stores import checksums
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.uris import is_local

CACHE_VERSION = 5
LABEL_BITS = 32
SUFFIXES = (".gz", ".zlib")


@dataclass(frozen=True)
class Facts:
    """What the records of a shard hold.

    Args:
        crc32c: of the file, 8 hexadecimal digits.
        records: how many rows its usable records give: videos, or rated segments.
        labelled: how many of those have the key `labels`.
        class_counts: videos of each class, by class id; only classes that occur.
        ids: of its rows, see `ids.hashes`.
        compression: see `compression.of`.
        loaded_bytes: what it takes in memory: its size, or what it is decompressed to.
        bad: what is wrong with the records left out.
    """

    crc32c: str
    records: int
    labelled: int
    class_counts: Mapping[int, int] = field(repr=False)
    ids: str = field(repr=False)
    compression: str
    loaded_bytes: int
    bad: tuple[Problem, ...] = ()


NOTHING = Facts("", 0, 0, {}, "", "", 0)


@dataclass
class Shard:
    """One file as it was when it was listed, and what was learnt of it when it was read.

    Attributes:
        object: the file.
        facts: what its records hold; None before it is read.
    """

    object: Object
    facts: Facts | None = None

    @property
    def path(self) -> str:
        """Where it lies."""
        return self.object.uri

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.object.name

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.object.bytes

    @property
    def crc32c(self) -> str | None:
        """Its CRC-32C, 8 hexadecimal digits; None before it is read, if its store knows none."""
        return self.facts.crc32c if self.facts else self.object.crc32c

    @property
    def compression(self) -> str:
        """See `Facts`; empty before it is read."""
        return (self.facts or NOTHING).compression

    @property
    def loaded_bytes(self) -> int:
        """What it takes in memory; its size before it is read."""
        return self.facts.loaded_bytes if self.facts else self.bytes

    @property
    def ids(self) -> str:
        """See `Facts`; empty before it is read."""
        return (self.facts or NOTHING).ids

    @property
    def records(self) -> int:
        """How many rows it gives; 0 before it is read, as are the next three."""
        return (self.facts or NOTHING).records

    @property
    def labelled(self) -> int:
        """How many of those have the key `labels`."""
        return (self.facts or NOTHING).labelled

    @property
    def class_counts(self) -> Mapping[int, int]:
        """Videos of each class, by class id; only classes that occur."""
        return (self.facts or NOTHING).class_counts

    @property
    def bad(self) -> tuple[Problem, ...]:
        """What is wrong with the records left out."""
        return (self.facts or NOTHING).bad


def remembered(found: Object, schema: Schema) -> Facts | None:
    """Returns what was learnt of a file when it was read before, by any process of the user.

    Args:
        found: the file.
        schema: what each record was checked for.
    """
    try:
        row = json.loads(_entry(found, schema).read_bytes())
        counts = {int(label): count for label, count in row["class_counts"].items()}
        bad = tuple(Problem(*problem) for problem in row["bad"])
        return Facts(**row | {"class_counts": counts, "bad": bad})
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never seen, or an entry that cannot be read


def seems_compressed(found: Object) -> bool:
    """Tells whether a file is compressed: by its first bytes, or by its name if it is distant."""
    if not is_local(found.uri):
        return found.name.endswith(SUFFIXES)
    with Path(found.uri).open("rb") as file:
        return bool(compression.of(file.read(compression.HEAD_BYTES)))


def learn(shard: Shard, buffer: np.ndarray, schema: Schema) -> None:
    """Checks every record of a shard, and remembers what they hold.

    Args:
        shard: the shard, whose facts are set.
        buffer: begins with its bytes, uint8, with `wire.PADDING` to spare behind them.
        schema: what each record must hold.
    """
    _remember(shard, _check(shard.object, buffer, schema), schema)


def learn_all(
    shards: Sequence[Shard], starts: Sequence[int], buffer: np.ndarray, schema: Schema
) -> None:
    """Checks shards that lie in one buffer; small ones take far less time than one by one.

    Args:
        shards: the shards, whose facts are set.
        starts: where their bytes begin.
        buffer: the bytes, uint8, with `wire.PADDING` to spare behind the last.
        schema: what each record must hold.
    """
    found = _check_whole(shards, starts, buffer, schema) if len(shards) > 1 else None
    for place, (shard, start) in enumerate(zip(shards, starts, strict=True)):
        if found:
            _remember(shard, found[place], schema)
        else:
            learn(shard, buffer[start:], schema)


def _remember(shard: Shard, facts: Facts, schema: Schema) -> None:
    shard.facts = facts
    _keep(_entry(shard.object, schema), json.dumps(vars(facts)))


def require_same(shard: Shard, data: memoryview, schema: Schema) -> None:
    """Refuses a shard whose bytes are others than when it was checked, and forgets the check.

    Args:
        shard: the shard.
        data: what was read of it, decompressed; that of a compressed one is read again.
        schema: what each record was checked for.

    Raises:
        InputError: its checksum differs.
    """
    if shard.compression:
        if not is_local(shard.path):
            return  # it has been compared when it was downloaded
        data = memoryview(Path(shard.path).read_bytes())
    if checksums.crc32c(data) != shard.crc32c:
        _entry(shard.object, schema).unlink(missing_ok=True)
        raise InputError(
            f"{shard.path} changed since it was checked: its checksum is another one, with the "
            "same size and time. Start again; if it is not meant to change, copy it anew."
        )


def _check(found: Object, buffer: np.ndarray, schema: Schema) -> Facts:
    file = buffer.data[: found.bytes]
    head = bytes(file[: compression.HEAD_BYTES])
    kind, data, broken = compression.of(head), file, None
    if kind:
        unpacked, broken = _decompressed(file, kind)
        buffer = np.frombuffer(unpacked + bytes(wire.PADDING), np.uint8)
        data = buffer.data[: len(unpacked)]
    spans, problems = tfrecord.index(data, checksums=True)
    if broken or not found.bytes:
        reason = broken or "the file is empty (0 bytes)"
        problems = [problem for problem in problems if problem.record < len(spans.starts)]
        problems.append(Problem(len(spans.starts), f"{reason}. {tfrecord.AGAIN}"))
    elif foreign := compression.other(head):
        text = f"the file is compressed by {foreign}, which TFRecord has no option for. Unpack it."
        problems = [Problem(0, text)]
    framed = [problem.record for problem in problems if problem.record < len(spans.starts)]
    whole = np.setdiff1d(np.arange(len(spans.starts)), framed)
    good = tfrecord.Spans(spans.starts[whole], spans.lengths[whole])
    videos, wrong = records.decode(buffer, good, schema)
    odd = _undecodable(videos) | _not_finite(videos)
    bad_values = {int(videos.records[row]): text for row, text in odd.items()}
    problems += [Problem(int(whole[row]), text) for row, text in (*wrong, *bad_values.items())]
    keep = ~np.isin(videos.records, list(bad_values))
    pairs = _pairs(videos)
    facts = _facts(found, file, videos, keep, pairs[keep[pairs >> LABEL_BITS]])
    return replace(facts, compression=kind, loaded_bytes=len(data), bad=tuple(sorted(problems)))


def _check_whole(
    shards: Sequence[Shard], starts: Sequence[int], buffer: np.ndarray, schema: Schema
) -> list[Facts] | None:
    """Checks shards together; returns None if one is compressed, empty, or has a bad record."""
    files = [
        buffer.data[start : start + shard.bytes]
        for shard, start in zip(shards, starts, strict=True)
    ]
    spans = []
    for file, start in zip(files, starts, strict=True):
        head = bytes(file[: compression.HEAD_BYTES])
        found, problems = tfrecord.index(file, checksums=True)
        if problems or not head or compression.of(head) or compression.other(head):
            return None
        spans.append((found.starts + start, found.lengths))
    videos, wrong = records.decode(
        buffer, tfrecord.Spans(*map(np.concatenate, zip(*spans, strict=True))), schema
    )
    if wrong or _undecodable(videos) or _not_finite(videos):
        return None
    pairs = _pairs(videos)
    ends = np.cumsum([0, *(len(begins) for begins, _ in spans)])
    rows = np.searchsorted(videos.records, ends)
    cuts = np.searchsorted(pairs, rows << LABEL_BITS)
    return [
        _facts(shard.object, file, videos, slice(*row), pairs[slice(*cut)])
        for shard, file, row, cut in zip(
            shards, files, pairwise(rows.tolist()), pairwise(cuts.tolist()), strict=True
        )
    ]


def _facts(
    found: Object, file: memoryview, videos: Videos, rows: np.ndarray | slice, pairs: np.ndarray
) -> Facts:
    """Returns the facts of a file that is not compressed, of which rows and pairs are usable."""
    usable = videos.ids[rows].tolist()
    present, counts = np.unique(pairs & ((1 << LABEL_BITS) - 1), return_counts=True)
    return Facts(
        crc32c=found.crc32c or checksums.crc32c(file),
        records=len(usable),
        labelled=int(videos.labelled[rows].sum()),
        class_counts=dict(zip(present.tolist(), counts.tolist(), strict=True)),
        ids=ids.hashes(usable),
        compression="",
        loaded_bytes=found.bytes,
    )


def _pairs(videos: Videos) -> np.ndarray:
    """Returns each row's classes, `row << LABEL_BITS | class`, each once and sorted, int64."""
    row_of = np.repeat(np.arange(len(videos.ids)), np.diff(videos.splits))
    pairs = row_of << LABEL_BITS | videos.labels
    return np.unique(pairs if videos.present is None else pairs[videos.present])


def _decompressed(file: memoryview, kind: str) -> tuple[bytes, str | None]:
    """Returns what a compressed file holds, up to where it is broken, and what is broken."""
    found: list[bytes] = []
    try:
        found.extend(compression.pieces(io.BytesIO(file), kind))
    except compression.Broken as error:
        return b"".join(found), str(error)
    return b"".join(found), None


def _undecodable(videos: Videos) -> dict[int, str]:
    problems = map(ids.undecodable, videos.ids.tolist())
    return {row: problem for row, problem in enumerate(problems) if problem}


def _not_finite(videos: Videos) -> dict[int, str]:
    found: dict[int, str] = {}
    for name, values in videos.features.items():
        if not isinstance(values, np.ndarray):
            continue  # bytes
        finite = np.isfinite(values)
        for row in np.flatnonzero(~finite.all(axis=1)):
            place = int(np.argmin(finite[row]))
            text = f"expected finite numbers, but `{name}`[{place}] is {values[row, place]}."
            found.setdefault(int(row), text)
    return found


def _keep(entry: Path, text: str) -> None:
    part = entry.with_name(f"{entry.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        if not entry.parent.exists():
            entry.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text)
        part.replace(entry)
    except OSError:
        return  # a cache that cannot be written costs time, nothing else


def _entry(found: Object, schema: Schema) -> Path:
    place = os.path.realpath(found.uri) if is_local(found.uri) else found.uri
    key = json.dumps([
        CACHE_VERSION, place, found.bytes, found.generation,
        dict(schema.features), schema.classes, schema.level,
    ])  # fmt: skip
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(key.encode()).hexdigest()[:40]
    return Path(home) / "yt8m_exp" / "shards" / f"{name}.json"
