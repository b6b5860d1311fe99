"""One update of the weights, compiled, on as many replicas as the strategy has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from yt8m_exp.data.videos import LABEL_PADDING
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.scoring import KNOWN, Loss
from yt8m_exp.models import auxiliary
from yt8m_exp.training import replicas
from yt8m_exp.training.optimizers import clip
from yt8m_exp.training.recipes.changes import Change, all_of
from yt8m_exp.training.recipes.distillation import SOFT

Step = Callable[[Mapping[str, np.ndarray], float], tf.Tensor]
Compiled = Callable[..., tf.Tensor]
"""What `compiled` returns."""
LABELS_STEP = 16


@dataclass(frozen=True)
class Clip:
    """See `clipped` and `optimizers.clip`."""

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
    change: Change | None = None,
) -> Step:
    """Returns a function of a batch (this worker's rows) and a learning rate; see `compiled`."""
    everywhere = compiled(
        model,
        loss,
        optimizer,
        strategy=strategy,
        clip_to=clip_to,
        jit_compile=jit_compile,
        change=change,
    )
    return of_batches(model, everywhere, strategy)


def of_batches(model: keras.Model, everywhere: Compiled, strategy: tf.distribute.Strategy) -> Step:
    """Returns a function of a batch (this worker's rows), whose rows go to the replicas.

    Args:
        model: takes features by name.
        everywhere: what `compiled` returned for it.
        strategy: the replicas.
    """
    entry = Entry(model)

    def step(batch: Mapping[str, np.ndarray], learning_rate: float) -> tf.Tensor:
        features = {name: replicas.deal(strategy, batch[name]) for name in entry.names(batch)}
        known = {
            name: replicas.deal(strategy, _widened(batch[name]))
            for name in (*KNOWN, *SOFT)
            if name in batch
        }
        return everywhere(features, known, tf.constant(learning_rate, tf.float32))

    return step


def compiled(
    model: keras.Model,
    loss: Loss,
    optimizer: keras.optimizers.Optimizer,
    *,
    strategy: tf.distribute.Strategy,
    clip_to: Clip = Clip(),
    jit_compile: bool = False,
    change: Change | None = None,
) -> Compiled:
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
        change: changes each batch before; see `recipes.changes`.

    Returns:
        A function of features and of what is known of the videos, both by name and dealt to the
        replicas, and of a learning rate. It updates the weights and returns the mean loss of the
        labels, without auxiliary predictions and penalties, as a tensor.
    """
    count = strategy.num_replicas_in_sync
    gradients = _gradients(model, loss, change or all_of([]))
    apply = _application(model, optimizer, clip_to, count)

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

    return everywhere


def _gradients(model: keras.Model, loss: Loss, change: Change) -> Callable:
    """Returns what computes the loss of the labels, and the gradients of all that is minimised.

    That is also the loss of auxiliary predictions, and penalties: regularisers, and what a layer
    adds in training by Keras' `add_loss`.
    """
    weights = [variable.value for variable in model.trainable_variables]
    trained, loss_weights = auxiliary.supervised(model)
    entry = Entry(trained)

    def gradients(features: dict[str, tf.Tensor], known: dict[str, tf.Tensor]):
        changed, targets = change(features, known)
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(entry.predict(changed, training=True))
            losses = [loss(predictions=output, **targets) for output in outputs]
            shares = [w * value for w, value in zip(loss_weights, losses, strict=True)]
            total = tf.add_n([*shares, *model.losses])
        return losses[0], tape.gradient(total, weights)

    return gradients


def _application(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, clip_to: Clip, count: int
) -> Callable[[list[tf.Tensor]], None]:
    """Returns what clips gradients and updates the weights, on each of `count` replicas."""
    groups = clip_groups(model)

    def apply(grads: list[tf.Tensor]) -> None:
        if count > 1 and clip_to.shortens:
            context = tf.distribute.get_replica_context()
            grads = context.all_reduce(tf.distribute.ReduceOp.MEAN, grads)
        grads = clipped(grads, clip_to, groups)
        # Keras adds gradients up over replicas: a share of each gives the mean.
        optimizer.apply([g / count for g in grads] if count > 1 else grads)

    return apply


def clip_groups(model: keras.Model) -> list[list[int]]:
    """Returns the places of trainable variables whose gradients are clipped by one norm.

    A variable is a group by itself, unless a layer says by `clipped_as_one` what belongs together.
    """
    places = {id(variable): n for n, variable in enumerate(model.trainable_variables)}
    joined = [group for layer in model.layers for group in getattr(layer, "clipped_as_one", [])]
    groups = [[places.pop(id(v)) for v in group if id(v) in places] for group in joined]
    return [group for group in groups if group] + [[place] for place in places.values()]


def clipped(
    grads: Sequence[tf.Tensor], clip_to: Clip, groups: Sequence[Sequence[int]]
) -> list[tf.Tensor]:
    """Shortens gradients to a norm, by `variable` those of a group by their common norm."""
    if clip_to.norm is None or clip_to.by != "variable":
        return clip(grads, clip_to.norm, clip_to.by)
    flat = [_flat([grads[place] for place in group]) for group in groups]
    short = list(grads)
    for group, joined in zip(groups, clip(flat, clip_to.norm, clip_to.by), strict=True):
        sizes = [grads[place].shape.num_elements() for place in group]
        parts = tf.split(joined, sizes) if len(group) > 1 else [joined]
        for place, part in zip(group, parts, strict=True):
            short[place] = tf.reshape(part, grads[place].shape)
    return short


def _flat(parts: list[tf.Tensor]) -> tf.Tensor:
    return tf.concat([tf.reshape(p, [-1]) for p in parts], 0) if len(parts) > 1 else parts[0]


def _widened(labels: np.ndarray) -> np.ndarray:
    """Pads labels or shares (B, L) to a few widths: each is compiled anew, which takes seconds."""
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
