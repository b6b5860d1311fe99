"""How well scores rank the right classes first: Hit@1, PERR, GAP, mAP, exact at full size.

A pass keeps one packed key of 8 bytes a prediction and integer counters, so that neither the order
of the videos nor their split over batches and processes changes a bit of the result.

Source of the definitions: google/youtube-8m, `eval_util.py` and `average_precision_calculator.py`.
Unlike there, tied scores count by the expectation over their random order (see `precision.py`).
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp import spec
from yt8m_exp.evaluation.precision import (
    average_precision,
    best_f1,
    curve,
    pack,
    precision_sums,
)
from yt8m_exp.evaluation.ranked import Ranked
from yt8m_exp.spec import InputError


class Ranking:
    """Gathers what the metrics need from a pass over labelled videos, or over rated segments.

    Only the rated classes of a segment are known. Only they are ranked, and they all count: `gap`
    pools every rated pair, `ap` and `map` rank the segments that were rated for a class, `hit_at_1`
    and `perr` use the best of a segment's rated classes. A segment whose rated classes are all
    absent counts 0 in these two, so they rise with the share of positive ratings: compare them on
    the same segments only. None of these numbers is the competition's, which first cuts lists over
    all segments: see `segments.py`.

    Args:
        classes: Number of classes.
        top_k: Predictions of a video that feed GAP and mAP; labels outside count as missed. None
            for rated segments: all that are given.
        padded: Whether fewer predictions of a video may be given, padded with -1 and a score of 0.
    """

    def __init__(self, classes: int, *, top_k: int | None = spec.TOP_K, padded: bool = False):
        if min(classes, 1 if top_k is None else top_k) < 1:
            raise InputError(
                f"`classes >= 1` and `top_k >= 1` must hold, but got {classes=}, {top_k=}."
            )
        self.classes, self.top_k, self._padded = classes, top_k, padded or top_k is None
        self._keys = [np.empty(0, np.uint64)]  # packed predictions, a piece an update
        self._counts = {
            "positives": np.zeros(classes, np.int64),
            "perr_hits": np.zeros(classes + 1, np.int64),  # by the video's number of labels
            "hits_at": np.zeros(spec.TOP_K, np.int64),  # by rank
            "videos": np.zeros(3, np.int64),  # all, without labels, with the best class right
        }

    def update(self, scores: ArrayLike, class_ids: ArrayLike, labels: ArrayLike) -> None:
        """Adds a batch of videos.

        Args:
            scores: The videos' best predictions, falling, float32 (B, K), not negative.
            class_ids: Their classes, int32 (B, K), distinct in a row, the lower first on ties. K is
                at least `top_k` and the longest list of labels, or the number of classes. Without
                `top_k` these are the rated classes, padded with -1, with a score of 0.
            labels: Class ids, int32 (B, L), padded with -1; a repeated id counts once.

        Raises:
            InputError: The arrays break one of these rules.
        """
        scores = np.asarray(scores, np.float32) + np.float32(0)  # + 0 makes a -0.0 positive
        class_ids, labels = np.asarray(class_ids), np.sort(np.asarray(labels), axis=-1)
        self._check(scores, class_ids, labels)
        distinct = labels >= 0
        distinct[:, 1:] &= labels[:, 1:] != labels[:, :-1]
        counts = distinct.sum(axis=1)  # (B,)
        hits = np.zeros(class_ids.shape, bool)
        for column in labels.T[..., None]:  # (B, 1)
            hits |= class_ids == column
        kept: tuple | NDArray = np.s_[:, : self.top_k]
        if self._padded:
            hits &= class_ids >= 0
            kept = (class_ids >= 0) & (np.arange(class_ids.shape[1]) < (self.top_k or np.inf))
        if self.top_k is None:
            _check_rated(hits, counts)
        else:
            self._check_width(class_ids.shape[1], counts)
        within = hits & (np.arange(class_ids.shape[1]) < counts[:, None]) & (scores > 0)
        self._counts["perr_hits"] += _count(counts, self.classes + 1, within.sum(axis=1))
        ranks = hits[:, : min(self.top_k or spec.TOP_K, spec.TOP_K)].sum(axis=0)
        self._counts["hits_at"][: ranks.size] += ranks
        self._counts["positives"] += _count(labels[distinct], self.classes)
        self._counts["videos"] += [len(hits), np.sum(counts == 0), np.sum(hits[:, :1])]
        self._keys.append(pack(scores[kept], class_ids[kept], hits[kept]))

    def merge(self, other: "Ranking") -> None:
        """Adds the videos of another pass over the same classes.

        Raises:
            InputError: The other pass has other classes or another `top_k`.
        """
        mine, theirs = (self.classes, self.top_k), (other.classes, other.top_k)
        if mine != theirs:
            raise InputError(f"(classes, top_k) must be equal to merge, but {mine} != {theirs}.")
        self._add({**other._counts, "keys": np.concatenate(other._keys)})

    def state(self) -> dict[str, NDArray]:
        """Returns all that was gathered, as arrays to send to another process or to store."""
        counts = {name: count.copy() for name, count in self._counts.items()}
        settings = np.array([self.classes, self.top_k or 0])
        return {**counts, "settings": settings, "keys": np.concatenate(self._keys)}

    @classmethod
    def from_state(cls, state: dict[str, NDArray]) -> Self:
        """Rebuilds a ranking from what `state` returned."""
        classes, top_k = state["settings"].tolist()
        ranking = cls(classes, top_k=top_k or None)
        ranking._add(state)
        return ranking

    def result(self, *, top_n: Sequence[int] = ()) -> Ranked:
        """Computes how well the videos gathered so far are ranked; more may follow.

        Args:
            top_n: Lengths at which lists of classes are also cut, as AP@n of the starter code.

        Raises:
            InputError: No video was added.
        """
        videos, without_labels, right = self._counts["videos"].tolist()
        if not videos:
            raise InputError("Metrics need at least one video, but got none. Call `update` first.")
        keys = np.concatenate(self._keys)
        self._keys = [keys]  # frees the pieces; their order does not matter
        keys.sort()
        ends = np.searchsorted(keys, np.arange(1, self.classes + 1, dtype=np.uint64) << 32)
        positives = self._counts["positives"].copy()
        perr_hits = self._counts["perr_hits"][1:]
        ap = np.full(self.classes, np.nan)
        np.divide(precision_sums(keys, ends)[0], positives, out=ap, where=positives > 0)

        at_best_f1 = best_f1(keys, ends, positives)

        pooled = keys.astype(np.uint32)  # drops the class
        pooled.sort()
        total = max(int(positives.sum()), 1)
        sums = precision_sums(pooled, np.array([pooled.size]))
        gap, low, high = (sums[:, 0] / total).tolist()
        return Ranked(
            gap=gap,
            gap_low=low,
            gap_high=high,
            hit_at_1=right / videos,
            perr=float(np.sum(perr_hits / np.arange(1, self.classes + 1))) / videos,
            ap=ap,
            ap_at=_ap_at(keys, ends, positives, top_n),
            top_n=tuple(top_n),
            positives=positives,
            hits_at=self._counts["hits_at"].copy(),
            videos=videos,
            videos_without_labels=without_labels,
            curve=curve(pooled, total),
            at_best_f1=at_best_f1,
        )

    def _check(self, scores: NDArray, class_ids: NDArray, labels: NDArray) -> None:
        agree = scores.shape == class_ids.shape and len(scores) == len(labels)
        if not (agree and scores.ndim == labels.ndim == 2):
            raise InputError(
                "Scores and class ids (B, K) and labels (B, L) must agree, but got shapes "
                f"{scores.shape}, {class_ids.shape}, {labels.shape}."
            )
        if not (scores[:, 1:] <= scores[:, :-1]).all() or not (scores[:, -1:] >= 0).all():
            wrong = np.isnan(scores) | (scores < 0)
            example = f"{scores[wrong][0]}" if wrong.any() else "rising ones"
            raise InputError(
                f"Scores must be at least 0, falling in each video, but got {example}. Does the "
                "model return probabilities, and do they go through `top_k`?"
            )
        least = -1 if self._padded else 0
        for name, ids, lowest in ("Class ids", class_ids, least), ("Labels", labels, -1):
            if ids.size and not (lowest <= ids.min() and ids.max() < self.classes):
                raise InputError(
                    f"{name} must lie in [{lowest}, {self.classes}), but got values in "
                    f"[{ids.min()}, {ids.max()}]. Is the model for another release of the data?"
                )

    def _check_width(self, width: int, counts: NDArray) -> None:
        needed = min(self.classes, max(self.top_k or 0, counts.max(initial=0)))
        if counts.size and width < needed:
            raise InputError(
                "A video must have at least as many predictions as labels, and top_k of them, "
                f"here {needed}, but got {width}. Pass the best {needed} of each video."
            )

    def _add(self, state: dict[str, NDArray]) -> None:
        for name, counter in self._counts.items():
            counter += state[name]
        self._keys.append(state["keys"])


def _ap_at(keys: NDArray, ends: NDArray, positives: NDArray, top_n: Sequence[int]) -> NDArray:
    """Average precision of the classes at each n, float64 (N, C)."""
    found = np.full((len(top_n), positives.size), np.nan)
    for class_id in np.flatnonzero(positives) if top_n else ():
        mine = keys[ends[class_id - 1] if class_id else 0 : ends[class_id]]
        scores, hits = mine & 0xFFFFFFFE, mine & 1  # the bits of a score rise as it does
        for row, n in enumerate(top_n):
            found[row, class_id] = average_precision(
                scores.astype(np.int64), hits, n=n, positives=int(positives[class_id])
            )
    return found


def _check_rated(hits: NDArray, counts: NDArray) -> None:
    found = hits.sum(axis=1)
    if (found != counts).any():
        row = int((found != counts).argmax())
        raise InputError(
            "The labels of a segment must be among its rated classes, each rated once, but row "
            f"{row} has {counts[row]} labels and {found[row]} of them rated."
        )


def _count(values: NDArray, size: int, weights: NDArray | None = None) -> NDArray:
    return np.bincount(values, weights, minlength=size).astype(np.int64)
