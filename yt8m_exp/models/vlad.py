"""Soft assignment of frames to clusters, and what is summed up for each cluster.

Source: R. Arandjelovic et al., "NetVLAD", 2015, https://arxiv.org/abs/1511.07247; A. Miech et al.,
"Learnable pooling with context gating for video classification", 2017,
https://arxiv.org/abs/1706.06905, with code at https://github.com/antoine77340/Youtube-8M-WILLOW.
"""

from typing import Literal, get_args

import keras
from keras import ops

from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.spec import InputError

Centers = Literal["subtract", "gate", "none"]
PooledNorm = Literal["l2", "batch"]


def l2(x: keras.KerasTensor, axis: int = -1) -> keras.KerasTensor:
    """Returns x as float32, scaled to length one along an axis; zeros stay zeros."""
    x = ops.cast(x, "float32")
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))


def require_clusters(clusters: int) -> int:
    """Returns the number of clusters, or raises InputError if there are none."""
    if clusters < 1:
        raise InputError(f"`clusters >= 1` must hold, but got clusters={clusters}.")
    return clusters


@keras.saving.register_keras_serializable("yt8m_exp")
class SoftAssignment(keras.layers.Layer):
    """Returns the share (B, T, K) of each cluster in each frame: `softmax_k(norm(x W))`.

    It takes frames x (B, T, D) and their mask (B, T). Padding has no share in any cluster.

    Args:
        clusters: K.
        softmax: whether the shares of a frame add up to one; if false, they are `norm(x W)`.

    Raises:
        InputError: there are no clusters.
    """

    def __init__(self, clusters: int, *, softmax: bool = True, **layer) -> None:
        super().__init__(**layer)
        self.clusters = require_clusters(clusters)
        self.softmax = softmax
        self.norm = BatchNorm(name="norm")

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], self.clusters), normal(shape[-1]), name="kernel")
        self.norm.build((self.clusters,))

    def call(self, x, is_frame, training=False):
        shares = self.norm.normalized(ops.matmul(x, self.kernel), is_frame, training)
        if self.softmax:
            shares = ops.softmax(shares, axis=-1)
        return ops.cast(ops.where(is_frame[:, :, None], shares, 0.0), self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"clusters": self.clusters, "softmax": self.softmax}


@keras.saving.register_keras_serializable("yt8m_exp")
class VLAD(keras.layers.Layer):
    """Sums up the frames of each cluster: (B, T, D) and a mask (B, T) to (B, D * K).

    `V_dk = sum_t a_tk (x_td - c_dk)`, where a are the shares of `SoftAssignment`. Each cluster is
    scaled to length one, then the whole. The sum is a product of matrices: no tensor (B, T, D, K)
    is built.

    Args:
        clusters: K.
        centers: `subtract` as above (NetVLAD); `none` leaves the centres c out (NetRVLAD); `gate`
            multiplies each sum by `sigmoid(c_dk)` instead (NetVLAGD of the source's code).
        pooled_norm: how the whole is normalised: `l2`, or `batch` over videos, as in NeXtVLAD.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(
        self, clusters: int, *, centers: Centers, pooled_norm: PooledNorm = "l2", **layer
    ) -> None:
        super().__init__(**layer)
        if centers not in get_args(Centers):
            raise InputError(f"`centers` must be subtract, gate or none, but got {centers!r}.")
        if pooled_norm not in get_args(PooledNorm):
            raise InputError(f"`pooled_norm` must be l2 or batch, but got {pooled_norm!r}.")
        self.clusters = clusters
        self.centers = centers
        self.pooled_norm = pooled_norm
        self.assignment = SoftAssignment(clusters, name="assignment")
        if pooled_norm == "batch":
            self.norm = BatchNorm(name="norm")

    def build(self, shape):
        size = shape[-1]
        self.assignment.build(shape)
        if self.centers != "none":
            self.center = self.add_weight((size, self.clusters), normal(size), name="center")
        if self.pooled_norm == "batch":
            self.norm.build((size * self.clusters,))

    def call(self, x, is_frame, training=False):
        shares = self.assignment(x, is_frame, training=training)
        sums = ops.einsum("btd,btk->bdk", x, shares)
        if self.centers == "subtract":
            total = ops.sum(ops.cast(shares, "float32"), axis=1, keepdims=True)
            sums = ops.cast(sums, "float32") - total * ops.cast(self.center, "float32")
        elif self.centers == "gate":
            sums = sums * ops.sigmoid(self.center)
        pooled = ops.reshape(l2(sums, axis=1), (-1, sums.shape[1] * self.clusters))
        if self.pooled_norm == "batch":
            return self.norm(pooled, training=training)
        return ops.cast(l2(pooled), self.compute_dtype)

    def get_config(self):
        return super().get_config() | {
            "clusters": self.clusters,
            "centers": self.centers,
            "pooled_norm": self.pooled_norm,
        }


def normal(inputs: int, mean: float = 0.0) -> keras.initializers.Initializer:
    """Returns the initializer of the source's weights: normal, deviation `inputs ** -0.5`."""
    return keras.initializers.RandomNormal(mean, inputs**-0.5)
