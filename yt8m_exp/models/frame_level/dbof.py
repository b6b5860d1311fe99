"""Deep bag of frames: a layer of clusters for each frame, pooled over the frames of a video.

Source: S. Abu-El-Haija et al., "YouTube-8M", 2016, https://arxiv.org/abs/1609.08675, section 4.1.2;
DbofModel of google/youtube-8m, frame_level_models.py.
"""

from collections.abc import Mapping
from typing import Literal

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.batch_norm import BatchNorm, Moments, moments
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.requirements import require_choice, require_positive
from yt8m_exp.models.sampling import FrameSampler, Sampling

Activation = Literal["sigmoid", "relu6", "relu"]
Pooling = Literal["max", "average"]


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    clusters: int,
    units: int,
    activation: Activation,
    pooling: Pooling,
    batch_norm: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the hidden layer; see the module `heads`.
        normalize: see `frames.Dequantize`.
        clusters: K, see `Bag`.
        units: units of the hidden layer between the bag and the head.
        activation: activation of clusters and hidden layer; sigmoid in 2019, relu6 in 2017.
        pooling: see `Bag`.
        batch_norm: see `Bag`; if false, the hidden layer has a bias, too.
        dropout: share of the hidden layer that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    padded = not isinstance(sampling, FrameSampler)  # which fills all S rows of a video
    x = Bag(clusters, activation, pooling, batch_norm=batch_norm, padded=padded, name="bag")(
        x, count
    )
    x = keras.layers.Dense(
        units,
        use_bias=not batch_norm,
        kernel_initializer=_initializer(clusters),
        bias_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name="hidden",
    )(x)
    x = BatchNorm(name="hidden_norm")(x) if batch_norm else x
    x = keras.layers.Activation(activation, name="activation")(x)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="dbof")


@keras.saving.register_keras_serializable("yt8m_exp")
class Bag(keras.layers.Layer):
    """Pools the activations of clusters over the frames of a video: (B, T, D) and (B,) to (B, K).

    `pool_t activation(norm(norm(x_t) W))`, computed with few passes over the activations: the first
    norm is folded into W; activations are monotonic, so the maximum is taken before the second
    norm, which then has a T-th of the work. The bag of a video without frames is zero.

    Args:
        clusters: K.
        activation: activation of the clusters.
        pooling: `max` keeps the largest activation of a cluster over frames, `average` their mean.
        batch_norm: whether frames and products are normalised; if false, clusters have a bias.
        padded: whether a video may have fewer than T frames; if not, it has T or none.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(
        self,
        clusters: int,
        activation: Activation,
        pooling: Pooling,
        *,
        batch_norm: bool,
        padded: bool,
        **layer,
    ) -> None:
        super().__init__(**layer)
        require_choice(Activation, activation=activation)
        require_choice(Pooling, pooling=pooling)
        require_positive(clusters=clusters)
        self.clusters = clusters
        self.activation = activation
        self.pooling = pooling
        self.batch_norm = batch_norm
        self.padded = padded
        if batch_norm:
            self.input_norm = BatchNorm(name="input_norm")
            self.cluster_norm = BatchNorm(name="cluster_norm")

    def build(self, shape):
        def weight(name, shape):
            return self.add_weight(shape, _initializer(size), autocast=False, name=name)

        size = shape[-1]
        self.kernel = weight("kernel", (size, self.clusters))
        if self.batch_norm:
            self.input_norm.build((size,))
            self.cluster_norm.build((self.clusters,))
        else:
            self.bias = weight("bias", (self.clusters,))

    def call(self, x, count, training=False):
        videos, length, size = ops.shape(x)
        mask = frames.mask(x, count)
        rows, weights = ops.reshape(x, (-1, size)), ops.reshape(mask, (-1,))
        kernel, bias = self._first(rows, weights, training)
        # A negative gamma reverses the order: the maximum is then at the smallest product.
        sign = ops.where(self.cluster_norm.gamma < 0, -1.0, 1.0) if self.batch_norm else 1.0
        products = ops.matmul(rows, ops.cast(kernel * sign, rows.dtype))
        scale, shift = self._second(products, weights, sign, bias, training)
        products = ops.reshape(products, (videos, length, self.clusters))
        if self.pooling == "max":
            products = ops.where(mask[:, :, None], products, -1e30) if self.padded else products
            pooled = self._activate(_largest(products), scale, shift)
        else:
            active = self._activate(products, scale, shift)
            share = (
                ops.cast(mask, active.dtype)
                / ops.maximum(ops.cast(count, active.dtype), 1)[:, None]
            )
            pooled = ops.matmul(share[:, None, :], active)[:, 0]
        return ops.where(count[:, None] > 0, pooled, 0.0)  # (B, K)

    def compute_output_spec(self, x, count, training=False):
        return keras.KerasTensor((x.shape[0], self.clusters), dtype=self.compute_dtype)

    def _first(self, rows, weights, training):
        """Returns the kernel (D, K) and the bias (K,) with the first norm folded in."""
        if not self.batch_norm:
            return self.kernel, self.bias
        batch = moments(rows, weights) if training else None
        scale, shift = self.input_norm.affine(batch)
        return scale[:, None] * self.kernel, ops.matmul(shift[None], self.kernel)[0]

    def _second(self, products, weights, sign, bias, training):
        """Returns the scale and the shift (K,) that normalise the products."""
        if not self.batch_norm:
            return 1.0, bias
        batch = None
        if training:
            mean, variance, rows = moments(products, weights)
            batch = Moments(mean * sign + bias, variance, rows)
        scale, shift = self.cluster_norm.affine(batch)
        return scale * sign, bias * scale + shift

    def _activate(self, products, scale, shift):
        normalized = ops.cast(products, "float32") * scale + shift
        return ops.cast(keras.activations.get(self.activation)(normalized), self.compute_dtype)

    def get_config(self):
        return super().get_config() | {
            "clusters": self.clusters,
            "activation": self.activation,
            "pooling": self.pooling,
            "batch_norm": self.batch_norm,
            "padded": self.padded,
        }


@ops.custom_gradient
def _largest(products):
    """Returns the largest of the products (B, T, K) over frames; equal ones share its gradient."""
    largest = ops.max(products, axis=1)

    def gradient(upstream):
        is_largest = products == largest[:, None]
        share = upstream / ops.sum(ops.cast(is_largest, upstream.dtype), axis=1)
        return ops.where(is_largest, share[:, None], 0)

    return largest, gradient


def _initializer(inputs: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=inputs**-0.5)
