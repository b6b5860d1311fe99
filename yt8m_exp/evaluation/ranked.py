"""What a pass over labelled videos tells of how well scores rank."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.evaluation.precision import Curve, Operating


@dataclass(frozen=True, eq=False)
class Ranked:
    """How well the scores of a pass over labelled videos rank; `metrics.TABLE` lists the numbers.

    Attributes:
        gap: Global average precision of the pooled predictions, in [0, 1].
        gap_low, gap_high: GAP if tied scores had their hits last, and first.
        hit_at_1: Share of videos whose best class is right.
        perr: Mean over videos of the precision among as many classes as the video has labels.
        ap: Average precision of each class, float64 (C,), NaN for a class without positives.
        ap_at: The same over the first n predictions of the class, a row for each n, (N, C).
        top_n: Each n.
        positives: Videos that have the label, of each class, int64 (C,).
        hits_at: Videos whose prediction at each rank, the best first, is right, int64 (20,).
        videos: Number of videos.
        videos_without_labels: Those that count 0 in Hit@1 and PERR.
        curve: Precision and recall of the pooled predictions, by falling threshold.
        at_best_f1: Precision and recall of each class at the threshold of its best F1, (C,).
    """

    gap: float
    gap_low: float
    gap_high: float
    hit_at_1: float
    perr: float
    ap: NDArray
    ap_at: NDArray
    top_n: tuple[int, ...]
    positives: NDArray
    hits_at: NDArray
    videos: int
    videos_without_labels: int
    curve: Curve
    at_best_f1: Operating

    @property
    def classes_with_positives(self) -> int:
        """Number of classes that `map` averages."""
        return int(np.count_nonzero(self.positives))

    @property
    def map(self) -> float:
        """Mean of `ap` over the classes with positives; NaN if no class has any."""
        return _mean(self.ap)

    @property
    def map_2017(self) -> float:
        """The mAP of the 2017 starter code: a class without positives counts as 0."""
        return float(np.nansum(self.ap) / self.ap.size)

    def map_at(self, n: int) -> float:
        """Mean of the average precision at `n`, one of `top_n`, over the classes with positives."""
        return _mean(self.ap_at[self.top_n.index(n)])


def _mean(ap: NDArray) -> float:
    known = ap[~np.isnan(ap)]
    return float(np.mean(known)) if known.size else math.nan
