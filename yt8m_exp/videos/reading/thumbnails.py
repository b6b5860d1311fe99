"""Small pictures of a video at some of its seconds."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.videos.reading import pictures

WIDTH = 160


def at(path: Path, seconds: Iterable[int]) -> dict[int, NDArray[np.uint8]]:
    """Returns pictures of about `WIDTH` pixels in width by second, RGB uint8 (H, W, 3).

    Raises:
        BadVideoError: the file cannot be decoded.
    """
    wanted = set(seconds)
    shown = enumerate(pictures.each_second(path, max(wanted, default=0) + 1))
    return {second: _small(picture) for second, picture in shown if second in wanted}


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Averages squares of pixels."""
    n = max(round(picture.shape[1] / WIDTH), 1)
    height, width = (picture.shape[0] // n or 1, picture.shape[1] // n or 1)
    squares = picture[: height * n, : width * n].reshape(height, -1, width, n, 3)
    return squares.mean(axis=(1, 3)).astype(np.uint8)
