"""Batch normalisation as in the starter code, over frames without padding.

Source: S. Ioffe and C. Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167.
Keras' own layer averages biased variances, and it normalises every value, where the bag of frames
(`dbof`) normalises only the largest. As in Keras and in the starter code, each replica normalises
by its own rows, and the moving averages are those of the first replica.
"""

from typing import NamedTuple

import keras
from keras import ops


class Moments(NamedTuple):
    """Mean (D,) and biased variance (D,) of rows, and their number."""

    mean: keras.KerasTensor
    variance: keras.KerasTensor
    rows: keras.KerasTensor


def moments(x: keras.KerasTensor, weights: keras.KerasTensor) -> Moments:
    """Returns the moments of the rows of x (N, D) whose weight (N,) is 1; others have weight 0."""
    weights = ops.cast(weights, "float32")
    rows = ops.sum(weights)
    means = _sums(ops.cast(x, "float32"), weights) / ops.maximum(rows, 1)
    return Moments(means[0], ops.maximum(means[1] - ops.square(means[0]), 0), rows)


@ops.custom_gradient
def _sums(x, weights):
    """Returns the weighted sums over rows of x and of its squares (2, D).

    One gradient covers both, which saves memory: x may be the largest tensor of a model.
    """
    sums = ops.concatenate([ops.matmul(weights[None], y) for y in (x, ops.square(x))])

    def gradient(upstream):
        return (x * (2 * upstream[1]) + upstream[0]) * weights[:, None], ops.zeros_like(weights)

    return sums, gradient


@keras.saving.register_keras_serializable("yt8m_exp")
class BatchNorm(keras.layers.Layer):
    """Normalises each of D values to mean zero and variance one over a batch, then rescales it.

    It takes x (..., D) and, where not all rows count, their weights (...), which are 0 or 1. If it
    is frozen (`trainable` is false), it normalises by its averages in training, too.

    Args:
        decay: decay of the moving averages, which are used in inference.
        epsilon: added to the variance.
        unbiased: whether the moving average is that of unbiased variances.
    """

    def __init__(
        self, decay: float = 0.999, epsilon: float = 1e-3, unbiased: bool = True, **layer
    ) -> None:
        super().__init__(**layer)
        self.decay = decay
        self.epsilon = epsilon
        self.unbiased = unbiased

    def build(self, shape):
        def weight(name, initializer, trainable):
            return self.add_weight(
                shape[-1:], initializer, trainable=trainable, autocast=False, name=name
            )

        self.gamma = weight("gamma", "ones", True)
        self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(self, x, weights=None, training=False):
        return ops.cast(self.normalized(x, weights, training), self.compute_dtype)

    def compute_output_spec(self, x, weights=None, training=False):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def normalized(self, x, weights=None, training=False) -> keras.KerasTensor:
        """Returns x (..., D) normalised, as float32; `weights` (...) says which rows count."""
        batch = None
        if training:
            rows = ops.reshape(x, (-1, x.shape[-1]))
            weights = ops.ones_like(rows[:, 0]) if weights is None else ops.reshape(weights, (-1,))
            batch = moments(rows, weights)
        scale, shift = self.affine(batch)
        return ops.cast(x, "float32") * scale + shift

    def affine(self, batch: Moments | None) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Returns the scale (D,) and the shift (D,) that normalise, and updates the averages.

        Args:
            batch: moments of the batch in training; None takes the moving averages, as a frozen
                layer always does.
        """
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if batch and self.trainable:
            mean, variance, rows = batch
            factor = rows / ops.maximum(rows - 1, 1) if self.unbiased else 1.0
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance * factor)
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        return scale, self.beta - mean * scale

    def _move(self, average, value):
        average.assign(self.decay * average + (1 - self.decay) * value)

    def get_config(self):
        return super().get_config() | {
            "decay": self.decay,
            "epsilon": self.epsilon,
            "unbiased": self.unbiased,
        }
