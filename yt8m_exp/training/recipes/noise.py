"""Noise on features: a model must not depend on small differences.

Source: C. Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995,
https://doi.org/10.1162/neco.1995.7.1.108.
"""

import tensorflow as tf

from yt8m_exp import spec
from yt8m_exp.training.recipes.chance import Chance
from yt8m_exp.training.recipes.changes import Change, Tensors


def noise(deviation: float, chance: Chance) -> Change:
    """Returns what adds noise of a normal distribution to each value of each feature.

    Args:
        deviation: of the noise. A value of a frame deviates by about one over the dataset.
        chance: draws it.
    """

    def add(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
        named = {
            name: _noisy(x, deviation, chance.of(chance.purpose + 10 * place))
            for place, (name, x) in enumerate(sorted(features.items()))
            if name != "frames"
        }
        return {**features, **named}, known

    return add


def _noisy(x: tf.Tensor, deviation: float, chance: Chance) -> tf.Tensor:
    numbers = chance.normal(tf.shape(x))
    if x.dtype != tf.uint8:
        return x + deviation * numbers
    moved = tf.cast(x, tf.float32) + deviation / spec.BYTE_SCALE * numbers
    return tf.cast(tf.clip_by_value(tf.round(moved), 0, 255), tf.uint8)
