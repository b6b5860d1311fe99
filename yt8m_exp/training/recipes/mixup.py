"""Mixup: a model sees mixtures of two videos, with the labels of both.

Source: H. Zhang et al., "mixup: beyond empirical risk minimization", 2017,
https://arxiv.org/abs/1710.09412. Here each video is mixed with the one before it in the batch.
"""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from yt8m_exp.training.recipes.chance import Chance
from yt8m_exp.training.recipes.changes import PAIRS, Change, Tensors

STEPS = 4096


def mixup(alpha: float, chance: Chance) -> Change:
    """Returns what mixes the videos of a batch.

    Means are mixed as they are. Frames are mixed one by one: a video keeps the number of its
    frames, and the other's frames are repeated where there are fewer.

    Args:
        alpha: of the beta distribution that the share of each video is drawn of.
        chance: draws it.
    """
    table = tf.constant(quantiles(alpha), tf.float32)

    def mix(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
        uniforms = chance.uniform(tf.shape(known["labels"])[:1])
        own = tf.gather(table, tf.cast(uniforms * STEPS, tf.int32))  # (B,)
        return mixed(features, known, own)

    return mix


def mixed(features: Tensors, known: Tensors, own: tf.Tensor) -> tuple[Tensors, Tensors]:
    """Mixes each video with the one before it, the first with the last.

    Args:
        features: by name.
        known: with the shares of labels.
        own: the share of each video in its mixture, (B,); the other's is the rest.
    """
    if "frames" in features:
        own = tf.where(_before(features["frames"]) > 0, own, 1.0)
    named = {
        name: _mixed_frames(x, features["frames"], own) if x.dtype == tf.uint8 else _mixed(x, own)
        for name, x in features.items()
        if name != "frames"
    }
    found = dict(known)
    for labels, shares in PAIRS:
        if labels in known:
            found[labels] = tf.concat([known[labels], _before(known[labels])], axis=1)
            parts = [own[:, None] * known[shares], (1 - own[:, None]) * _before(known[shares])]
            found[shares] = tf.concat(parts, axis=1)
    return {**features, **named}, found


def quantiles(alpha: float) -> NDArray[np.float64]:
    """Returns as many numbers as `STEPS`, rising, evenly spread over Beta(alpha, alpha)."""
    x = np.sin(np.linspace(0, np.pi / 2, 100_001)) ** 2  # dense at both ends, as the numbers are
    parameter = np.full(x.shape, alpha)
    below = tf.math.betainc(parameter, parameter, x).numpy()
    return np.interp((np.arange(STEPS) + 0.5) / STEPS, below, x)


def _before(x: tf.Tensor) -> tf.Tensor:
    return tf.roll(x, 1, axis=0)


def _mixed(x: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    own = own[:, None]
    return own * x + (1 - own) * _before(x)


def _mixed_frames(x: tf.Tensor, frames: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Mixes bytes (B, T, D), which are numbers up to a scale and a shift."""
    places = tf.range(tf.shape(x)[1])[None] % tf.maximum(_before(frames), 1)[:, None]
    other = tf.gather(_before(x), places, batch_dims=1)
    own = own[:, None, None]
    both = own * tf.cast(x, tf.float32) + (1 - own) * tf.cast(other, tf.float32)
    return tf.cast(tf.round(both), tf.uint8)
