"""What is known of the release of 2018, and how far shards are from it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from yt8m_exp import spec
from yt8m_exp.data import text, vocabulary
from yt8m_exp.data.doctor.statistics import Feature, norm_quantile

TRAIN_VIDEOS = 3_888_919
LABELS_PER_VIDEO = 3.01
TRAIN_COLUMN = ("train_videos", "trainvideocount")
FEWEST = 200
"""Videos without which nothing is compared: their mean would say more of chance than of them."""
CLEAR = 5.0
"""Standard errors beyond which the number of a class' videos is no chance."""
EIGHTHS = 8


class Known(NamedTuple):
    """What is known of one feature, from the first 100 shards of `2/video/validate`, 28,792 videos.

    Attributes:
        norms: L2 norms that 1 %, 50 % and 99 % of them do not exceed.
        deviations: standard deviations of the dimensions, the mean of each eighth of them.
    """

    norms: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()


RGB = Known((5.47, 12.65, 30.47), (0.576, 0.483, 0.458, 0.446, 0.438, 0.430, 0.421, 0.410))
AUDIO = Known((3.90, 7.07, 14.12), (0.828, 0.742, 0.694, 0.680, 0.651, 0.640, 0.616, 0.601))
FEATURES: Mapping[str, Known] = {
    "mean_rgb": RGB, "rgb": RGB, "mean_audio": AUDIO, "audio": AUDIO,
}  # fmt: skip


class Comparison(NamedTuple):
    """A number of some shards beside the release's.

    Attributes:
        name: what is measured.
        measured: of the shards.
        known: of the release.
        tolerance: how far their ratio may be from one.
    """

    name: str
    measured: float
    known: float
    tolerance: float

    @property
    def differs(self) -> bool:
        """Tells whether the shards are unlike the release."""
        return not 1 / (1 + self.tolerance) <= self.measured / self.known <= 1 + self.tolerance


def compare(features: Mapping[str, Feature], labels_per_video: np.ndarray) -> Iterator[Comparison]:
    """Yields what can be compared with the release, where there are enough videos."""
    for name, feature in features.items():
        if name not in FEATURES or feature.count < FEWEST:
            continue
        known = FEATURES[name]
        yield Comparison(
            f"median norm of {name}", norm_quantile(feature.norms, 0.5), known.norms[1], 0.2
        )
        eighths = [part.mean() for part in np.array_split(feature.deviations(), EIGHTHS)]
        yield Comparison(
            f"deviation of {name}, first eighth", eighths[0], known.deviations[0], 0.15
        )
        yield Comparison(
            f"deviation of {name}, last eighth", eighths[-1], known.deviations[-1], 0.15
        )
    labelled = labels_per_video[1:]
    if labelled.sum() >= FEWEST:
        mean = float(labelled @ np.arange(1, len(labels_per_video)) / labelled.sum())
        yield Comparison("labels of a labelled video", mean, LABELS_PER_VIDEO, 0.15)


class Classes(NamedTuple):
    """How many videos have each class of 2018, (C,) each.

    Attributes:
        counts: of the shards.
        expected: of the release, if it had as many labels.
        odd: the classes that are at least twice too frequent or too rare, by no chance.
    """

    counts: np.ndarray
    expected: np.ndarray
    odd: np.ndarray

    def listed(self) -> list[dict[str, float]]:
        """Returns the odd classes, the furthest first, as plain data."""
        far = np.argsort(-np.abs(self.counts - self.expected)[self.odd], kind="stable")
        return [
            {
                "class_id": int(place),
                "videos": int(self.counts[place]),
                "expected": round(float(self.expected[place]), 1),
            }
            for place in self.odd[far]
        ]


def compare_classes(
    class_counts: Mapping[int, np.ndarray], vocabulary_path: str | Path | None
) -> Classes | None:
    """Compares the frequencies of classes with the release's training videos.

    Args:
        class_counts: videos of each class, by the number of classes.
        vocabulary_path: see `train_videos`.

    Returns:
        None where there is no label of 2018, or the vocabulary counts nothing.
    """
    counts, trained = class_counts.get(spec.CLASSES), train_videos(vocabulary_path)
    if counts is None or trained is None or not counts.any():
        return None
    expected = trained * (counts.sum() / trained.sum())
    return Classes(counts, expected, odd_classes(counts, expected))


def train_videos(path: str | Path | None) -> np.ndarray | None:
    """Returns the training videos of each class of 2018, (C,), if a vocabulary has them."""
    first, *rows = [row for _, row in text.table(path)] if path else [[]]
    index, videos = text.column(first, vocabulary.INDEX), text.column(first, TRAIN_COLUMN)
    if index is None or videos is None:
        return None
    counts = np.zeros(spec.CLASSES, np.int64)
    for row in rows:
        if int(row[index]) < spec.CLASSES:
            counts[int(row[index])] = int(row[videos])
    return counts


def odd_classes(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Returns the classes that are at least twice too frequent or too rare, by no chance.

    Args:
        counts: videos of each class, (C,).
        expected: how many there would be of the release's, (C,).
    """
    error = np.sqrt(np.maximum(expected, 1))
    far = np.maximum(counts, expected) >= 2 * np.maximum(np.minimum(counts, expected), 1)
    return np.flatnonzero(far & (np.abs(counts - expected) >= CLEAR * error))
