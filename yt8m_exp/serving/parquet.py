"""Predictions as Parquet: a row for each video, with lists of its best classes and their scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from yt8m_exp.serving.whole_file import WholeFile

SUFFIX = ".parquet"
SCHEMA = pa.schema([
    pa.field("VideoId", pa.string(), nullable=False),
    pa.field("ClassIds", pa.list_(pa.int32()), nullable=False),
    pa.field("Scores", pa.list_(pa.float32()), nullable=False),
])  # fmt: skip
ROWS = 1 << 16
"""Rows of a row group: the bytes of a file do not depend on how its rows were added."""
OPTIONS = {"compression": "zstd", "use_dictionary": False}


class ParquetWriter:
    """Writes predictions batch by batch; see `PredictionsWriter`."""

    def __init__(self, path: str | Path):
        self._whole = WholeFile(path, ())

    def __enter__(self) -> Self:
        self._file = pq.ParquetWriter(self._whole.__enter__(), SCHEMA, **OPTIONS)
        self._waiting: list[pa.Table] = []
        self._rows = 0
        return self

    def write(self, ids: Sequence[str], class_ids: ArrayLike, scores: ArrayLike) -> None:
        """Adds a batch of videos; see `PredictionsWriter.write`."""
        self.append(table(ids, class_ids, scores))

    def append(self, rows: pa.Table) -> None:
        """Adds rows of `SCHEMA`."""
        self._waiting.append(rows)
        self._rows += len(rows)
        if self._rows >= ROWS:
            whole = self._rows - self._rows % ROWS
            self._flush(whole)

    def __exit__(self, kind: object, *error) -> None:
        if kind is None:
            self._flush(self._rows)
            self._file.close()
        self._whole.__exit__(kind, *error)

    def _flush(self, rows: int) -> None:
        waiting = pa.concat_tables([SCHEMA.empty_table(), *self._waiting]).combine_chunks()
        self._file.write_table(waiting.slice(0, rows), row_group_size=ROWS)
        self._waiting, self._rows = [waiting.slice(rows)], len(waiting) - rows


def table(ids: Sequence[str], class_ids: ArrayLike, scores: ArrayLike) -> pa.Table:
    """Returns a batch of videos as rows of `SCHEMA`.

    Args:
        ids: the videos' names, (B,).
        class_ids: integers (B, K).
        scores: falling in each row, (B, K).
    """
    class_ids, scores = np.asarray(class_ids, np.int32), np.asarray(scores, np.float32)
    offsets = pa.array(np.arange(len(ids) + 1, dtype=np.int32) * class_ids.shape[1])
    lists = [
        pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).ravel()))
        for values in (class_ids, scores)
    ]
    return pa.Table.from_arrays([pa.array(ids, pa.string()), *lists], schema=SCHEMA)


def encoded(tables: Sequence[pa.Table]) -> bytes:
    """Returns rows of `SCHEMA` as a file."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMA, **OPTIONS) as file:
        file.write_table(pa.concat_tables([SCHEMA.empty_table(), *tables]).combine_chunks())
    return sink.getvalue().to_pybytes()


def decoded(data: bytes) -> pa.Table:
    """Returns the rows of a file."""
    return pq.ParquetFile(pa.BufferReader(data)).read()
