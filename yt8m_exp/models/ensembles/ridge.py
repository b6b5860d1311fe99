"""Kernel ridge regression on known videos, as a model.

Source: C. Saunders et al., "Ridge regression learning algorithm in dual variables", 1998.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
import scipy.linalg
from keras import ops
from numpy.typing import NDArray

from yt8m_exp.models import inputs
from yt8m_exp.models.ensembles.neighbours import in_steps
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.spec import InputError

MOST = 50_000
"""Known videos at most: the matrix of their likeness takes 10 GB."""
_SAMPLE = 500  # known videos whose distances to all others give the median
_BLOCK = 1024  # rows of the matrix that are made at once


@dataclass(frozen=True)
class Fit:
    """How labels are fitted.

    Args:
        width: of the Gaussian, in medians of the distance between two known videos.
        ridge: weight of the penalty, by which a known video counts less for itself.
        normalize: see `normalization.of`.

    Raises:
        InputError: an argument is out of its range.
    """

    width: float
    ridge: float
    normalize: Normalize

    def __post_init__(self) -> None:
        if self.width <= 0 or self.ridge <= 0:
            raise InputError(f"`width > 0` and `ridge > 0` must hold, but got {self}.")


def build(
    features: Mapping[str, NDArray], labels: NDArray, classes: int, *, fit: Fit
) -> keras.Model:
    """Builds a model that compares each video with all known ones.

    `p = m + sum_n exp(-|x - x_n|^2 / 2 w^2) a_n`, where m are the shares of classes among known
    videos, and `a = (K + ridge I)^-1 (Y - m)` their coefficients.

    Args:
        features: of the known videos by name, float32 (N, D) each.
        labels: their class ids, int32 (N, L), padded with -1, without repeats in a row.
        classes: C.
        fit: see `Fit`.

    Returns:
        A model from the named features, float32 (B, D), to values in [0, 1], float32 (B, C).

    Raises:
        InputError: there are fewer than two known videos, or too many.
    """
    if not 2 <= len(labels) <= MOST:
        raise InputError(
            f"`2 <= videos <= {MOST:,}` must hold of the known videos, but got {len(labels):,}."
        )
    named = inputs.named({name: values.shape[1] for name, values in features.items()})
    vectors = inputs.joined(named, fit.normalize)
    layer = KernelRidge(len(labels), classes, dtype="float32", name="probabilities")
    model = keras.Model(named, layer(vectors), name="ridge")
    known = keras.Model(named, vectors).predict(dict(features), batch_size=1024, verbose=0)
    layer.know(known, labels, fit)
    return model


@keras.saving.register_keras_serializable("yt8m_exp")
class KernelRidge(keras.layers.Layer):
    """Sums the coefficients of known videos, each times its likeness; see `build`.

    Vectors are kept as int8, each with its own scale, and fitted so. Coefficients nearly cancel
    each other: they are one flat vector, which lower precisions of weights leave as it is.

    Args:
        videos: N, how many are known.
        classes: C.
    """

    def __init__(self, videos: int, classes: int, **layer) -> None:
        super().__init__(**layer)
        self.videos, self.classes = videos, classes

    def build(self, shape):
        def constant(name, shape, dtype="float32"):
            return self.add_weight(
                name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
            )

        self.vectors = constant("vectors", (shape[-1], self.videos), "int8")
        self.scales = constant("scales", (self.videos,))
        self.squares = constant("squares", (self.videos,))
        self.coefficients = constant("coefficients", (self.videos * self.classes,))
        self.shares = constant("shares", (self.classes,))
        self.rate = constant("rate", (1,))

    def know(self, vectors: NDArray, labels: NDArray, fit: Fit) -> None:
        """Fits the known videos.

        Args:
            vectors: float32 (N, D).
            labels: class ids, int32 (N, L), padded with -1.
            fit: see `Fit`.
        """
        steps, scales = in_steps(vectors)
        vectors = steps * scales[:, None]
        squares = np.square(vectors).sum(axis=1)
        rate = 0.5 / (fit.width**2 * _median(vectors, squares))
        targets = _dense(labels, self.classes)
        shares = targets.mean(axis=0)
        targets -= shares
        kernel = _kernel(vectors, squares, rate)
        kernel[np.diag_indices(self.videos)] += fit.ridge
        factor = scipy.linalg.cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
        found = scipy.linalg.cho_solve(factor, targets, overwrite_b=True, check_finite=False)
        self.vectors.assign(steps.T)
        self.scales.assign(scales)
        self.squares.assign(squares)
        self.coefficients.assign(found.reshape(-1))
        self.shares.assign(shares)
        self.rate.assign([rate])

    def call(self, x):
        products = ops.matmul(x, ops.cast(self.vectors, "float32")) * self.scales  # (B, N)
        distances = ops.sum(ops.square(x), axis=1, keepdims=True) + self.squares - 2 * products
        alike = ops.exp(-self.rate * ops.maximum(distances, 0))
        coefficients = ops.reshape(self.coefficients, (self.videos, self.classes))
        return ops.clip(ops.matmul(alike, coefficients) + self.shares, 0, 1)

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], self.classes), dtype="float32")

    def get_config(self):
        return super().get_config() | {"videos": self.videos, "classes": self.classes}


def _dense(labels: NDArray, classes: int) -> NDArray:
    """Returns class ids (N, L), padded with -1, as zeros and ones (N, C)."""
    rows, columns = np.nonzero(labels >= 0)
    dense = np.zeros((len(labels), classes), np.float32)
    dense[rows, labels[rows, columns]] = 1
    return dense


def _median(vectors: NDArray, squares: NDArray) -> float:
    """Returns the median of squared distances."""
    some = slice(None, None, max(len(vectors) // _SAMPLE, 1))
    products = vectors[some] @ vectors.T
    found = squares[some, None] + squares - 2 * products
    return float(np.median(found[found > 1e-6]))


def _kernel(vectors: NDArray, squares: NDArray, rate: float) -> NDArray:
    """Returns the likeness (N, N) of each two videos."""
    kernel = np.empty((len(vectors), len(vectors)), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        found = kernel[rows]
        np.matmul(vectors[rows], vectors.T, out=found)
        found *= 2
        found -= squares
        found -= squares[rows, None]
        np.minimum(found, 0, out=found)
        found *= rate
        np.exp(found, out=found)
    return kernel
