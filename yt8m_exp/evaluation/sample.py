"""A bounded sample of the videos of a pass, with their best predictions and their labels."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.data.videos import LABEL_PADDING

SIZE = 50_000
"""Videos of a sample: 12 MB, and all of most evaluations."""

EACH = ("ids", "class_ids", "scores", "labels")
"""What is always known of a video."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Videos with their best predictions, N of them.

    Attributes:
        ids: UTF-8, bytes objects (N,).
        class_ids: the best classes, the best first, int32 (N, K), padded with -1.
        scores: their scores, float32 (N, K), 0 where padded.
        labels: class ids, int32 (N, L), each once, rising after a padding of -1.
        frames: number of frames, int32 (N,); None at video level.
        videos: how many videos the pass had.
    """

    ids: NDArray
    class_ids: NDArray
    scores: NDArray
    labels: NDArray
    frames: NDArray | None
    videos: int

    def take(self, rows: NDArray) -> "Predicted":
        """Returns some of the videos."""
        frames = None if self.frames is None else self.frames[rows]
        kept = {name: getattr(self, name)[rows] for name in EACH}
        return Predicted(**kept, frames=frames, videos=self.videos)

    @cached_property
    def hits(self) -> NDArray:
        """Whether each prediction is right, bool (N, K)."""
        found = np.zeros(self.class_ids.shape, bool)
        for column in self.labels.T[..., None]:  # (N, 1)
            found |= (self.class_ids == column) & (column != LABEL_PADDING)
        return found


class Sample:
    """Gathers a sample from a pass over videos.

    The videos with the smallest checksums of their ids are kept, whatever their order. So two
    models that pass over the same videos keep the same ones.

    Args:
        size: the most videos to keep.
        top_k: predictions of a video to keep.
    """

    def __init__(self, size: int = SIZE, *, top_k: int = spec.TOP_K):
        self.size, self.top_k, self.videos = size, top_k, 0
        self._parts: list[dict[str, NDArray]] = []
        self._bound = 1 << 32  # checksums from here on are not kept
        self._kept = 0

    def wanted(self, videos: NDArray) -> NDArray:
        """Returns the rows of videos that may be kept, of their ids, bytes (B,)."""
        return np.flatnonzero(_sums(videos) < self._bound)

    def add(self, batch: Mapping[str, NDArray], scores: NDArray, class_ids: NDArray) -> None:
        """Adds a batch of videos.

        Args:
            batch: `id`, and if they are known `labels` and `frames`.
            scores: falling, float32 (B, K).
            class_ids: int32 (B, K).
        """
        sums = _sums(batch["id"])
        rows = np.flatnonzero(sums < self._bound)
        self.videos += len(sums)
        part = {name: batch[name][rows] for name in ("id", "labels", "frames") if name in batch}
        part |= {"sums": sums[rows], "scores": scores[rows, : self.top_k]}
        self._parts.append(part | {"class_ids": class_ids[rows, : self.top_k]})
        self._kept += len(rows)
        if self._kept > 2 * self.size:
            self._cut()

    def result(self) -> Predicted:
        """Returns the sample, in the order of the checksums."""
        self._cut()
        parts = self._parts or [{"id": np.empty(0, object)}]
        kept = {name: _joined([part[name] for part in parts]) for name in parts[0]}
        empty = np.empty((len(kept["id"]), 0), np.int32)
        labels = kept.get("labels", empty)
        return Predicted(
            kept["id"],
            kept.get("class_ids", empty),
            kept.get("scores", empty.astype(np.float32)),
            _distinct(labels),
            kept.get("frames"),
            self.videos,
        )

    def _cut(self) -> None:
        if not self._parts:
            return
        kept = {name: _joined([part[name] for part in self._parts]) for name in self._parts[0]}
        order = np.argsort(kept["sums"], kind="stable")[: self.size]
        if len(kept["sums"]) > self.size:
            self._bound = int(kept["sums"][order[-1]])
        self._parts = [{name: values[order] for name, values in kept.items()}]
        self._kept = len(order)


def _sums(videos: NDArray) -> NDArray:
    return np.fromiter(map(zlib.crc32, videos), np.int64, len(videos))


def _joined(parts: list[NDArray]) -> NDArray:
    """Puts arrays behind each other, padded to the widest: integers with -1, scores with 0."""
    width = max((part.shape[1] for part in parts if part.ndim == 2), default=0)
    return np.concatenate([_padded(part, width) if part.ndim == 2 else part for part in parts])


def _padded(part: NDArray, width: int) -> NDArray:
    filling = -1 if part.dtype.kind == "i" else 0
    return np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=filling)


def _distinct(labels: NDArray) -> NDArray:
    """Drops labels that a row repeats; each row rises after its padding."""
    labels = np.sort(labels, axis=1)
    labels[:, 1:][labels[:, 1:] == labels[:, :-1]] = LABEL_PADDING
    return np.sort(labels, axis=1)
