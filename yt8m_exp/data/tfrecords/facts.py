"""What the records of a shard hold, and what is wrong with those that are bad."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from yt8m_exp.data import ids
from yt8m_exp.data.tfrecords import compression, records, tfrecord, wire
from yt8m_exp.data.tfrecords.pieces import Piece
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.tfrecords.tfrecord import Problem
from yt8m_exp.data.videos import Videos
from yt8m_exp.stores import checksums
from yt8m_exp.stores.objects import Object

LABEL_BITS = 32
LABEL = (1 << LABEL_BITS) - 1


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


def check(found: Object, buffer: np.ndarray, schema: Schema) -> Facts:
    """Checks every record of a file.

    Args:
        found: the file.
        buffer: begins with its bytes, uint8, with `wire.PADDING` to spare behind them.
        schema: what each record must hold.
    """
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
    videos, keep, wrong = _examined(buffer, spans, problems, schema)
    pairs = _pairs(videos)
    facts = _facts(found, file, videos, keep, pairs[keep[pairs >> LABEL_BITS]])
    bad = tuple(sorted([*problems, *wrong]))
    return replace(facts, compression=kind, loaded_bytes=len(data), bad=bad)


def check_pieces(found: Object, pieces: Iterable[Piece], schema: Schema) -> Facts | None:
    """Checks a file piece by piece; returns None if its records cannot be told to its end.

    Args:
        found: the file.
        pieces: all of it, with checksums.
        schema: what each record must hold.
    """
    crc, size, labelled = 0, 0, 0
    names: list[bytes] = []
    bad: list[Problem] = []
    counts = np.zeros(schema.classes, np.int64)
    for piece in pieces:
        crc, size = checksums.extended(crc, piece.fresh), size + len(piece.fresh)
        here = [Problem(record - piece.first, text) for record, text in piece.problems]
        if any(problem.record == len(piece.spans.starts) for problem in here):
            return None
        videos, keep, wrong = _examined(piece.buffer, piece.spans, here, schema)
        pairs = _pairs(videos)
        kept = pairs[keep[pairs >> LABEL_BITS]] & LABEL
        counts += np.bincount(kept, minlength=schema.classes)
        names += videos.ids[keep].tolist()
        labelled += int(videos.labelled[keep].sum())
        bad += [Problem(piece.first + record, text) for record, text in (*here, *wrong)]
    if not size or size != found.bytes:
        return None
    return Facts(
        crc32c=found.crc32c or f"{crc:08x}",
        records=len(names),
        labelled=labelled,
        class_counts={int(label): int(counts[label]) for label in np.flatnonzero(counts)},
        ids=ids.hashes(names),
        compression="",
        loaded_bytes=size,
        bad=tuple(sorted(bad)),
    )


def _examined(
    buffer: np.ndarray, spans: tfrecord.Spans, problems: Sequence[Problem], schema: Schema
) -> tuple[Videos, np.ndarray, list[Problem]]:
    """Decodes records but for those whose frame has a problem.

    Returns:
        Their rows, which of these are usable, and what is wrong with the records of the others.
    """
    framed = [problem.record for problem in problems if problem.record < len(spans.starts)]
    whole = np.setdiff1d(np.arange(len(spans.starts)), framed)
    good = tfrecord.Spans(spans.starts[whole], spans.lengths[whole])
    videos, wrong = records.decode(buffer, good, schema)
    odd = _undecodable(videos) | _not_finite(videos)
    bad = {int(videos.records[row]): text for row, text in odd.items()}
    found = [Problem(int(whole[row]), text) for row, text in (*wrong, *bad.items())]
    return videos, ~np.isin(videos.records, list(bad)), found


def check_whole(
    objects: Sequence[Object], starts: Sequence[int], buffer: np.ndarray, schema: Schema
) -> list[Facts] | None:
    """Checks files together; returns None if one is compressed, empty, or has a bad record.

    Args:
        objects: the files.
        starts: where their bytes begin.
        buffer: the bytes, uint8, with `wire.PADDING` to spare behind the last.
        schema: what each record must hold.
    """
    files = [
        buffer.data[start : start + found.bytes]
        for found, start in zip(objects, starts, strict=True)
    ]
    spans = []
    for file, start in zip(files, starts, strict=True):
        head = bytes(file[: compression.HEAD_BYTES])
        framed, problems = tfrecord.index(file, checksums=True)
        if problems or not head or compression.of(head) or compression.other(head):
            return None
        spans.append((framed.starts + start, framed.lengths))
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
        _facts(found, file, videos, slice(*row), pairs[slice(*cut)])
        for found, file, row, cut in zip(
            objects, files, pairwise(rows.tolist()), pairwise(cuts.tolist()), strict=True
        )
    ]


def _facts(
    found: Object, file: memoryview, videos: Videos, rows: np.ndarray | slice, pairs: np.ndarray
) -> Facts:
    """Returns the facts of a file that is not compressed, of which rows and pairs are usable."""
    usable = videos.ids[rows].tolist()
    present, counts = np.unique(pairs & LABEL, return_counts=True)
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
