"""Class-balanced sampling: videos of rare classes are seen more often in training.

Source: L. Shen et al., "Relay backpropagation for effective learning of deep convolutional neural
networks", 2015, section 4.2, https://arxiv.org/abs/1512.05830.
"""

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.data.videos import Videos


def drawn(videos: Videos, balance: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns as many rows of videos as there are, in random order.

    A video is drawn in proportion to `(1 / n) ** balance`, where n counts the videos here that have
    its rarest label; one without labels as if it had the most frequent. It is drawn as often as
    expected, rounded up or down.

    Args:
        videos: the videos.
        balance: 0 draws each video once, 1 those of rare classes as often as those of frequent.
        rng: draws.
    """
    rows = len(videos.ids)
    if not balance:
        return rng.permutation(rows)
    weights = rarest(videos) ** -balance
    below = np.cumsum(weights / weights.sum())
    places = (rng.random() + np.arange(rows)) / rows
    return rng.permutation(np.minimum(np.searchsorted(below, places), rows - 1))


def rarest(videos: Videos) -> NDArray[np.float64]:
    """Returns how many of the videos have the rarest label of each, float64 (N,)."""
    is_label = np.ones(len(videos.labels), bool) if videos.present is None else videos.present > 0
    counts = np.bincount(videos.labels[is_label], minlength=1)
    rows = np.repeat(np.arange(len(videos.ids)), np.diff(videos.splits))[is_label]
    found = np.full(len(videos.ids), max(counts.max(), 1), np.float64)
    np.minimum.at(found, rows, counts[videos.labels[is_label]])
    return found
