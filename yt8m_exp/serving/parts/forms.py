"""What parts hold: lines of the competition's file, rows of Parquet, or scores of segments.

A form encodes the predictions of one shard, in which each video occurs once. Videos that another
shard has, too, are taken out again where parts are joined.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yt8m_exp.serving import parquet, predictions
from yt8m_exp.serving.predictions import HEADER, ScoreFormat

FIRST_LINE = (",".join(HEADER) + "\n").encode()
LINE = re.compile(rb'("(?:[^"]|"")*"|[^,\n]*),([^\n]*)\n')


class Found(NamedTuple):
    """The predictions of a batch.

    Attributes:
        ids: the videos, bytes (B,).
        class_ids: integers (B, K); of segments (K,).
        scores: (B, K), falling; of segments (N, K), in the order of the classes.
        segments: the names of the segments, bytes (N,), and the row of each one's video; None where
            whole videos are predicted.
    """

    ids: NDArray
    class_ids: NDArray
    scores: NDArray
    segments: tuple[NDArray, NDArray] | None = None

    def take(self, kept: NDArray) -> "Found":
        """Returns the predictions of some videos, bool (B,)."""
        if kept.all():
            return self
        if self.segments is None:
            return Found(self.ids[kept], self.class_ids[kept], self.scores[kept])
        names, rows = self.segments
        inside, places = kept[rows], np.cumsum(kept) - 1
        segments = names[inside], places[rows[inside]]
        return Found(self.ids[kept], self.class_ids, self.scores[inside], segments)


class Form(Protocol):
    """A way to keep the predictions of a shard.

    Attributes:
        suffix: of the names of parts.
    """

    suffix: str

    def encode(self, found: Sequence[Found]) -> bytes:
        """Returns the file of a part."""

    def ids(self, data: bytes) -> list[bytes]:
        """Returns the videos of a part."""

    def select(self, data: bytes, kept: NDArray) -> bytes:
        """Returns the file of a part with some of its videos, bool (N,)."""

    def write(self, found: Found, file: Any) -> None:
        """Adds predictions to the file that parts are joined to."""

    def add(self, data: bytes, file: Any) -> None:
        """Adds a part to the file that parts are joined to."""

    def take(self, data: bytes, rows: NDArray) -> Found:
        """Returns the predictions of some videos of a part."""


@dataclass(frozen=True)
class Csv:
    """The competition's file of videos, each part with the line of its columns."""

    score_format: ScoreFormat = "g"
    suffix = ".csv"

    def encode(self, found: Sequence[Found]) -> bytes:
        return FIRST_LINE + b"".join(
            predictions.encoded(_names(one), one.class_ids, one.scores, self.score_format)
            for one in found
        )

    def ids(self, data: bytes) -> list[bytes]:
        return [_plain(match[1]) for match in LINE.finditer(data, len(FIRST_LINE))]

    def select(self, data: bytes, kept: NDArray) -> bytes:
        lines = [match[0] for match in LINE.finditer(data, len(FIRST_LINE))]
        return FIRST_LINE + b"".join(lines[row] for row in np.flatnonzero(kept))

    def write(self, found: Found, file: Any) -> None:
        file.write(_names(found), found.class_ids, found.scores)

    def add(self, data: bytes, file: Any) -> None:
        file.write_lines(data[len(FIRST_LINE) :])

    def take(self, data: bytes, rows: NDArray) -> Found:
        lines = list(LINE.finditer(data, len(FIRST_LINE)))
        values = [np.array(lines[row][2].split(), np.bytes_) for row in rows]
        ids = np.array([_plain(lines[row][1]) for row in rows], object)
        pairs = np.stack(values) if values else np.empty((0, 0), "S1")
        return Found(ids, pairs[:, ::2].astype(np.int32), pairs[:, 1::2].astype(np.float32))


@dataclass(frozen=True)
class Parquet:
    """Rows of `parquet.SCHEMA`."""

    suffix = parquet.SUFFIX

    def encode(self, found: Sequence[Found]) -> bytes:
        return parquet.encoded(
            [parquet.table(_names(one), one.class_ids, one.scores) for one in found]
        )

    def ids(self, data: bytes) -> list[bytes]:
        return [name.encode() for name in parquet.decoded(data)["VideoId"].to_pylist()]

    def select(self, data: bytes, kept: NDArray) -> bytes:
        return parquet.encoded([parquet.decoded(data).filter(pa.array(kept))])

    def write(self, found: Found, file: Any) -> None:
        file.write(_names(found), found.class_ids, found.scores)

    def add(self, data: bytes, file: Any) -> None:
        file.append(parquet.decoded(data))

    def take(self, data: bytes, rows: NDArray) -> Found:
        found = parquet.decoded(data).take(pa.array(rows, pa.int64()))
        ids = np.array([name.encode() for name in found["VideoId"].to_pylist()], object)
        class_ids, scores = (np.array(found[name].to_pylist()) for name in ("ClassIds", "Scores"))
        width = (len(ids), -1) if len(ids) else (0, 0)
        return Found(
            ids, class_ids.astype(np.int32).reshape(width), scores.astype("f").reshape(width)
        )


@dataclass(frozen=True)
class Segments:
    """Scores of segments; those that no list can hold are left out, see `Floors`."""

    class_ids: NDArray
    suffix = ".npz"

    def encode(self, found: Sequence[Found]) -> bytes:
        firsts = np.cumsum([0, *(len(one.ids) for one in found)])
        cut = [one.segments for one in found if one.segments is not None]
        scores = np.concatenate(
            [np.empty((0, self.class_ids.size), "f"), *(f.scores for f in found)]
        )
        rows, columns = np.nonzero(scores)
        names = [name for segments, _ in cut for name in segments.tolist()]
        videos = [name for one in found for name in one.ids.tolist()]
        owners = [place + first for (_, place), first in zip(cut, firsts, strict=False)]
        file = io.BytesIO()
        np.savez(
            file,
            videos=np.array(videos, np.bytes_).reshape(len(videos)),
            names=np.array(names, np.bytes_).reshape(len(names)),
            owners=np.concatenate([np.empty(0, np.int32), *owners]).astype(np.int32),
            rows=rows.astype(np.int32),
            columns=columns.astype(np.int32),
            scores=scores[rows, columns],
        )
        return file.getvalue()

    def ids(self, data: bytes) -> list[bytes]:
        return np.load(io.BytesIO(data))["videos"].tolist()

    def select(self, data: bytes, kept: NDArray) -> bytes:
        return self.encode([self._decoded(data).take(kept)])

    def write(self, found: Found, file: Any) -> None:
        names, _ = found.segments or (np.empty(0, object), None)
        file.write(names.tolist(), self.class_ids, found.scores)

    def add(self, data: bytes, file: Any) -> None:
        self.write(self._decoded(data), file)

    def take(self, data: bytes, rows: NDArray) -> Found:
        return self._decoded(data).take(np.isin(np.arange(len(self.ids(data))), rows))

    def _decoded(self, data: bytes) -> Found:
        read = np.load(io.BytesIO(data))
        scores = np.zeros((len(read["names"]), self.class_ids.size), np.float32)
        scores[read["rows"], read["columns"]] = read["scores"]
        segments = read["names"].astype(object), read["owners"]
        return Found(read["videos"].astype(object), self.class_ids, scores, segments)


def _names(found: Found) -> list[str]:
    return [name.decode() for name in found.ids]


def _plain(field: bytes) -> bytes:
    """Returns an id from its field in a CSV."""
    return field[1:-1].replace(b'""', b'"') if field[:1] == b'"' else field
