"""The check of a shard's records, made once and remembered in the user's cache.

What was found is kept under the file's path, size and time, so that a later run starts at once.
"""

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import google_crc32c
import numpy as np

from yt8m_exp.data import compression, ids, records, tfrecord, wire
from yt8m_exp.data.records import Schema
from yt8m_exp.data.tfrecord import Problem
from yt8m_exp.data.videos import Frames, Videos

CACHE_VERSION = 4


@dataclass(frozen=True)
class Shard:
    """One file, as it was when it was checked.

    Args:
        path: where it lies.
        bytes: its size.
        compression: see `compression.of`.
        loaded_bytes: what it takes in memory: its size, or what it is decompressed to.
        modified: when it was written last, in nanoseconds.
        crc32c: its CRC-32C, 8 hexadecimal digits.
        records: how many rows its usable records give: videos, or rated segments.
        labelled: how many of those have the key `labels`.
        class_counts: videos of each class, by class id; only classes that occur.
        ids: of its rows, see `ids.hashes`.
        bad: what is wrong with the records left out.
    """

    path: str
    bytes: int
    modified: int
    crc32c: str
    records: int
    labelled: int
    class_counts: Mapping[int, int] = field(repr=False)
    ids: str = field(repr=False)
    compression: str
    loaded_bytes: int
    bad: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return Path(self.path).name


def checked(path: Path, schema: Schema) -> Shard:
    """Describes a shard, after a check of every record unless that was done before.

    Args:
        path: the file.
        schema: what each record must hold.
    """
    status = path.stat()
    key = json.dumps([
        CACHE_VERSION, str(path.resolve()), status.st_size, status.st_mtime_ns,
        dict(schema.features), schema.classes, schema.level,
    ])  # fmt: skip
    entry = _cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"
    try:
        row = json.loads(entry.read_bytes())
        counts = {int(label): count for label, count in row["class_counts"].items()}
        bad = tuple(Problem(*problem) for problem in row["bad"])
        return Shard(**row | {"path": str(path), "class_counts": counts, "bad": bad})
    except (OSError, ValueError, KeyError, TypeError):
        shard = _check(path, schema)  # never seen, or an entry that cannot be read
    _keep(entry, json.dumps(asdict(shard)))
    return shard


def _check(path: Path, schema: Schema) -> Shard:
    file = path.read_bytes()
    kind = compression.of(file[: compression.HEAD_BYTES])
    data, broken = _decompressed(file, kind) if kind else (file, None)
    spans, problems = tfrecord.index(data, checksums=True)
    if broken or not file:
        reason = broken or "the file is empty (0 bytes)"
        problems = [problem for problem in problems if problem.record < len(spans.starts)]
        problems.append(Problem(len(spans.starts), f"{reason}. {tfrecord.AGAIN}"))
    elif foreign := compression.other(file):
        text = f"the file is compressed by {foreign}, which TFRecord has no option for. Unpack it."
        problems = [Problem(0, text)]
    padded = np.frombuffer(data + bytes(wire.PADDING), np.uint8)
    framed = [problem.record for problem in problems if problem.record < len(spans.starts)]
    whole = np.setdiff1d(np.arange(len(spans.starts)), framed)
    good = tfrecord.Spans(spans.starts[whole], spans.lengths[whole])
    videos, wrong = records.decode(padded, good, schema)
    problems += [Problem(int(whole[row]), text) for row, text in wrong]
    odd = _undecodable(videos) | _not_finite(videos)
    bad_values = {int(videos.records[row]): text for row, text in odd.items()}
    problems += [Problem(int(whole[row]), text) for row, text in bad_values.items()]
    keep = ~np.isin(videos.records, list(bad_values))
    row_of = np.repeat(np.arange(len(keep)), np.diff(videos.splits))
    counted = keep[row_of] if videos.present is None else videos.present
    pairs = np.stack([row_of, videos.labels])[:, counted]
    labels = np.unique(pairs, axis=1)[1]  # a video may name a class twice
    present, counts = np.unique(labels, return_counts=True)
    return Shard(
        path=str(path),
        bytes=len(file),
        modified=path.stat().st_mtime_ns,
        crc32c=f"{google_crc32c.value(file):08x}",
        records=int(keep.sum()),
        labelled=int(videos.labelled[keep].sum()),
        class_counts=dict(zip(present.tolist(), counts.tolist(), strict=True)),
        ids=ids.hashes(videos.ids[keep].tolist()),
        compression=kind,
        loaded_bytes=len(data),
        bad=tuple(sorted(problems)),
    )


def _decompressed(file: bytes, kind: str) -> tuple[bytes, str | None]:
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
        if isinstance(values, Frames):
            continue  # bytes
        finite = np.isfinite(values)
        for row in np.flatnonzero(~finite.all(axis=1)):
            place = int(np.argmin(finite[row]))
            text = f"expected finite numbers, but `{name}`[{place}] is {values[row, place]}."
            found.setdefault(int(row), text)
    return found


def _keep(entry: Path, text: str) -> None:
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=entry.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(entry)
    except OSError:
        return  # a cache that cannot be written costs time, nothing else


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "yt8m_exp" / "shards"
