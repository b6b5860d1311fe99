"""Sums of precisions over ranked lists of packed predictions, exact where scores tie.

A packed prediction is the 64-bit key `class << 32 | score bits << 1 | hit`. The bits of a float32
that is not negative rise with its value and leave its sign bit free, so a sort of integers ranks
the predictions of every class, and a sort of the lower halves ranks them all together.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_EXACT = 32  # harmonic numbers come from a table up to here, and from their expansion beyond
_BLOCK = 1 << 17  # hits at a time: such arrays fit the cache, and their memory is reused


class Curve(NamedTuple):
    """Precision and recall of "predict what scores at least the threshold", float64 (points,)."""

    precision: NDArray
    recall: NDArray
    threshold: NDArray


class Operating(NamedTuple):
    """The threshold of each class at which F1 is best, float64 (lists,); NaN without a hit."""

    threshold: NDArray
    precision: NDArray
    recall: NDArray


def pack(scores: NDArray, class_ids: NDArray, hits: NDArray) -> NDArray:
    """Packs predictions of equal shapes (B, K) into keys, uint64 (B * K,).

    Args:
        scores: float32, not negative, no -0.0.
        class_ids: Non-negative integers.
        hits: Whether the video has the class, bool.
    """
    bits = np.ascontiguousarray(scores).view(np.uint32).astype(np.uint64)
    return (class_ids.astype(np.uint64) << 32 | bits << 1 | hits).ravel()


def precision_sums(keys: NDArray, ends: NDArray) -> NDArray:
    """Sums the precisions at the hits of each ranked list.

    Args:
        keys: Sorted, rising. The last bit marks a hit: hits follow the misses of their score.
        ends: Where each list ends in `keys`, (lists,). A list's best prediction is its last.

    Returns:
        float64 (3, lists): the expectation over the random order of tied scores, the sum with the
        hits last in each tie, and with the hits first.
    """
    at = _hit_positions(keys)
    hit_ends = np.searchsorted(at, ends)
    cuts = np.searchsorted(at, np.searchsorted(keys, keys[at[::_BLOCK]]))  # no run of hits is cut
    sums = np.zeros((3, ends.size))
    for begin, end in pairwise([*np.unique(cuts).tolist(), at.size]):
        hits = at[begin:end]
        lists = np.searchsorted(ends, hits, side="right")
        order = hit_ends[lists] - np.arange(begin, end)  # 1 for a list's best hit
        precisions = _precisions(keys, hits, order, ends[lists] - hits)
        sums += [np.bincount(lists, values, minlength=ends.size) for values in precisions]
    return sums


def expected_sum(
    hits: NDArray, size: NDArray, before: NDArray, hits_before: NDArray, taken: NDArray
) -> NDArray:
    """Expected sum of the precisions at the hits among the first `taken` of tied predictions.

    Of t tied predictions, h are hits; N predictions with H hits rank before them. In a random order
    the i-th is a hit with probability h/t, and then (i - 1)(h - 1)/(t - 1) hits of the tie are
    expected before it: it adds h/t (H + 1 + (i - 1)(h - 1)/(t - 1)) / (N + i). Summed over i, that
    is linear in a difference of harmonic numbers.

    Source: F. McSherry and M. Najork, "Computing Information Retrieval Performance Measures
    Efficiently in the Presence of Tied Scores", ECIR 2008.

    Args:
        hits: h, (ties,).
        size: t, at least 1, (ties,).
        before: N, (ties,).
        hits_before: H, (ties,).
        taken: How many of the tied predictions count, at most t, (ties,).
    """
    slope = (hits - 1) / np.maximum(size - 1, 1)
    level = hits_before + 1 - slope * (before + 1)
    return hits / size * (slope * taken + level * _harmonic_span(before, taken))


def average_precision(
    scores: ArrayLike, hits: ArrayLike, *, n: int | None = None, positives: int | None = None
) -> float:
    """Average precision of one ranked list, or of its first `n` (AP@n of the starter code).

    Args:
        scores: One score an item, (N,).
        hits: Whether the item is right: above 0 (N,).
        n: Items that count from the top; all by default. At most n positives are expected.
        positives: Number of positives in all; by default those in the list.

    Returns:
        The sum of the precisions at the hits over the positives, expected over the random order of
        tied scores; 0 without positives. Above 1 if `positives` is below the number of hits.
    """
    hits = np.asarray(hits) > 0
    expected = int(hits.sum()) if positives is None else positives
    if not expected:
        return 0.0
    _, group, size = np.unique(-np.asarray(scores), return_inverse=True, return_counts=True)
    right = np.bincount(group, weights=hits)
    before, right_before = np.cumsum(size) - size, np.cumsum(right) - right
    length = hits.size if n is None else n
    taken = np.clip(length - before, 0, size)
    total = expected_sum(right, size, before, right_before, taken).sum()
    return float(total / (expected if n is None else min(expected, n)))


def curve(keys: NDArray, positives: int, *, points: int = 500) -> Curve:
    """Thins the curve of pooled predictions to at most `points` + 1 thresholds, even in recall.

    Args:
        keys: Lower halves of packed predictions, sorted, rising, uint32 (N,), N >= 1.
        positives: Number of positives in all, predicted or not.
        points: Hits to take a threshold from; the lowest score is one more.
    """
    at = _hit_positions(keys)
    chosen = at[np.linspace(0, at.size - 1, min(at.size, points)).astype(int)]
    values = np.unique(np.append(keys[chosen], keys[:1]) & ~np.uint32(1))[::-1]
    start = np.searchsorted(keys, values)
    right = at.size - np.searchsorted(at, start)
    threshold = (values >> 1).view(np.float32).astype(np.float64)
    return Curve(right / (keys.size - start), right / positives, threshold)


def best_f1(keys: NDArray, ends: NDArray, positives: NDArray) -> Operating:
    """Finds the threshold at which each ranked list has its best F1.

    F1 is best where the score of a hit is the threshold: each lower one adds misses only.

    Args:
        keys: See `precision_sums`.
        ends: See `precision_sums`.
        positives: Number of positives of each list, predicted or not, (lists,).
    """
    at = _hit_positions(keys)
    lists = np.searchsorted(ends, at, side="right")
    start = np.searchsorted(keys, keys[at] & ~np.uint64(1))  # the first of the tied scores
    hits = np.searchsorted(at, ends)[lists] - np.searchsorted(at, start)
    taken = ends[lists] - start
    f1 = 2 * hits / (taken + positives[lists])
    best = np.lexsort((f1, lists))  # each list's last is its best
    best = best[np.flatnonzero(np.diff(lists[best], append=-1))]
    found = np.full((3, ends.size), np.nan)
    scores = (keys[at[best]].astype(np.uint32) >> np.uint32(1)).view(np.float32)
    precision, recall = hits[best] / taken[best], hits[best] / positives[lists[best]]
    found[:, lists[best]] = scores, precision, recall
    return Operating(*found)


def _precisions(
    keys: NDArray, hits: NDArray, order: NDArray, rank: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Precision at each hit: expected (a tie's sum at its first hit), worst and best on ties."""
    values = keys[hits]
    first = np.flatnonzero(np.diff(values, prepend=values[:1] ^ 1))  # of each run of equal hits
    run = np.diff(first, append=hits.size)
    tied = keys[hits[first] - 1] == values[first] - 1  # key -1 is the largest, so never equal
    misses = np.zeros(first.size, np.int64)  # of the run's score
    misses[tied] = hits[first[tied]] - np.searchsorted(keys, values[first[tied]] - 1)
    behind = np.repeat(misses, run)
    best = order / rank
    mean = np.where(behind > 0, 0, best)
    first, run, size = first[tied], run[tied], (run + misses)[tied]
    last = first + run - 1  # the best of the tied hits
    mean[first] = expected_sum(run, size, rank[last] - 1, order[last] - 1, size)
    return mean, order / (rank + behind), best


def _hit_positions(keys: NDArray) -> NDArray:
    hit = np.empty(keys.size, bool)
    np.bitwise_and(keys, 1, out=hit, casting="unsafe")  # no temporary as large as the keys
    return np.flatnonzero(hit)


def _harmonic_span(start: NDArray, length: NDArray) -> NDArray:
    """1 / (start + 1) + ... + 1 / (start + length), to the last digits of a float64."""
    table = np.append(0.0, np.cumsum(1 / np.arange(1, _EXACT + 1)))
    low, high = np.maximum(start, _EXACT), np.maximum(start + length, _EXACT)
    within = table[np.minimum(start + length, _EXACT)] - table[np.minimum(start, _EXACT)]
    return within + np.log1p((high - low) / low) + _beyond_log(high) - _beyond_log(low)


def _beyond_log(n: NDArray) -> NDArray:
    """The n-th harmonic number minus ln n and Euler's constant: its asymptotic expansion."""
    square = 1.0 / n**2.0
    return 0.5 / n - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
