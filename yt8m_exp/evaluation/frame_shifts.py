"""Frame shifts at test time: the mean prediction of a video and of copies moved by some frames.

Source: the ninth place of the competition of 2019, which averaged shifts of -2 to 1,
https://github.com/hughshaoqz/3rd-Youtube8M-TM.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Batch = Mapping[str, np.ndarray]


def shifted(
    predict: Callable[[Batch], np.ndarray], shifts: Sequence[int]
) -> Callable[[Batch], np.ndarray]:
    """Returns what predicts the mean over copies of a batch.

    Args:
        predict: from a batch to probabilities (B, C).
        shifts: frames by which a copy is moved, as [-1, 0, 1]; see `moved`.
    """

    def mean(batch: Batch) -> np.ndarray:
        predictions = [predict(moved(batch, shift)) for shift in shifts]
        found = np.asarray(np.mean(predictions, axis=0, dtype=np.float32))
        found.flags.writeable = False  # like TensorFlow's arrays, for which loops are compiled
        return found

    return mean if moves_any(shifts) else predict


def moves_any(shifts: Sequence[int]) -> bool:
    """Returns whether a shift moves frames, or there are several."""
    return list(shifts) != [0]


def moved(batch: Batch, shift: int) -> Batch:
    """Returns videos that begin some frames later, or earlier if the shift is negative.

    A video keeps the number of its frames: its first or last one is repeated.

    Args:
        batch: frame-level features (B, T, D), `frames` (B,), and more.
        shift: frames.
    """
    if not shift:
        return batch
    last = np.maximum(batch["frames"] - 1, 0)[:, None]
    found = dict(batch)
    for name, values in batch.items():
        if values.ndim == 3:
            places = np.clip(np.arange(values.shape[1])[None] + shift, 0, last)
            found[name] = np.take_along_axis(values, places[:, :, None], axis=1)
    return found
