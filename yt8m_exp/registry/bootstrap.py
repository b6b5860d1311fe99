"""The uncertainty of a difference between two models: a paired bootstrap over videos.

Videos are drawn with replacement, the same draw for both models, and GAP is computed for each draw.
A draw only says how often each video counts (its multiplicity). So predictions are sorted once,
and each draw costs two running sums along that order.

Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, sections 13.3, 16.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.spec import InputError


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model predicts of labelled videos, in the order of the videos.

    Attributes:
        scores: the best scores of each video, falling, float32 (N, K).
        class_ids: their classes, int32 (N, K).
        labels: class ids of the labels, without repetition, int32 (N, L), padded with -1.
    """

    scores: NDArray
    class_ids: NDArray
    labels: NDArray

    @property
    def hits(self) -> NDArray:
        """Whether each prediction is right, bool (N, K)."""
        found = np.zeros(self.class_ids.shape, bool)
        for column in self.labels.T[..., None]:  # (N, 1)
            found |= self.class_ids == column
        return found


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Draws:
    """The differences in the draws: challenger minus champion.

    Attributes:
        gap: the difference in GAP in each draw, float64 (R,).
        ap_error: the standard error of the difference in average precision of each class, (C,).
    """

    gap: NDArray
    ap_error: NDArray

    def interval(self, confidence: float = 0.95) -> Interval:
        """Returns the percentile interval of the difference in GAP, with equal tails."""
        tail = (1 - confidence) / 2
        return Interval(*np.quantile(self.gap, [tail, 1 - tail]).tolist())


class Ranked:
    """Ranked lists of predictions; sums their precisions for any multiplicities of the videos.

    Args:
        predictions: predictions for N videos.
        classes: classes to rank, one list for each, rising; None ranks all predictions in one list.
    """

    def __init__(self, predictions: Predictions, classes: ArrayLike | None = None):
        video, listed, score, hit = _flat(predictions, classes)
        size = 1 if classes is None else len(np.asarray(classes))
        order = np.lexsort((-score, listed))
        self._video, listed, score, hit = (values[order] for values in (video, listed, score, hit))
        new = np.diff(listed, prepend=-1) > 0
        tie = np.cumsum(new | (np.diff(score, prepend=np.nan) != 0)) - 1  # a tie lies in one list
        right = np.unique(tie[hit])  # only ties that hold a hit add to a sum
        self._begin, self._end = _bounds(tie, right)
        self._hit_video = self._video[hit]
        self._hit_begin, self._hit_end = _bounds(tie[hit], right)
        self._list = listed[self._begin]
        starts = np.searchsorted(listed, np.arange(size))
        self._list_begin = starts[self._list]
        self._list_hit_begin = np.searchsorted(listed[hit], np.arange(size))[self._list]
        self._size = size

    def precision_sums(self, weights: NDArray) -> NDArray:
        """Sums the precisions at the hits of each list, float64 (lists,).

        Copies of a video are tied predictions, too. Of t tied predictions, h are hits; N
        predictions with H hits rank before them. The tie adds
        h (H + (h + 1) / 2) / (N + (t + 1) / 2), the precision in the middle of the tie. This is
        exact for a single prediction, and an approximation for more.

        Args:
            weights: how often each video was drawn, int64 (N,).
        """
        total = _running(weights, self._video)
        hits = _running(weights, self._hit_video)
        before, inside = total[self._begin], total[self._end] - total[self._begin]
        hits_before = hits[self._hit_begin]
        right = hits[self._hit_end] - hits_before
        before = before - total[self._list_begin]
        hits_before = hits_before - hits[self._list_hit_begin]
        sums = right * (hits_before + (right + 1) / 2) / (before + (inside + 1) / 2)
        return np.bincount(self._list, sums, minlength=self._size)


def gap(predictions: Predictions, weights: NDArray) -> float:
    """Returns GAP where each video counts as often as its weight says."""
    labels = (predictions.labels >= 0).sum(axis=1)
    return float(Ranked(predictions).precision_sums(weights)[0] / max(weights @ labels, 1))


def draw(
    champion: Predictions,
    challenger: Predictions,
    *,
    classes: ArrayLike = (),
    resamples: int = 2000,
    seed: int = 0,
) -> Draws:
    """Draws videos with replacement, and compares two models on each draw.

    Args:
        champion: predictions of one model.
        challenger: predictions of the other for the same videos, in the same order.
        classes: the classes whose average precision is compared, rising.
        resamples: number of draws.
        seed: seed of the draws.

    Raises:
        InputError: the models did not predict the same labelled videos.
    """
    if champion.labels.shape != challenger.labels.shape or (
        (champion.labels != challenger.labels).any()
    ):
        raise InputError(
            "Two models must predict the same labelled videos to be compared, but their labels "
            "differ. Read the same shards for both."
        )
    labels = champion.labels
    classes = np.asarray(classes, np.int64)
    positives = (labels >= 0).sum(axis=1)
    all_lists = [Ranked(model) for model in (champion, challenger)]
    class_lists = [Ranked(model, classes) for model in (champion, challenger)]
    of_class = _Positives(labels, classes)
    gaps, aps = np.empty(resamples), np.empty((resamples, classes.size))
    for row, weights in enumerate(_multiplicities(len(labels), resamples, seed)):
        first, second = (ranked.precision_sums(weights)[0] for ranked in all_lists)
        gaps[row] = (second - first) / max(weights @ positives, 1)
        if classes.size:
            first, second = (ranked.precision_sums(weights) for ranked in class_lists)
            aps[row] = (second - first) / np.maximum(of_class(weights), 1)
    return Draws(gaps, aps.std(axis=0, ddof=1))


class _Positives:
    """Counts the videos of some classes under multiplicities."""

    def __init__(self, labels: NDArray, classes: NDArray):
        index = np.searchsorted(classes, labels)
        known = index < classes.size
        known[known] = classes[index[known]] == labels[known]
        self._video, self._class = np.nonzero(known)[0], index[known]
        self._size = classes.size

    def __call__(self, weights: NDArray) -> NDArray:
        return np.bincount(self._class, weights[self._video], minlength=self._size)


def _multiplicities(videos: int, resamples: int, seed: int) -> Iterator[NDArray]:
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, videos, videos), minlength=videos)


def _flat(
    predictions: Predictions, classes: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Returns video, list, score and hit of the predictions that a list holds."""
    videos, k = predictions.scores.shape
    video = np.repeat(np.arange(videos), k)
    score, hit = predictions.scores.ravel(), predictions.hits.ravel()
    if classes is None:
        return video, np.zeros(video.size, int), score, hit
    wanted, class_ids = np.asarray(classes), predictions.class_ids.ravel()
    if not wanted.size:
        none = np.zeros(0, int)
        return none, none, score[:0], hit[:0]
    index = np.minimum(np.searchsorted(wanted, class_ids), wanted.size - 1)
    keep = wanted[index] == class_ids
    return video[keep], index[keep], score[keep], hit[keep]


def _bounds(ties: NDArray, wanted: NDArray) -> tuple[NDArray, NDArray]:
    return np.searchsorted(ties, wanted), np.searchsorted(ties, wanted, side="right")


def _running(weights: NDArray, videos: NDArray) -> NDArray:
    """Returns the sums of the weights before each index, and of all, int64 (indices + 1,)."""
    sums = np.zeros(videos.size + 1, np.int64)
    weights.take(videos, out=sums[1:], mode="clip")  # twice as fast as with a bounds check
    return np.cumsum(sums, out=sums)
