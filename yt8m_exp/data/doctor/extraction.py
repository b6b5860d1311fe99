"""Which step of an extraction is off, told from the values of somebody's features.

What is known of the release's frames was measured on 20,227 frames of 96 training videos.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.data.doctor.findings import AUDIO, RGB
from yt8m_exp.data.doctor.profile import Profile

FEWEST = 30
"""Rows without which nothing is said."""
FEWEST_VIDEOS = 100
"""Videos without which means of videos are not compared."""
EIGHTHS = 8


class Measured(NamedTuple):
    """A number that tells whether a step is right.

    Attributes:
        step: of the extraction.
        feature: the feature.
        what: is measured.
        value: of these features.
        release: of the release's.
        low, high: between which it is right.
        meaning: what is wrong if it is not, in sentences.
    """

    step: str
    feature: str
    what: str
    value: float
    release: float
    low: float
    high: float
    meaning: str

    @property
    def is_off(self) -> bool:
        """Tells whether the step is wrong."""
        return not self.low <= self.value <= self.high


def measure(found: Mapping[str, Profile]) -> list[Measured]:
    """Measures each step of the extraction of some features, in the order of the steps.

    A missing step hides later ones: the first that is off is the one to mend.
    """
    rows = []
    for name, profile in found.items():
        if name in (*RGB, *AUDIO) and profile.rows >= FEWEST:
            rows += list(_measured(name, profile))
    for pair in zip(RGB, AUDIO[:2], strict=True):
        if all(name in found and found[name].videos >= FEWEST_VIDEOS for name in pair):
            rows.append(_joined(*pair, found))
    return sorted(rows, key=lambda row: STEPS.index(row.step))


def _joined(rgb: str, audio: str, found: Mapping[str, Profile]) -> Measured:
    """Measures whether sound differs from video to video more than pictures do, as it must."""
    first = np.array_split(_deviations(found[rgb]), EIGHTHS)[0].mean()
    ratio = float(_deviations(found[audio]).mean() / max(first, 1e-9))
    return Measured(
        "order", audio, f"deviation of videos over that of the first eighth of {rgb}", ratio, 1.25,
        0.85, 5,
        "Sound differs less from video to video than the first components of pictures: rgb and "
        "audio were joined in another order than they were split in.",
    )  # fmt: skip


def _deviations(p: Profile) -> NDArray[np.float64]:
    mean = p.mean_sums / p.videos
    return np.sqrt(np.maximum(p.mean_squares / p.videos - mean**2, 0))


STEPS = ("sound", "PCA", "mean", "order", "whitening", "range", "seconds")


class Known(NamedTuple):
    """What is known of a feature of the release.

    Attributes:
        mean: the largest mean without sign of an eighth of its dimensions.
        ratio: deviation of the first eighth over the last.
    """

    mean: float
    ratio: float


KNOWN = {
    "rgb": Known(0.17, 0.88),
    "audio": Known(0.24, 0.75),
    "mean_rgb": Known(0.02, 1.4),
    "mean_audio": Known(0.04, 1.37),
    "audio_embedding": Known(0.24, 0.75),
}


def _measured(name: str, p: Profile) -> Iterator[Measured]:
    is_sound = name in AUDIO
    constant = p.constant / p.rows
    yield Measured(
        "sound" if is_sound else "range", name, "rows of one value throughout", constant, 0, 0, 0.5,
        "Most rows hold one value: the extractor put zeros in the place of sound, as the starter "
        "code's does. Extract the sound with VGGish." if is_sound else
        "Most rows hold one value. Are these pictures black, or was nothing decoded?",
    )  # fmt: skip
    if constant > 0.5:
        return
    known = KNOWN[name]
    mean = p.sums / p.rows
    deviation = np.sqrt(np.maximum(p.squares / p.rows - mean**2, 0))
    yield Measured(
        "PCA", name, "share of values below zero", p.negative / (p.rows * len(mean)), 0.5, 0.1, 0.9,
        "Components are below zero as often as above. These values are a network's outputs, which "
        "were not projected onto the eigenvectors, or bytes of another meaning.",
    )  # fmt: skip
    yield Measured(
        "mean", name, "means without sign, of the eighth that has the largest", _largest(mean),
        known.mean, 0, 1,
        "The dimensions are not around zero: the mean was not taken away before the projection, "
        "or all videos are nearly the same.",
    )  # fmt: skip
    yield from _of_deviations(name, deviation, known.ratio)
    if p.is_bytes:
        yield from _of_bytes(name, p, is_sound=is_sound)


def _largest(mean: NDArray[np.float64]) -> float:
    return max(float(part.mean()) for part in np.array_split(np.abs(mean), EIGHTHS))


def _of_deviations(name: str, deviation: NDArray[np.float64], known: float) -> Iterator[Measured]:
    eighths = [float(part.mean()) for part in np.array_split(deviation, EIGHTHS)]
    ratio = eighths[0] / max(eighths[-1], 1e-9)
    if ratio >= known:
        yield Measured(
            "whitening", name, "deviation of the first eighth over the last", ratio, known, 0.4, 2,
            "The first components vary far more than the last: they were not divided by the roots "
            "of the eigenvalues (plus 0.0001).",
        )  # fmt: skip
    else:
        yield Measured(
            "order", name, "deviation of the first eighth over the last", ratio, known, 0.4, 2,
            "The last components vary far more than the first: eigenvectors were taken in rising "
            "order of their eigenvalues, as `numpy.linalg.eigh` returns them.",
        )  # fmt: skip


def _of_bytes(name: str, p: Profile, *, is_sound: bool) -> Iterator[Measured]:
    known = 0.143 if is_sound else 0.09
    extremes = p.extremes / (p.rows * len(p.sums))
    yield Measured(
        "range", name, "share of bytes 0 and 255", extremes, known, 0.005, 0.45,
        "Components are cut to [-2, 2], and this range is spread over the bytes. Another range was "
        "quantised."
        if extremes < known else
        "Far too many values lie beyond [-2, 2]: pixels or samples had another scale than the "
        "network expects, or values were quantised twice.",
    )  # fmt: skip
    if p.changing:
        known, low = (0.83, 0.05) if is_sound else (0.73, 0.1)
        yield Measured(
            "seconds", name, "change from a frame to the next", p.changes / p.changing, known, low,
            1.6,
            "Neighbouring frames are nearly the same: they were taken more often than once a "
            "second, or one frame was repeated.",
        )  # fmt: skip
