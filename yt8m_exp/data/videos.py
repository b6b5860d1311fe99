"""Decoded records, and how rows of them become a batch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from yt8m_exp.data.packed.stored import Stored

Batch = dict[str, np.ndarray]
LABEL_PADDING = -1
ALIGNMENT = 64
"""Bytes to which memory is aligned: TensorFlow shares it, and files are read into it four times as
fast as into NumPy's own (Linux copies by `rep movsb`, slow where the target is not aligned)."""
FRAMES_STEP = 50
"""Batches are padded to multiples of so many frames: each width is compiled anew."""


@dataclass(frozen=True)
class Frames:
    """A feature of each frame of N videos, where the bytes of their shards lie in memory.

    Args:
        buffer: the bytes, uint8.
        starts: where the first frame of each video begins.
        strides: from one frame of a video to the next.
        size: D, bytes of a frame.
    """

    buffer: np.ndarray
    starts: np.ndarray
    strides: np.ndarray
    size: int

    def take(self, rows: np.ndarray, counts: np.ndarray, width: int) -> np.ndarray:
        """Copies the first `counts` frames of some videos to uint8 (B, T, D), zero behind them."""
        taken = aligned((len(rows), width, self.size))
        places = zip(taken, self.starts[rows].tolist(), self.strides[rows].tolist(), strict=True)
        for (video, start, stride), count in zip(places, counts.tolist(), strict=True):
            shape = (count, self.size)
            video[:count] = np.ndarray(shape, np.uint8, self.buffer, start, (stride, 1))
            video[count:] = 0
        return taken

    def joined(self, counts: np.ndarray) -> np.ndarray:
        """Returns the first `counts` frames of each video one after another, uint8 (F, D)."""
        places = zip(self.starts.tolist(), self.strides.tolist(), counts.tolist(), strict=True)
        frames = [
            np.ndarray((count, self.size), np.uint8, self.buffer, start, (stride, 1))
            for start, stride, count in places
        ]
        return np.concatenate([np.empty((0, self.size), np.uint8), *frames])

    def select(self, rows: np.ndarray, skip: np.ndarray | int = 0) -> "Frames":
        """Returns the frames of some videos, each without its first `skip`."""
        starts = self.starts[rows] + skip * self.strides[rows]
        return Frames(self.buffer, starts, self.strides[rows], self.size)


class Videos(NamedTuple):
    """Decoded records: a row a video, or a rated segment of one.

    Attributes:
        ids: bytes objects (N,); of a segment `<video>:<first second>`.
        features: by name, float32 (N, D) at video level, else `Frames`; of packed shards `Stored`.
        labels: class ids, int32, of all rows one after another; of a segment all that were rated.
        splits: row n has `labels[splits[n]:splits[n + 1]]`; int64 (N + 1,).
        labelled: whether each row has labels at all, also if none, bool (N,).
        records: the record that each row comes from, int64 (N,).
        frames: how many frames each row has, int32 (N,); None at video level.
        most_frames: the most that any row may have.
        present: which of the rated classes a segment has, as long as `labels`; None but there.
    """

    ids: np.ndarray
    features: Mapping[str, np.ndarray | Frames | Stored]
    labels: np.ndarray
    splits: np.ndarray
    labelled: np.ndarray
    records: np.ndarray
    frames: np.ndarray | None = None
    most_frames: int = 0
    present: np.ndarray | None = None

    def batch(self, rows: np.ndarray) -> Batch:
        """Returns some rows as a batch.

        Returns:
            The features, float32 (B, D), or uint8 (B, T, D) with `frames` int32 (B,); `labels`
            int32 (B, L) padded with -1, of segments also `rated`, likewise; and `id`.
        """
        batch: Batch = {}
        if self.frames is not None:
            batch["frames"] = self.frames[rows]
            longest = max(int(batch["frames"].max(initial=0)), 1)
            width = min(-(-longest // FRAMES_STEP) * FRAMES_STEP, self.most_frames)
        for name, feature in self.features.items():
            if isinstance(feature, Frames):
                batch[name] = feature.take(rows, batch["frames"], width)
            else:
                batch[name] = feature.take(rows, axis=0)
        places, inside = self._places(rows)
        ids = np.full(inside.shape, LABEL_PADDING, np.int32)  # (B, L)
        ids[inside] = self.labels[places]
        if self.present is not None:
            batch["rated"] = ids
            ids = ids.copy()
            ids[inside] = np.where(self.present[places], self.labels[places], LABEL_PADDING)
        return batch | {"labels": ids, "id": self.ids[rows]}

    def _places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts = self.splits[rows]
        counts = self.splits[rows + 1] - starts
        across = np.arange(max(int(counts.max(initial=0)), 1))
        inside = across < counts[:, None]
        return (starts[:, None] + across)[inside], inside


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Returns an array of bytes, of no value yet, which begins at a multiple of `ALIGNMENT`."""
    room = np.empty(math.prod(shape) + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + math.prod(shape)].reshape(shape)


def join(parts: list[Batch]) -> Batch:
    """Puts batches behind each other, padded to the widest."""
    if len(parts) == 1:
        return parts[0]
    return {name: _stacked([part[name] for part in parts], name) for name in parts[0]}


def _stacked(pieces: list[np.ndarray], name: str) -> np.ndarray:
    if pieces[0].ndim == 1 or len({piece.shape[1:] for piece in pieces}) == 1:
        return np.concatenate(pieces)
    width = max(piece.shape[1] for piece in pieces)
    shape = (sum(map(len, pieces)), width, *pieces[0].shape[2:])
    filling = LABEL_PADDING if name in ("labels", "rated") else 0
    joined = np.full(shape, filling, pieces[0].dtype)
    row = 0
    for piece in pieces:
        joined[row : row + len(piece), : piece.shape[1]] = piece
        row += len(piece)
    return joined
