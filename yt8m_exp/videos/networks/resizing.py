"""Resizes pictures as the published graph of Inception does.

Its `ResizeBilinear` (without aligned corners or half-pixel centres) looks at the four pixels around
each point, however much smaller the picture becomes. Libraries that average more of them give other
features.
"""

import numpy as np
from numpy.typing import NDArray

SIZE = 299


def resized(picture: NDArray[np.uint8], size: int = SIZE) -> NDArray[np.float32]:
    """Returns a picture (H, W, 3) in the size of the network's input, float32 (size, size, 3)."""
    top, bottom, down = _points(picture.shape[0], size)
    left, right, across = _points(picture.shape[1], size)
    across, down = across[:, None], down[:, None, None]
    rows = np.stack([picture[top], picture[bottom]]).astype(np.float32)  # (2, size, W, 3)
    between = rows[:, :, left] + (rows[:, :, right] - rows[:, :, left]) * across
    return between[0] + (between[1] - between[0]) * down


def _points(length: int, size: int) -> tuple[NDArray, NDArray, NDArray]:
    """Returns the two pixels around each point of a line, and how near it is to the second."""
    at = np.arange(size, dtype=np.float32) * np.float32(length / size)
    first = at.astype(np.int64)
    return first, np.minimum(first + 1, length - 1), at - first.astype(np.float32)
