"""The weights of an ensemble's members that give the highest GAP on labelled videos."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.evaluation.top_k import top_k

Batch = Mapping[str, NDArray]
Mix = Callable[[NDArray, NDArray], NDArray]
"""Takes predictions (N, K, M) and weights (M,); returns their weighted mean (N, K)."""
CANDIDATES = 2 * spec.TOP_K
"""Classes of a video that other weights can bring among the best 20."""
GAIN = 1e-5
"""The least gain in GAP that another weight must bring."""


class Candidates(NamedTuple):
    """The members' predictions of the best classes of each video.

    Attributes:
        scores: float32 (N, K, M) of M members.
        hits: whether the video has the class, (N, K).
        positives: labels of all videos, also of classes that are not among these.
    """

    scores: NDArray
    hits: NDArray
    positives: int


class Selected(NamedTuple):
    """Weights (M,), and the GAP with equal weights and with these."""

    weights: list[float]
    gap_equal: float
    gap: float


def gathered(
    predict: Callable[[Batch], NDArray],
    batches: Iterable[Batch],
    advance: Callable[[int], None] = lambda videos: None,
) -> Candidates:
    """Gathers the candidates of labelled videos: the best classes by the members' plain mean.

    Args:
        predict: from a batch to the predictions of all members, (B, C, M).
        batches: each video once.
        advance: called with the number of videos done.
    """
    scores, hits, positives, videos = [], [], 0, 0
    for batch in batches:
        predictions = predict(batch)
        _, class_ids = top_k(predictions.mean(axis=-1), CANDIDATES)
        scores.append(np.take_along_axis(predictions, class_ids[..., None], axis=1))
        labels = batch["labels"]
        hits.append((class_ids[:, :, None] == labels[:, None, :]).any(axis=2))
        positives += sum(len(set(row)) for row in np.where(labels < 0, -1, labels).tolist())
        positives -= int((labels < 0).any(axis=1).sum())
        videos += len(labels)
        advance(videos)
    return Candidates(np.concatenate(scores), np.concatenate(hits), positives)


def select(candidates: Candidates, mix: Mix) -> Selected:
    """Searches weights on the simplex, from equal ones on.

    Each member has a count, one at first. A step adds one to a count or takes one away, whichever
    raises GAP the most; the search ends where no step raises it.

    Source: R. Caruana et al., "Ensemble selection from libraries of models", 2004, section 2, with
    steps back.
    """
    counts = np.ones(candidates.scores.shape[-1], np.int64)
    best = equal = _gap(candidates, mix, counts)
    while True:
        steps = [
            moved
            for member in range(len(counts))
            for step in (1, -1)
            if (moved := _moved(counts, member, step)).min() >= 0 and moved.any()
        ]
        gaps = [_gap(candidates, mix, moved) for moved in steps]
        if max(gaps) < best + GAIN:
            weights = counts / counts.sum()
            return Selected(weights.tolist(), equal, best)
        best, counts = max(gaps), steps[int(np.argmax(gaps))]


def _moved(counts: NDArray, member: int, step: int) -> NDArray:
    moved = counts.copy()
    moved[member] += step
    return moved


def _gap(candidates: Candidates, mix: Mix, counts: NDArray) -> float:
    """Returns the GAP of a mixture, in which the best 20 candidates of each video count."""
    mixed = mix(candidates.scores, counts / counts.sum())
    rows = np.argpartition(-mixed, min(spec.TOP_K, mixed.shape[1]) - 1, axis=1)[:, : spec.TOP_K]
    scores = np.take_along_axis(mixed, rows, axis=1).ravel()
    hits = np.take_along_axis(candidates.hits, rows, axis=1).ravel()
    hits = hits[np.argsort(-scores, kind="stable")]
    ranks = np.flatnonzero(hits) + 1
    precision = np.arange(1, len(ranks) + 1) / ranks
    return float(precision.sum() / max(candidates.positives, 1))
