"""What a model gets wrong: the worst videos, classes taken for others, where GAP moves."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.data.videos import LABEL_PADDING
from yt8m_exp.evaluation.precision import pack, precision_sums
from yt8m_exp.evaluation.sample import Predicted

LABEL_EDGES = (1, 2, 3, 4, 5, 6, 8, 11)
FRAME_EDGES = (1, 60, 120, 150, 180, 210, 240, 270, 300)
FREQUENCY_EDGES = (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000)


class Bin(NamedTuple):
    """Videos or classes between two counts.

    Attributes:
        first, last: the counts; `last` is None for the last bin, which is open.
        size: videos or classes in it.
        gap: GAP over the predictions of these videos, or of these classes.
    """

    first: int
    last: int | None
    size: int
    gap: float


class Confusions(NamedTuple):
    """Pairs of classes, the most frequent first, (pairs,) each.

    Attributes:
        missed: the class that the video has.
        instead: the class that was predicted.
        videos: how often that happened.
        lift: how many times as often as if both mistakes fell together by chance.
    """

    missed: NDArray
    instead: NDArray
    videos: NDArray
    lift: NDArray


def average_precision(found: Predicted) -> NDArray:
    """Returns the average precision of each video's ranked classes, NaN without labels, (N,)."""
    hits, counts = found.hits, _counts(found)
    ranks = np.arange(1, hits.shape[1] + 1)
    sums = (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums, np.nan) / np.minimum(counts, max(hits.shape[1], 1))


def order(found: Predicted) -> NDArray:
    """Returns the videos, the worst first: by average precision, then by the surest mistake.

    Videos without labels are ordered by the score of their best class, the least sure first.
    """
    ap, hits = average_precision(found), found.hits
    if not found.scores.shape[1]:
        return np.arange(len(ap))
    wrong = np.where(hits, 0, found.scores).max(axis=1, initial=0)
    known = ~np.isnan(ap)
    return np.lexsort((np.where(known, -wrong, found.scores[:, 0]), np.where(known, ap, 2)))


def confusions(found: Predicted, *, least: int = 1, most: int = 5000) -> Confusions:
    """Finds which classes are predicted where others are missed.

    Of a video with n labels, the best n predictions count. Each label that is not among them was
    missed, and each of them that is no label was predicted instead.

    Args:
        found: videos with labels.
        least: videos that a pair must have.
        most: pairs to return.
    """
    hits, counts = found.hits, _counts(found)
    counted = np.arange(hits.shape[1]) < counts[:, None]
    wrong = counted & ~hits & (found.class_ids >= 0)
    predicted = np.where(counted, found.class_ids, -1)
    missed = found.labels != LABEL_PADDING
    for column in predicted.T[..., None]:
        missed &= found.labels != np.where(column >= 0, column, -2)
    pairs = [_pairs(found, missed, wrong, rows) for rows in _blocks(len(counts))]
    keys, videos = np.unique(np.concatenate([*pairs, np.empty(0, np.int64)]), return_counts=True)
    of_missed, of_wrong = keys >> 32, keys & 0xFFFFFFFF
    classes = int(max(of_missed.max(initial=0), of_wrong.max(initial=0))) + 1
    expected = (
        np.bincount(of_missed, videos, classes)[of_missed]
        * np.bincount(of_wrong, videos, classes)[of_wrong]
        / max(videos.sum(), 1)
    )
    best = np.argsort(-videos, kind="stable")[: min(most, np.count_nonzero(videos >= least))]
    lift = videos[best] / expected[best]
    return Confusions(of_missed[best], of_wrong[best], videos[best], lift)


def by_labels(found: Predicted) -> list[Bin]:
    """Returns GAP by the number of labels of a video."""
    return _by_videos(found, _counts(found), LABEL_EDGES)


def by_frames(found: Predicted) -> list[Bin]:
    """Returns GAP by the number of frames of a video; empty at video level."""
    return [] if found.frames is None else _by_videos(found, found.frames, FRAME_EDGES)


def by_frequency(found: Predicted, frequency: ArrayLike) -> list[Bin]:
    """Returns GAP over the predictions of classes, by how many videos have the class.

    Args:
        found: videos with labels.
        frequency: videos of each class, (C,).
    """
    bins = np.searchsorted(FREQUENCY_EDGES, np.asarray(frequency), side="right") - 1
    labels = found.labels[found.labels != LABEL_PADDING]
    positives = np.bincount(bins[labels], minlength=len(FREQUENCY_EDGES))
    sizes = np.bincount(bins[np.unique(labels)], minlength=len(FREQUENCY_EDGES))
    return _gap_by(found, bins[found.class_ids], positives, sizes, FREQUENCY_EDGES)


def _by_videos(found: Predicted, counts: NDArray, edges: tuple[int, ...]) -> list[Bin]:
    bins = np.searchsorted(edges, counts, side="right") - 1
    has = bins >= 0
    positives = np.bincount(bins[has], _counts(found)[has], len(edges))
    sizes = np.bincount(bins[has], minlength=len(edges))
    groups = np.broadcast_to(bins[:, None], found.class_ids.shape)
    return _gap_by(found, groups, positives, sizes, edges)


def _gap_by(
    found: Predicted, groups: NDArray, positives: NDArray, sizes: NDArray, edges: tuple[int, ...]
) -> list[Bin]:
    """Returns GAP within each group of predictions (N, K)."""
    used = (found.class_ids >= 0) & (groups >= 0)
    keys = np.sort(pack(found.scores[used], groups[used], found.hits[used]))
    ends = np.searchsorted(keys, np.arange(1, len(edges) + 1, dtype=np.uint64) << 32)
    sums = precision_sums(keys, ends)[0]
    lasts = [edge - 1 for edge in edges[1:]] + [None]
    return [
        Bin(first, last, int(size), float(total / count))
        for first, last, size, total, count in zip(
            edges, lasts, sizes, sums, positives, strict=True
        )
        if count
    ]


def _counts(found: Predicted) -> NDArray:
    return (found.labels != LABEL_PADDING).sum(axis=1)


def _blocks(videos: int, size: int = 4096) -> list[slice]:
    return [slice(start, start + size) for start in range(0, videos, size)]


def _pairs(found: Predicted, missed: NDArray, wrong: NDArray, rows: slice) -> NDArray:
    """Returns `missed << 32 | predicted instead` of each pair of mistakes of some videos."""
    both = missed[rows, :, None] & wrong[rows, None, :]  # (B, L, K)
    video, label, place = np.nonzero(both)
    of_label = found.labels[rows][video, label].astype(np.int64)
    return of_label << 32 | found.class_ids[rows][video, place]
