"""The starter code's own numbers for frame-level models, and how our models are fed with them."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yt8m_exp import spec
from yt8m_exp.training import step
from yt8m_exp.training.losses import cross_entropy

GOLDEN = Path(__file__).parents[1] / "golden"
FEATURES = {"x": 10}
CLASSES = 7


class Golden:
    """What the starter code made of six videos, and what a model of ours makes of them.

    Its frames are numbers that no byte stands for, so our models begin behind `features`.
    """

    def __init__(self, name):
        self.numbers = np.load(GOLDEN / "models" / f"{name}.head.npz")
        self.labels = np.where(self["labels"], np.arange(CLASSES, dtype=np.int32), -1)

    def __getitem__(self, key):
        return self.numbers[key]

    def gradients(self, model, predict):
        """Loss, penalty and gradients of a model, raw and clipped by variable."""
        with tf.GradientTape() as tape:
            loss = cross_entropy(self.labels, predict())
            penalty = tf.add_n(model.losses)
            total = loss + penalty
        grads = tape.gradient(total, [variable.value for variable in model.trainable_variables])
        groups = step.clip_groups(model)
        return loss, penalty, grads, step.clipped(grads, step.Clip(0.05), groups)


def as_bytes(numbers):
    """What `Dequantize` makes these numbers of: bytes, but for the fractions."""
    return ((numbers - spec.BYTE_OFFSET) / spec.BYTE_SCALE).astype(np.float32)


def behind(model, layer):
    """What a model makes of the output of a layer, and of the count of frames sampled."""
    x, count = model.get_layer(layer).output, model.get_layer("sampled").output[-1]
    rest = keras.Model([x, count], model.output)
    return lambda x, count, training: rest([tf.constant(x), tf.constant(count)], training=training)
