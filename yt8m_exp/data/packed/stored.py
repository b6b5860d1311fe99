"""Floats in fewer bytes, and how far they may be from what they were."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from yt8m_exp.spec import InputError

Precision = Literal["float32", "float16", "uint8"]
LEVELS = 255
"""Steps of uint8 from the lowest number of a row to the highest."""
ROUNDING = 2.0**-22
"""What float32 may add to an error, as a share of the largest number of a row; see `bound`."""


@dataclass(frozen=True)
class Stored:
    """A feature of N videos as it is stored.

    Args:
        table: rows of float32, float16 or uint8, (M, D).
        places: the row of each video, int64 (N,).
        scales: the lowest number of each row and the step above it, float32 (M, 2); of uint8 alone.
    """

    table: np.ndarray
    places: np.ndarray
    scales: np.ndarray | None = None

    def take(self, rows: np.ndarray, axis: int = 0) -> np.ndarray:
        """Returns the feature of some videos, float32 (B, D)."""
        places = self.places[rows]
        values = self.table.take(places, axis=0).astype(np.float32, copy=False)
        if self.scales is not None:
            lowest, step = self.scales[places].T[..., None]
            values *= step
            values += lowest
        return values


def store(values: np.ndarray, precision: Precision) -> Stored:
    """Stores a feature of N videos.

    Args:
        values: float32 (N, D), finite.
        precision: float32 keeps every bit. float16 rounds to 11 bits. uint8 is at most half of
            1/255 of the row's range away.

    Raises:
        InputError: a number is too large for it.
    """
    scales = None
    if precision == "uint8":
        lowest = values.min(axis=1, keepdims=True, initial=np.inf).astype(np.float64)
        step = (values.max(axis=1, keepdims=True, initial=-np.inf) - lowest) / LEVELS
        scales = np.hstack([lowest, step]).astype(np.float32)
        table = np.rint((values - lowest) / np.where(step > 0, step, 1)).astype(np.uint8)
    else:
        with np.errstate(over="ignore"):  # refused below
            table = values.astype(precision)
    found = Stored(table, np.arange(len(values)), scales)
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = ~(np.abs(found.take(found.places) - values) <= bound(values, precision))
    if wrong.any():
        raise InputError(
            f"`data.packed.precision={precision}` cannot hold {values[wrong][0]}. Set float32."
        )
    return found


def bound(values: np.ndarray, precision: Precision) -> np.ndarray:
    """Returns how far each stored number may be from what it was, (N, D) or (N, 1)."""
    if precision == "float32":
        return np.zeros((len(values), 1))
    size = np.abs(values.astype(np.float64))
    if precision == "float16":
        return np.maximum(size * 2.0**-11, 2.0**-25)  # below 2^-14 its numbers are evenly spaced
    low, high = values.min(axis=1, initial=np.inf), values.max(axis=1, initial=-np.inf)
    half = (high.astype(np.float64) - low) / LEVELS / 2
    rounding = ROUNDING * size.max(axis=1, initial=0) + np.finfo(np.float32).tiny
    return (half + rounding)[:, None]
