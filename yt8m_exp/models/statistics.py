"""Statistics of a video's frames: video-level features that are made inside the model.

Source: S. Abu-El-Haija et al., "YouTube-8M", 2016, section 4.2.1, https://arxiv.org/abs/1609.08675:
mean, standard deviation and the largest values of each feature. The number of frames is added as
by MoNN, https://github.com/mpekalski/Y8M.
"""

import keras
from keras import ops

from yt8m_exp import spec
from yt8m_exp.models import normalization
from yt8m_exp.models.frames import dequantized, mask
from yt8m_exp.models.normalization import Normalize, inverse_length
from yt8m_exp.spec import InputError

CENTER = spec.MAX_FRAMES // 2 + 1
"""MoNN's centre of the number of frames."""


@keras.saving.register_keras_serializable("yt8m_exp")
class Statistics(keras.layers.Layer):
    """Returns statistics (B, S) of frames: bytes (B, T, D) of each feature, and their number (B,).

    The mean of each feature comes first, then the other statistics, each of all features, and the
    number of frames as `(frames - 151) / 300`. A video without frames has zeros but for the last.

    Args:
        normalize: see `normalization.of`; what is scaled is each statistic of each feature, or
            all of them together.
        std: whether the standard deviations are among them.
        top: how many of the largest values of each feature are among them, falling; where a video
            has fewer frames, its smallest value stands for those that it lacks.
        count: whether the number of frames is.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(self, normalize: Normalize, std: bool, top: int, count: bool, **layer) -> None:
        super().__init__(**layer)
        self.normalize = normalize
        self.normalization = normalization.of(normalize)
        if top < 0:
            raise InputError(f"`top >= 0` must hold, but got top={top}.")
        self.std, self.top, self.count = std, top, count

    def call(self, parts, frames):
        number = ops.cast(frames, "float32")[:, None]
        is_frame = mask(parts[0], frames)
        share = ops.cast(is_frame, "float32") / ops.maximum(number, 1)
        parts = dequantized(parts, self.normalization)
        found = means = [_mean(x, share) for x in parts]
        if self.std:
            apart = [x - mean[:, None, :] for x, mean in zip(parts, means, strict=True)]
            found = found + [ops.sqrt(_mean(ops.square(x), share)) for x in apart]
        ranks = [_largest(x, is_frame, number, self.top) for x in parts]
        found = found + [x for rank in zip(*ranks, strict=True) for x in rank]
        squares = [ops.sum(ops.square(x), axis=-1, keepdims=True) for x in found]
        sizes = [x.shape[-1] for x in found]
        scales = inverse_length(squares, self.normalization, sizes)
        found = [x * scale for x, scale in zip(found, scales, strict=True)]
        count = [(number - CENTER) / spec.MAX_FRAMES] if self.count else []
        return ops.concatenate([*found, *count], axis=-1)

    def compute_output_spec(self, parts, frames):
        size = sum(part.shape[-1] for part in parts) * (1 + self.std + self.top) + self.count
        return keras.KerasTensor((frames.shape[0], size), dtype="float32")

    def get_config(self):
        return super().get_config() | {
            "normalize": self.normalize,
            "std": self.std,
            "top": self.top,
            "count": self.count,
        }


def _mean(x, share):
    """Returns the mean (B, D) of x (B, T, D), weighted by the share (B, T) of each row."""
    return ops.matmul(share[:, None, :], x)[:, 0]


def _largest(x, is_frame, number, top):
    """Returns the largest values (B, D) of x (B, T, D) over frames, one array for each rank."""
    if not top:
        return []
    x, is_frame = ops.transpose(x, (0, 2, 1)), is_frame[:, None, :]  # (B, D, T)
    room = ((0, 0), (0, 0), (0, top))
    ranked, _ = ops.top_k(ops.pad(ops.where(is_frame, x, -1e30), room, constant_values=-1e30), top)
    smallest = ops.min(ops.where(is_frame, x, 1e30), axis=-1)
    found = [ops.where(rank < number, ranked[:, :, rank], smallest) for rank in range(top)]
    return [ops.where(number > 0, values, 0.0) for values in found]
