"""A packed set: the decoded shards of a manifest in a folder of files, which are mapped to memory.

A set has its name once it is whole. What it holds of a shard has a checksum, which each process
compares when it first reads that shard.
"""

import fcntl
import json
import mmap
import os
import weakref
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from yt8m_exp.data.checks import Shard
from yt8m_exp.data.packed import columns
from yt8m_exp.data.packed.stored import Precision
from yt8m_exp.data.videos import Videos
from yt8m_exp.spec import UserError

INDEX = "index.json"
Pieces = Iterable[tuple[Shard, Videos]]
"""Shards with what they hold."""


class DamagedError(Exception):
    """A set that is not what was written."""


class PackedSet:
    """A set that is open: it is called with shards, and returns their videos.

    Args:
        folder: where it lies; nobody removes it while it is open.

    Raises:
        FileNotFoundError: there is no such set.
        DamagedError: its index or the size of a file is wrong.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        index = _read_index(self._held(folder / INDEX))
        self._most_frames, self._spans = index["most_frames"], index["shards"]
        self._columns = {
            name: _mapped(folder / str(number), *kind)
            for number, (name, kind) in enumerate(index["columns"].items())
        }
        self._checked: set[str] = set()

    @property
    def bytes(self) -> int:
        """How many bytes its columns have."""
        return sum(column.nbytes for column in self._columns.values())

    def __call__(self, shards: Sequence[Shard]) -> Videos:
        """Returns the videos of some shards of the set.

        Raises:
            UserError: what the set holds of them has changed since it was written.
        """
        names = [name_of(shard) for shard in shards if shard.records]
        for name in names:
            if name not in self._checked:
                self._check(name)
        spans = [self._spans[name]["spans"] for name in names]
        return columns.videos(self._columns, spans, self._most_frames)

    def _held(self, path: Path) -> int:
        """Opens a file, locked against its removal as long as this set is there."""
        file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, file)
        fcntl.flock(file, fcntl.LOCK_SH)
        if not os.fstat(file).st_nlink:  # removed in between
            raise FileNotFoundError(path)
        os.utime(file)
        return file

    def _check(self, name: str) -> None:
        crc, row = 0, self._spans[name]
        for column, (start, end) in row["spans"].items():
            crc = google_crc32c.extend(crc, _bytes(self._columns[column][start:end]))
        if crc != row["crc32c"]:
            (self._folder / INDEX).unlink(missing_ok=True)  # so that it is packed anew
            raise UserError(
                f"The packed shards in {self._folder} are damaged, and will not be used again. "
                "Start again: the shards are packed anew."
            )
        self._checked.add(name)


def write(folder: Path, pieces: Pieces, precision: Precision) -> None:
    """Writes a set to a new folder."""
    files: dict[str, BinaryIO] = {}
    kinds: dict[str, list[Any]] = {}
    shards: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        for shard, videos in pieces:
            crc, spans = 0, {}
            for name, column in columns.of(videos, precision).items():
                if name not in files:
                    path = folder / str(len(files))
                    files[name] = stack.enter_context(path.open("wb"))
                    kinds[name] = [column.dtype.str, 0, *column.shape[1:]]
                data, start = _bytes(column), kinds[name][1]
                files[name].write(data.data)
                crc = google_crc32c.extend(crc, data)
                kinds[name][1] += len(column)
                spans[name] = [start, kinds[name][1]]
            shards[name_of(shard)] = {"spans": spans, "crc32c": crc}
    index = {"most_frames": videos.most_frames, "columns": kinds, "shards": shards}
    text = json.dumps(index)
    (folder / INDEX).write_text(f"{google_crc32c.value(text.encode()):08x}\n{text}")


def name_of(shard: Shard) -> str:
    """Returns what names the content of a shard."""
    return f"{shard.name} {shard.bytes} {shard.crc32c}"


def _bytes(column: np.ndarray) -> np.ndarray:
    """Returns the bytes of a column, uint8, which nobody may write to."""
    raw = np.ascontiguousarray(column).reshape(-1).view(np.uint8)
    raw.flags.writeable = False  # or google_crc32c refuses it
    return raw


def _read_index(file: int) -> Any:
    checksum, _, text = os.pread(file, os.fstat(file).st_size, 0).partition(b"\n")
    if f"{google_crc32c.value(text):08x}".encode() != checksum:
        raise DamagedError
    return json.loads(text)


def _mapped(path: Path, dtype: str, *shape: int) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if not path.exists() or path.stat().st_size != size:
        raise DamagedError
    if not size:
        return np.zeros(shape, dtype)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, dtype).reshape(shape)
