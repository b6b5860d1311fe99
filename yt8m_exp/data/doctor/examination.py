"""Reads one shard and tells all about it; nothing that the shard holds stops it."""

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from yt8m_exp.data.ahead import in_order
from yt8m_exp.data.doctor import detection, profile, statistics
from yt8m_exp.data.doctor.findings import Finding, Found, odd_videos
from yt8m_exp.data.doctor.profile import Profile
from yt8m_exp.data.doctor.statistics import Feature
from yt8m_exp.data.tfrecords import compression, framing, records, tfrecord, wire
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.tfrecords.tfrecord import Spans
from yt8m_exp.data.videos import Videos, aligned
from yt8m_exp.stores import checksums
from yt8m_exp.stores.cache import DEFAULT_CACHE, Cache
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.read_ahead import read_ahead
from yt8m_exp.stores.uris import is_local

THREADS = 2
LOOKED_AT = 8
"""Records that tell the schema of a shard."""

SchemaOf = Callable[[Iterable[bytes]], Schema]


@dataclass(frozen=True)
class Labels:
    """Labels of videos, or of rated segments.

    Args:
        ids: bytes objects (N,).
        labels: class ids of all of them, one after another.
        splits: row n has `labels[splits[n]:splits[n + 1]]`; int64 (N + 1,).
    """

    ids: np.ndarray
    labels: np.ndarray
    splits: np.ndarray


@dataclass(frozen=True)
class Examination:
    """What a shard holds.

    Args:
        path: where it lies.
        bytes: its size.
        crc32c: its CRC-32C, 8 hexadecimal digits.
        schema: what its records must hold.
        rows: the numbers of the usable records, which are N videos.
        ids: of these, bytes objects (N,).
        fingerprints: of the features of each, uint64 (N,).
        frames: how many frames each has, int32 (N,); None at video level.
        labels: of the videos that have labels, or of their rated segments.
        features: statistics by name.
        findings: what is wrong, by kind.
        profiles: of features by name, if they were asked for.
    """

    path: str
    bytes: int
    crc32c: str
    schema: Schema
    rows: np.ndarray
    ids: np.ndarray
    fingerprints: np.ndarray
    frames: np.ndarray | None
    labels: Labels
    features: Mapping[str, Feature]
    findings: tuple[Finding, ...]
    profiles: Mapping[str, Profile]


def examine_all(
    shards: Iterable[Object],
    schema_of: SchemaOf = detection.schema_of,
    cache: Cache = DEFAULT_CACHE,
    *,
    profiled: bool = False,
) -> Iterator[Examination]:
    """Examines shards in order, two while the next is read; distant ones are fetched ahead.

    Args:
        shards: the files.
        schema_of: tells from the first records of each what all must hold.
        cache: where distant shards are kept.
        profiled: whether to look at each value of the features, too.

    Raises:
        UserError: a distant shard does not arrive.
    """
    fetched = read_ahead(shards, lambda shard: [shard], cache)
    files = in_order(partial(_read, cache=cache), fetched)
    work = partial(_examined, schema_of=schema_of, profiled=profiled)
    for _, examined in in_order(work, files, workers=THREADS, depth=THREADS):
        yield examined


def examine(
    shard: Object,
    schema_of: SchemaOf = detection.schema_of,
    cache: Cache = DEFAULT_CACHE,
    *,
    profiled: bool = False,
) -> Examination:
    """Examines one shard; see `examine_all`."""
    return next(examine_all([shard], schema_of, cache, profiled=profiled))


def _examined(
    read: tuple[Object, np.ndarray], *, schema_of: SchemaOf, profiled: bool
) -> Examination:
    shard, file = read
    found = Found(shard.uri)
    padded = _unpacked(file, found)
    spans, whole = _framed(padded, found)
    schema = schema_of(_first(padded, spans))
    videos, labels = _decoded(padded, spans, whole, schema, found)
    described = statistics.described(videos)
    finite = np.isfinite(described.norms).all(axis=0)
    found.add_rows("not_finite", whole[videos.records[~finite]], "a value is no finite number.")
    keep = finite & _decodable(videos, whole, found)
    rows = whole[videos.records]
    fake = odd_videos(described, rows, keep, found)
    _find_unlabelled(rows[keep], labels, whole, found)
    return Examination(
        path=shard.uri,
        bytes=len(file) - wire.PADDING,
        crc32c=shard.crc32c or checksums.crc32c(file.data[: -wire.PADDING]),
        schema=schema,
        rows=rows[keep],
        ids=videos.ids[keep],
        fingerprints=described.fingerprints[keep],
        frames=None if videos.frames is None else videos.frames[keep],
        labels=_listed(labels, keep if schema.level != "segment" else None),
        features=statistics.summarised(described, keep & ~fake, fake),
        findings=found.findings(),
        profiles=profile.of(videos) if profiled else {},
    )


def _read(shard: Object, cache: Cache) -> np.ndarray:
    """Returns the bytes of a file, uint8, and `wire.PADDING` behind them."""
    with Path(shard.uri).open("rb") if is_local(shard.uri) else cache.open(shard) as file:
        with suppress(io.UnsupportedOperation):  # it came through memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        padded = aligned((size + wire.PADDING,))
        size = file.readinto(padded[:size].data)  # type: ignore[attr-defined]
    return padded[: size + wire.PADDING]


def _unpacked(file: np.ndarray, found: Found) -> np.ndarray:
    """Returns the bytes of records, decompressed, padded again; none of a file that holds none."""
    data, none = file[: -wire.PADDING].data, aligned((wire.PADDING,))
    if not len(data):
        found.add("empty", 0, f"the file is empty (0 bytes). {tfrecord.AGAIN}")
        return none
    head = bytes(data[: compression.HEAD_BYTES])
    if foreign := compression.other(head):
        text = f"the file is compressed by {foreign}, which TFRecord has no option for. Unpack it."
        found.add("malformed", 0, text)
        return none
    if not (kind := compression.of(head)):
        return file
    pieces: list[bytes] = []
    try:
        pieces.extend(compression.pieces(io.BytesIO(data), kind))
    except compression.Broken as error:
        name = "cut" if "ends early" in str(error) else "corrupt"
        found.add(name, 0, f"{error}. {tfrecord.AGAIN}")
    return np.frombuffer(b"".join([*pieces, bytes(wire.PADDING)]), np.uint8)


def _framed(padded: np.ndarray, found: Found) -> tuple[Spans, np.ndarray]:
    """Returns where the whole records lie, and their numbers."""
    if framing.is_fast() and (spans := framing.sound(padded)):
        return spans, np.arange(len(spans.starts))
    broken = bool(found.findings())
    spans, problems = tfrecord.index(padded[: -wire.PADDING].data, checksums=True)
    framed = len(spans.starts)
    for record, text in problems:
        if record < framed:
            found.add("corrupt", record, text)
        elif not broken:  # else the end of the stream is known
            found.add("cut" if text.startswith(tfrecord.CUT) else "corrupt", record, text)
    whole = np.setdiff1d(np.arange(framed), [record for record, _ in problems])
    return Spans(spans.starts[whole], spans.lengths[whole]), whole


def _first(data: np.ndarray, spans: Spans) -> list[bytes]:
    places = zip(*(column[:LOOKED_AT].tolist() for column in spans), strict=True)
    return [data[start : start + length].tobytes() for start, length in places]


def _decoded(
    padded: np.ndarray, spans: Spans, whole: np.ndarray, schema: Schema, found: Found
) -> tuple[Videos, Videos]:
    """Returns whole videos, and the rows that have labels: they, or their rated segments."""
    whole_videos = replace(schema, level="frame") if schema.level == "segment" else schema
    videos, problems = records.decode(padded, spans, whole_videos)
    labels = videos
    if schema.level == "segment":
        labels, problems = records.decode(padded, spans, schema)
    for row, text in problems:
        found.add("malformed", int(whole[row]), text)
    return videos, labels


def _decodable(videos: Videos, whole: np.ndarray, found: Found) -> np.ndarray:
    """Tells which ids are UTF-8, as files of ids are."""
    good = np.ones(len(videos.ids), bool)
    try:
        b"\n".join(videos.ids.tolist()).decode()
        return good
    except UnicodeDecodeError:
        pass  # one by one, to name them
    for row, video in enumerate(videos.ids.tolist()):
        try:
            video.decode()
        except UnicodeDecodeError:
            good[row] = False
            text = f"expected an id in UTF-8, but got {video[:40]!r}."
            found.add("malformed", int(whole[videos.records[row]]), text)
    return good


def _find_unlabelled(rows: np.ndarray, labels: Videos, whole: np.ndarray, found: Found) -> None:
    labelled = whole[labels.records[np.diff(labels.splits) > 0]]
    found.add_rows("unlabelled", rows[~np.isin(rows, labelled)], "it has no labels.")


def _listed(labels: Videos, keep: np.ndarray | None) -> Labels:
    """Returns the rows to keep, of a segment the classes that it was rated to have."""
    row = np.repeat(np.arange(len(labels.ids)), np.diff(labels.splits))
    keep = np.ones(len(labels.ids), bool) if keep is None else keep
    taken = keep[row] if labels.present is None else labels.present
    counts = np.bincount(row[taken], minlength=len(labels.ids))[keep]
    return Labels(labels.ids[keep], labels.labels[taken], np.concatenate([[0], np.cumsum(counts)]))
