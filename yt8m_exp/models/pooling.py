"""Layers that pool the features of frames x (B, T, D) to one vector of a video (B, D).

They are given the number of frames of each video, int32 (B,), and the rows after them do not count.
With `padded`, all T rows do, as in the code of some winners: what a video scores then depends on
the longest one of its batch. A video without frames gets zeros, unless `padded`.
"""

import keras
from keras import ops

from yt8m_exp.models.frames import mask


class _Pooling(keras.layers.Layer):
    """A pooling of frames.

    Args:
        padded: whether all rows count as frames.
    """

    def __init__(self, padded: bool = False, **layer) -> None:
        super().__init__(**layer)
        self.padded = padded

    def get_config(self):
        return super().get_config() | {"padded": self.padded}


@keras.saving.register_keras_serializable("yt8m_exp")
class MeanPooling(_Pooling):
    """Returns the mean over frames."""

    def call(self, x, frames):
        if self.padded:
            return ops.mean(x, axis=1)
        count = ops.cast(ops.maximum(frames, 1), "float32")
        share = ops.cast(mask(x, frames), "float32") / count[:, None]
        return ops.matmul(ops.cast(share, x.dtype)[:, None, :], x)[:, 0]


@keras.saving.register_keras_serializable("yt8m_exp")
class MaxPooling(_Pooling):
    """Returns the largest value over frames of each feature."""

    def call(self, x, frames):
        if self.padded:
            return ops.max(x, axis=1)
        largest = ops.max(ops.where(mask(x, frames)[:, :, None], x, -1e30), axis=1)
        return or_zero(largest, frames)


@keras.saving.register_keras_serializable("yt8m_exp")
class LastFrame(_Pooling):
    """Returns the row of each video's last frame."""

    def call(self, x, frames):
        return x[:, -1] if self.padded else or_zero(at_last_frame(x, frames), frames)


@keras.saving.register_keras_serializable("yt8m_exp")
class AttentionPooling(_Pooling):
    """Returns means (B, A, D) over frames, weighted by softmax(scores), scores (B, T, A)."""

    def call(self, scores, x, frames):
        scores = ops.transpose(ops.cast(scores, "float32"), (0, 2, 1))  # (B, A, T)
        if not self.padded:
            is_frame = mask(x, frames)[:, None, :]
            scores = ops.where(is_frame, scores, -1e30)
        weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        if not self.padded:
            weights = ops.where(is_frame, weights, 0.0)
        total = ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-30)  # 0 without frames
        return ops.matmul(ops.cast(weights / total, x.dtype), x)


def at_last_frame(x: keras.KerasTensor, frames: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the row (B, D) of each video's last frame in x (B, T, D); of no frames, the first."""
    videos, length, size = ops.shape(x)
    indices = ops.maximum(frames - 1, 0) + length * ops.arange(videos)
    return ops.take(ops.reshape(x, (-1, size)), indices, axis=0)


def or_zero(x: keras.KerasTensor, frames: keras.KerasTensor) -> keras.KerasTensor:
    """Returns x (B, D), zero for videos without frames."""
    return ops.where(frames[:, None] > 0, x, 0.0)
