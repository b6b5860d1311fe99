"""Measures a model for the gate: its predictions, how well they rank, its latency."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.data.ahead import ahead
from yt8m_exp.data.videos import LABEL_PADDING
from yt8m_exp.evaluation.ranked import Ranked
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.scoring import best
from yt8m_exp.registry.bootstrap import Predictions

Batch = Mapping[str, NDArray]
Predict = Callable[[Batch], NDArray]
BINS = 15  # of the calibration error
REQUESTS, WARM = 200, 10
REQUEST_SECONDS = 5.0  # for all requests together; the last one may take longer


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a model on the evaluation shards.

    Attributes:
        predictions: its predictions, video by video.
        ranked: how well they rank, over all videos.
        latency_milliseconds: time of a request of one video, 99th percentile.
    """

    predictions: Predictions
    ranked: Ranked
    latency_milliseconds: float


def measure(
    predict: Predict,
    batches: Iterable[Batch],
    classes: int,
    *,
    advance: Callable[[int], None] = lambda videos: None,
) -> Measured:
    """Measures a model on labelled batches.

    Args:
        predict: see `scoring.predictor`.
        batches: each video once.
        classes: C.
        advance: called with the number of videos done.
    """
    ranking, parts, first = Ranking(classes), [], None
    videos = 0
    for batch, predicted in ahead((batch, predict(batch)) for batch in batches):
        first = first or {name: values[:1] for name, values in batch.items()}
        labels, k = batch["labels"], spec.TOP_K
        found = best(batch, predicted, max(k, labels.shape[1]))
        ranking.update(found.scores, found.class_ids, labels)
        parts.append((found.scores[:, :k], found.class_ids[:, :k], labels))
        videos += len(labels)
        advance(videos)
    scores, class_ids, labels = zip(*parts, strict=True)
    predictions = Predictions(np.concatenate(scores), np.concatenate(class_ids), distinct(labels))
    return Measured(predictions, ranking.result(), latency(predict, first or {}))


def distinct(parts: Iterable[NDArray]) -> NDArray:
    """Joins padded lists of labels of different widths, and drops labels that a list repeats.

    Args:
        parts: class ids, int32 (B, L), padded with -1, L of any size.

    Returns:
        int32 (N, L), each row rising after its padding.
    """
    parts = list(parts)
    width = max(part.shape[1] for part in parts)
    labels = np.full((sum(map(len, parts)), width), LABEL_PADDING, np.int32)
    row = 0
    for part in parts:
        labels[row : row + len(part), : part.shape[1]] = part
        row += len(part)
    labels.sort(axis=1)
    labels[:, 1:][labels[:, 1:] == labels[:, :-1]] = LABEL_PADDING
    return np.sort(labels, axis=1)


def latency(predict: Predict, video: Batch) -> float:
    """Returns how long a request of one video takes, milliseconds, 99th percentile."""
    seconds: list[float] = []
    while len(seconds) < WARM + REQUESTS and sum(seconds) < REQUEST_SECONDS:
        begin = time.perf_counter()
        best(video, predict(video), spec.TOP_K)
        seconds.append(time.perf_counter() - begin)
    warm = seconds[min(WARM, len(seconds) // 2) :]
    return 1000 * float(np.quantile(warm, 0.99))


def calibration_error(predictions: Predictions) -> float:
    """Mean distance between score and share of hits, over bins of equally many predictions.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", 2017, eq. 3,
    https://arxiv.org/abs/1706.04599, with bins of equal mass.
    """
    scores, hits = predictions.scores.ravel(), predictions.hits.ravel()
    order = np.argsort(scores, kind="stable")
    distances = [
        abs(math.fsum(scores[rows]) - np.count_nonzero(hits[rows]))
        for rows in np.array_split(order, BINS)
    ]
    return float(sum(distances) / max(order.size, 1))
