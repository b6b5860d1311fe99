"""Soft assignment of frames to clusters.

Source: R. Arandjelovic et al., "NetVLAD", 2015, https://arxiv.org/abs/1511.07247; A. Miech et al.,
"Learnable pooling with context gating for video classification", 2017,
https://arxiv.org/abs/1706.06905, with code at https://github.com/antoine77340/Youtube-8M-WILLOW.
"""

import keras
from keras import ops

from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.requirements import require_positive


def l2(x: keras.KerasTensor, axis: int = -1) -> keras.KerasTensor:
    """Returns x as float32, scaled to length one along an axis; zeros stay zeros."""
    x = ops.cast(x, "float32")
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))


def require_clusters(clusters: int) -> int:
    """Returns the number of clusters, or raises InputError if there are none."""
    require_positive(clusters=clusters)
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


def normal(inputs: int, mean: float = 0.0) -> keras.initializers.Initializer:
    """Returns the initializer of the source's weights: normal, deviation `inputs ** -0.5`."""
    return keras.initializers.RandomNormal(mean, inputs**-0.5)
