"""Embeddings of the place of a frame in its video."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("yt8m_exp")
class LearnedPositions(keras.layers.Layer):
    """Returns a learned embedding of each frame's place (B, T, E) for x (B, T, D).

    Args:
        units: E.
        max_frames: places; frames after the last one share its embedding.
    """

    def __init__(self, units: int, max_frames: int, **layer) -> None:
        super().__init__(**layer)
        self.units = units
        self.max_frames = max_frames

    def build(self, shape):
        shape, initializer = (self.max_frames, self.units), keras.initializers.TruncatedNormal(0.02)
        self.table = self.add_weight(shape, initializer, name="table")

    def call(self, x):
        videos, length, _ = ops.shape(x)
        places = ops.minimum(ops.arange(length), self.max_frames - 1)
        rows = ops.take(ops.convert_to_tensor(self.table), places, axis=0)
        return ops.broadcast_to(rows[None], (videos, length, self.units))

    def get_config(self):
        return super().get_config() | {"units": self.units, "max_frames": self.max_frames}


@keras.saving.register_keras_serializable("yt8m_exp")
class SinusoidalPositions(keras.layers.Layer):
    """Returns sines, then cosines of each frame's place (B, T, D) for x (B, T, D).

    Source: A. Vaswani et al., "Attention is all you need", 2017, section 3.5,
    https://arxiv.org/abs/1706.03762.
    """

    def call(self, x):
        videos, length, size = ops.shape(x)
        sines = (size + 1) // 2
        rates = 10_000.0 ** (-np.arange(sines, dtype="float32") / max(sines - 1, 1))
        angles = ops.cast(ops.arange(length), "float32")[:, None] * rates
        rows = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=1)[:, :size]
        return ops.broadcast_to(ops.cast(rows, x.dtype)[None], (videos, length, size))
