"""What a teacher predicts of each video: its best classes alone, found by the video's id.

Fifty of 3,862 classes in 16 bits take 200 bytes a video, a thirtieth of all probabilities.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.data.videos import LABEL_PADDING, Batch
from yt8m_exp.spec import InputError
from yt8m_exp.training import npz
from yt8m_exp.training.recipes.distillation import SOFT

CHUNK = 4096


class Predictions(NamedTuple):
    """The best K predictions of N videos.

    Attributes:
        ids: of the videos, rising, bytes (N,).
        class_ids: int16 (N, K), or int32 where classes are many.
        scores: their probabilities, float16 (N, K), falling.
    """

    ids: NDArray[np.bytes_]
    class_ids: NDArray[np.signedinteger]
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
        npz.save(path, self._asdict())


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
    chosen = np.concatenate(class_ids)[first]
    return Predictions(names, _narrow(chosen), np.concatenate(scores)[first].astype(np.float16))


def mean(teachers: Sequence[Predictions], classes: int) -> Predictions:
    """Returns the mean prediction of several teachers of each video that all have seen.

    What is not among a teacher's best counts zero.

    Raises:
        InputError: no video was seen by all.
    """
    if len(teachers) == 1:
        return teachers[0]
    ids = teachers[0].ids
    for other in teachers[1:]:
        ids = np.intersect1d(ids, other.ids, assume_unique=True)
    if not len(ids):
        raise InputError(
            "All teachers must know some of the videos to train on, but no video is known to all: "
            "give data.train and distillation.shards of the same videos."
        )
    width = max(teacher.class_ids.shape[1] for teacher in teachers)
    parts = [
        _mean_of(ids[start : start + CHUNK], teachers, classes, width)
        for start in range(0, len(ids), CHUNK)
    ]
    class_ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Predictions(ids, _narrow(class_ids), scores)


def _narrow(class_ids: NDArray) -> NDArray[np.signedinteger]:
    is_small = class_ids.max(initial=0) <= np.iinfo(np.int16).max
    return class_ids.astype(np.int16 if is_small else np.int32)


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
