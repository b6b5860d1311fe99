"""What somebody's features are like: sums over their rows, from which the extraction is judged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.data.videos import Frames, Videos

LARGEST = 255


@dataclass(frozen=True)
class Profile:
    """What the rows of a feature are like, frames or whole videos; may be added.

    Args:
        rows: how many.
        sums: of each dimension, float64 (D,).
        squares: sums of squares, likewise.
        negative: values below zero.
        extremes: bytes of 0 or 255.
        constant: rows of one value throughout.
        changes: of each value to that a second later, summed without sign.
        changing: how many such changes.
        is_bytes: above 0 if rows are frames.
        videos: how many videos.
        mean_sums, mean_squares: as `sums` and `squares`, of the means of the videos.
    """

    rows: int
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    negative: int
    extremes: int
    constant: int
    changes: float
    changing: int
    is_bytes: int
    videos: int
    mean_sums: NDArray[np.float64]
    mean_squares: NDArray[np.float64]

    def __add__(self, other: "Profile") -> "Profile":
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Profile(*(one + two for one, two in pairs))


def of(videos: Videos) -> dict[str, Profile]:
    """Returns the profile of each feature of some videos, without those that hold NaN."""
    found = {}
    for name, feature in videos.features.items():
        parts = map(_of_rows, _rows(feature, videos))
        first = next(parts, None)
        if first is not None:
            found[name] = sum(parts, first)
    return found


def merged(found: Mapping[str, Profile], more: Mapping[str, Profile]) -> dict[str, Profile]:
    """Adds profiles by name; features of other sizes are left out."""
    added = {
        name: found[name] + more[name]
        for name in found.keys() & more.keys()
        if found[name].sums.shape == more[name].sums.shape
    }
    return {**more, **found, **added}


def _rows(feature: object, videos: Videos) -> Iterator[NDArray]:
    """Yields the frames of each video, or all videos at once."""
    if isinstance(feature, Frames) and videos.frames is not None:
        for row, count in enumerate(videos.frames.tolist()):
            if count:
                yield feature.select(np.array([row])).joined(np.array([count]))
    elif isinstance(feature, np.ndarray) and len(feature):
        yield feature[np.isfinite(feature).all(axis=1)]


def _of_rows(rows: NDArray) -> Profile:
    is_bytes = rows.dtype == np.uint8
    values = rows.astype(np.float32)
    if is_bytes:
        values = values * np.float32(spec.BYTE_SCALE) + np.float32(spec.BYTE_OFFSET)
    changes = np.abs(np.diff(values, axis=0)) if is_bytes else np.zeros((0, 0))
    means = values.mean(axis=0, keepdims=True) if is_bytes else values  # a video, or several
    return Profile(
        len(rows),
        values.sum(axis=0, dtype=np.float64),
        np.square(values).sum(axis=0, dtype=np.float64),
        int((values < 0).sum()),
        int(((rows == 0) | (rows == LARGEST)).sum()) if is_bytes else 0,
        int((rows == rows[:, :1]).all(axis=1).sum()),
        float(changes.sum(dtype=np.float64)),
        changes.size,
        int(is_bytes),
        len(means),
        means.sum(axis=0, dtype=np.float64),
        np.square(means).sum(axis=0, dtype=np.float64),
    )
