"""Estimates the memory that training takes, before any step is run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from yt8m_exp.data.means import MEAN
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.memory import liveness
from yt8m_exp.training.step import LABELS_STEP

SLACK, FIRST_STEP = 1.2, 100 << 20
"""A step takes this many times the bytes of its tensors (the rest are gaps between them, and what
operations need for themselves), and so many bytes once. Measured by `benchmarks/memory.py`."""
BATCHES_AHEAD = 3
"""Batches beside the one in use: two that wait, and one that is being made."""


@dataclass(frozen=True)
class Estimate:
    """Bytes that training takes.

    Attributes:
        weights: of the model.
        optimizer: its moments and averages.
        step: of a replica, what lives at a time in a step: the batch, activations, gradients.
        reading: batches that are read ahead, and groups of shards; in the memory of the host.
    """

    weights: int
    optimizer: int
    step: int
    reading: int


def estimate(
    learner: Learner,
    update: Callable[..., Any],
    batch: Mapping[str, tf.TensorSpec],
    *,
    group_bytes: int = 0,
    replicas: int = 1,
) -> Estimate:
    """Estimates the memory of training.

    Args:
        learner: the model and its optimizer.
        update: what `step.compiled` returns for them. It is traced, not run.
        batch: see `batch_of`.
        group_bytes: of a group of shards; two are in memory.
        replicas: how many of them on this host take such a batch each.
    """
    features = {name: batch[name] for name in Entry(learner.model).names(batch)}
    known = {name: spec for name, spec in batch.items() if name not in learner.model.input}
    known.pop(MEAN, None)
    traced = update.get_concrete_function(features, known, tf.TensorSpec([], tf.float32))  # type: ignore[attr-defined]
    ahead = sum(map(_bytes, features.values())) * BATCHES_AHEAD * replicas
    return Estimate(
        weights=sum(map(_bytes, learner.model.variables)),
        optimizer=sum(map(_bytes, learner.optimizer.variables)),
        step=int(SLACK * liveness.peak_bytes(traced.graph)) + FIRST_STEP,
        reading=ahead + 2 * group_bytes,
    )


def batch_of(
    model: keras.Model, batch_size: int, frames: int, *, rated: bool = False, means: bool = True
) -> dict[str, tf.TensorSpec]:
    """Returns shapes and types of the largest batch that a model is trained on.

    Args:
        model: takes features by name.
        batch_size: B, of a replica.
        frames: T, the most of a video; of no meaning for video-level features.
        rated: whether examples are segments, of which `rated` classes are known.
        means: whether means are read in place of frames where a model needs no more.
    """
    shapes = {
        name: tf.TensorSpec(
            [batch_size, *(frames if n is None else n for n in x.shape[1:])], x.dtype
        )
        for name, x in model.input.items()
    }
    if means and Entry(model).means:
        size = sum(x.shape[2] for x in shapes.values() if len(x.shape) == 3)
        shapes = {MEAN: tf.TensorSpec([batch_size, size], tf.float32)}
    names = ("labels", "rated") if rated else ("labels",)
    return shapes | dict.fromkeys(names, tf.TensorSpec([batch_size, LABELS_STEP], tf.int32))


def _bytes(x: Any) -> int:
    return x.shape.num_elements() * tf.as_dtype(x.dtype).size
