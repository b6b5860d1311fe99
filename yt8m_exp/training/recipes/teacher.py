"""What a teacher predicts of each video: its best classes alone, found by the video's id.

Fifty of 3,862 classes in 16 bits take 200 bytes a video, a thirtieth of all probabilities.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.data.videos import LABEL_PADDING, Batch
from yt8m_exp.training.recipes.distillation import SOFT

CHUNK = 4096


class Predictions(NamedTuple):
    """The best K predictions of N videos.

    Attributes:
        ids: of the videos, rising, bytes (N,).
        class_ids: int32 (N, K).
        scores: their probabilities, float16 (N, K), falling.
    """

    ids: NDArray[np.bytes_]
    class_ids: NDArray[np.int32]
    scores: NDArray[np.float16]

    def of(self, batch: Batch) -> Batch:
        """Returns predictions of the videos of a batch by the names of `SOFT`.

        Of a video that the teacher has not seen they are its own labels, with a share of one.
        """
        wanted = np.asarray(batch["id"], np.bytes_)
        rows = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        seen = (self.ids[rows] == wanted)[:, None]
        labels = _resized(batch["labels"], self.class_ids.shape[1])
        class_ids = np.where(seen, self.class_ids[rows], labels)
        shares = np.where(seen, self.scores[rows].astype(np.float32), np.float32(1))
        return dict(zip(SOFT, (class_ids, shares), strict=True))

    def save(self, path: Path) -> None:
        """Writes them, whole or not at all."""
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez(file, **self._asdict())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def load(path: Path) -> Predictions:
    """Reads what `Predictions.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Predictions(*(arrays[name] for name in Predictions._fields))


def gathered(found: Iterable[tuple[NDArray, NDArray, NDArray]]) -> Predictions:
    """Returns the predictions of batches: ids (B,), scores (B, K) and class ids (B, K) of each.

    Of videos with one id, the first counts.
    """
    ids, scores, class_ids = zip(*found, strict=True)
    names, first = np.unique(np.concatenate([np.asarray(i, np.bytes_) for i in ids]), True)
    return Predictions(
        names,
        np.concatenate(class_ids)[first].astype(np.int32),
        np.concatenate(scores)[first].astype(np.float16),
    )


def mean(teachers: Sequence[Predictions], classes: int) -> Predictions:
    """Returns the mean prediction of several teachers of each video that all have seen.

    What is not among a teacher's best counts zero.
    """
    if len(teachers) == 1:
        return teachers[0]
    ids = teachers[0].ids
    for other in teachers[1:]:
        ids = np.intersect1d(ids, other.ids, assume_unique=True)
    width = max(teacher.class_ids.shape[1] for teacher in teachers)
    parts = [
        _mean_of(ids[start : start + CHUNK], teachers, classes, width)
        for start in range(0, len(ids), CHUNK)
    ]
    class_ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Predictions(ids, class_ids, scores)


def _mean_of(
    ids: NDArray, teachers: Sequence[Predictions], classes: int, width: int
) -> tuple[NDArray, NDArray]:
    dense = np.zeros((len(ids), classes), np.float32)
    for teacher in teachers:
        rows = np.searchsorted(teacher.ids, ids)
        places = np.arange(len(ids))[:, None]
        dense[places, teacher.class_ids[rows]] += teacher.scores[rows].astype(np.float32)
    dense /= len(teachers)
    order = np.argsort(-dense, axis=1, kind="stable")[:, :width].astype(np.int32)
    return order, np.take_along_axis(dense, order, axis=1).astype(np.float16)


def _resized(labels: NDArray, width: int) -> NDArray:
    room = max(width - labels.shape[1], 0)
    padded = np.pad(labels, ((0, 0), (0, room)), constant_values=LABEL_PADDING)
    return padded[:, :width]
