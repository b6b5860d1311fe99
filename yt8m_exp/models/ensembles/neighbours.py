"""The labels of the videos that are nearest among those known, as a model."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from yt8m_exp.models import inputs
from yt8m_exp.models.inputs import L2Normalize
from yt8m_exp.spec import InputError

_STEPS = 127  # of int8, from zero to the largest number of a vector


@dataclass(frozen=True)
class Vote:
    """How neighbours vote.

    Args:
        k: how many of them do.
        temperature: a neighbour weighs `exp((cosine - that of the nearest) / temperature)`.
        prior: added to the sum of all weights: a few neighbours are no certainty.
        audio: the length of each feature after the first (rgb), whose length is 1.

    Raises:
        InputError: an argument is out of its range.
    """

    k: int
    temperature: float
    prior: float
    audio: float

    def __post_init__(self) -> None:
        if self.k < 1 or self.temperature <= 0 or min(self.prior, self.audio) < 0:
            raise InputError(
                "`k >= 1`, `temperature > 0`, `prior >= 0` and `audio >= 0` must hold, but got "
                f"{self}."
            )


def build(
    features: Mapping[str, NDArray], labels: NDArray, classes: int, *, vote: Vote
) -> keras.Model:
    """Builds a model that holds the known videos and compares each video with all of them.

    Args:
        features: of the known videos by name, float32 (N, D) each.
        labels: their class ids, int32 (N, L), padded with -1, without repeats in a row.
        classes: C.
        vote: see `Vote`.

    Returns:
        A model from the named features, float32 (B, D), to votes in [0, 1), float32 (B, C).

    Raises:
        InputError: there are fewer known videos than neighbours.
    """
    named = inputs.named({name: values.shape[1] for name, values in features.items()})
    if len(labels) < vote.k:
        raise InputError(
            f"`k` must be at most the number of known videos, but got k={vote.k} of {len(labels)}."
        )
    vectors = _vectors(named, vote.audio)
    videos, most_labels = labels.shape
    layer = Neighbours(
        videos,
        most_labels,
        classes,
        k=vote.k,
        temperature=vote.temperature,
        prior=vote.prior,
        dtype="float32",
        name="probabilities",
    )
    model = keras.Model(named, layer(vectors), name="neighbours")
    known = keras.Model(named, vectors).predict(dict(features), batch_size=1024, verbose=0)
    layer.know(known, labels)
    return model


def _vectors(named: Mapping[str, keras.KerasTensor], audio: float) -> keras.KerasTensor:
    """Joins features to vectors of length one, in which those after the first weigh less."""
    parts = [L2Normalize(name=f"unit_{name}", dtype="float32")(x) for name, x in named.items()]
    parts[1:] = [keras.layers.Rescaling(audio, dtype="float32")(part) for part in parts[1:]]
    x = parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="features")(parts)
    return L2Normalize(name="vectors", dtype="float32")(x)


@keras.saving.register_keras_serializable("yt8m_exp")
class Neighbours(keras.layers.Layer):
    """Sums the labels of the nearest known videos: `sum_k w_k y_k / (sum_k w_k + prior)`.

    The search is exact. Vectors are kept as int8, each with its own scale.

    Args:
        videos: N, how many are known.
        labels: L, the most labels of one of them.
        classes: C.
        k, temperature, prior: see `Vote`.
    """

    def __init__(
        self,
        videos: int,
        labels: int,
        classes: int,
        *,
        k: int,
        temperature: float,
        prior: float,
        **layer,
    ) -> None:
        super().__init__(**layer)
        self.videos, self.labels, self.classes = videos, labels, classes
        self.k, self.temperature, self.prior = k, temperature, prior

    def build(self, shape):
        def constant(name, shape, dtype):
            return self.add_weight(
                name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
            )

        self.vectors = constant("vectors", (shape[-1], self.videos), "int8")
        self.scales = constant("scales", (self.videos,), "float32")
        self.class_ids = constant("class_ids", (self.videos, self.labels), "int32")

    def know(self, vectors: NDArray, labels: NDArray) -> None:
        """Stores the known videos.

        Args:
            vectors: of length one, float32 (N, D).
            labels: class ids, int32 (N, L), padded with -1.
        """
        steps, scales = in_steps(vectors)
        self.vectors.assign(steps.T)
        self.scales.assign(scales)
        self.class_ids.assign(np.where(labels < 0, self.classes, labels))

    def call(self, x):
        cosines = ops.matmul(x, ops.cast(self.vectors, "float32")) * self.scales  # (B, N)
        best, places = ops.top_k(cosines, self.k)  # (B, K)
        weights = ops.exp((best - best[:, :1]) / self.temperature)
        class_ids = ops.take(self.class_ids, places, axis=0)  # (B, K, L)
        rows = ops.arange(ops.shape(x)[0])[:, None, None] + ops.zeros_like(class_ids)
        indices = ops.reshape(ops.stack([rows, class_ids], axis=-1), (-1, 2))
        values = ops.reshape(ops.repeat(weights, self.labels, axis=1), (-1,))
        # Padding votes for a class behind the last one.
        votes = ops.scatter(indices, values, (ops.shape(x)[0], self.classes + 1))
        return votes[:, : self.classes] / (ops.sum(weights, axis=1, keepdims=True) + self.prior)

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], self.classes), dtype="float32")

    def get_config(self):
        return super().get_config() | {
            "videos": self.videos,
            "labels": self.labels,
            "classes": self.classes,
            "k": self.k,
            "temperature": self.temperature,
            "prior": self.prior,
        }


def in_steps(vectors: NDArray) -> tuple[NDArray, NDArray]:
    """Returns vectors (N, D) as int8, and the scale (N,) that each is to be multiplied by."""
    scales = np.abs(vectors).max(axis=1) / _STEPS
    steps = np.rint(vectors / np.where(scales > 0, scales, 1)[:, None])
    return steps.astype(np.int8), scales.astype(np.float32)
