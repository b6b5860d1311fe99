"""One update of the weights, compiled, on as many replicas as the strategy has."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from yt8m_exp.data.videos import LABEL_PADDING
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.scoring import KNOWN, Loss
from yt8m_exp.training import replicas
from yt8m_exp.training.optimizers import clip

Step = Callable[[Mapping[str, np.ndarray], float], tf.Tensor]
LABELS_STEP = 16


@dataclass(frozen=True)
class Clip:
    """See `optimizers.clip`."""

    norm: float | None = None
    by: Literal["variable", "global"] = "variable"

    @property
    def shortens(self) -> bool:
        """Whether any gradient can be too long."""
        return self.norm is not None and self.norm > 0


def make(
    model: keras.Model,
    loss: Loss,
    optimizer: keras.optimizers.Optimizer,
    *,
    strategy: tf.distribute.Strategy,
    clip_to: Clip = Clip(),
    jit_compile: bool = False,
) -> Step:
    """Compiles the update of a model's weights.

    Gradients are averaged over replicas, then clipped, those of the regularisation included.

    Args:
        model: takes features by name, returns probabilities (B, C).
        loss: takes `labels` (B, L), `predictions` and, where the batch has them, `rated` classes
            by name; returns the mean over videos.
        optimizer: already built for the model's variables, both under the strategy.
        strategy: the replicas.
        clip_to: how gradients are clipped.
        jit_compile: whether XLA compiles forward and backward (with one replica the update too).

    Returns:
        A function of a batch (this worker's rows) and a learning rate that updates the weights and
        returns the mean loss of the labels, without regularisation, as a tensor.
    """
    count = strategy.num_replicas_in_sync
    entry = Entry(model)
    weights = [variable.value for variable in model.trainable_variables]

    def gradients(features: dict[str, tf.Tensor], known: dict[str, tf.Tensor]):
        with tf.GradientTape() as tape:
            label_loss = loss(predictions=entry.predict(features, training=True), **known)
            total = label_loss + tf.add_n(model.losses) if model.losses else label_loss
        return label_loss, tape.gradient(total, weights)

    def apply(grads: list[tf.Tensor]) -> None:
        if count > 1 and clip_to.shortens:
            context = tf.distribute.get_replica_context()
            grads = context.all_reduce(tf.distribute.ReduceOp.MEAN, grads)
        grads = clip(grads, clip_to.norm, clip_to.by)
        # Keras adds gradients up over replicas: a share of each gives the mean.
        optimizer.apply([g / count for g in grads] if count > 1 else grads)

    def update(features: dict[str, tf.Tensor], known: dict[str, tf.Tensor]) -> tf.Tensor:
        label_loss, grads = gradients(features, known)
        apply(grads)
        return label_loss

    if count == 1:
        update = tf.function(update, jit_compile=jit_compile, autograph=False)
    else:
        gradients = tf.function(gradients, jit_compile=jit_compile, autograph=False)

    @tf.function(autograph=False)  # which would take most of the time until the first step
    def everywhere(features, known, learning_rate):
        optimizer.learning_rate.assign(learning_rate)
        losses = strategy.run(update, args=(features, known))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    def step(batch: Mapping[str, np.ndarray], learning_rate: float) -> tf.Tensor:
        features = {name: replicas.deal(strategy, batch[name]) for name in entry.names(batch)}
        known = {
            name: replicas.deal(strategy, _widened(batch[name])) for name in KNOWN & batch.keys()
        }
        return everywhere(features, known, tf.constant(learning_rate, tf.float32))

    return step


def _widened(labels: np.ndarray) -> np.ndarray:
    """Pads labels (B, L) to a few widths only: each width is compiled anew, which takes seconds."""
    room = -labels.shape[1] % LABELS_STEP
    return np.pad(labels, ((0, 0), (0, room)), constant_values=LABEL_PADDING)


@contextmanager
def averaged(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Puts the weights' moving averages in their place for a while, if the optimizer has any."""
    if not optimizer.use_ema or optimizer.iterations.numpy() == 0:
        yield
        return
    weights = [variable.numpy() for variable in model.trainable_variables]
    optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)
