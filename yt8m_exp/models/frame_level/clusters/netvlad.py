"""NetVLAD: residuals of frames to learnt centres, summed up for each cluster."""

from collections.abc import Mapping
from typing import Literal

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.frame_level.clusters import late_fusion
from yt8m_exp.models.frame_level.clusters.assignment import SoftAssignment, l2, normal
from yt8m_exp.models.gates import Gate
from yt8m_exp.models.heads import Head
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.models.requirements import require_choice
from yt8m_exp.models.sampling import Sampling
from yt8m_exp.spec import InputError

Centers = Literal["subtract", "gate", "none"]
PooledNorm = Literal["l2", "batch"]


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    gate: Gate,
    head: Head,
    normalize: Normalize,
    clusters: int,
    audio_share: float,
    centers: Centers,
    pooled_norm: PooledNorm,
    reduced: float,
    units: int,
    hidden_relu: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Source: A. Miech et al., "Learnable pooling with context gating for video classification", 2017,
    https://arxiv.org/abs/1706.06905; NetVLADModelLF of
    https://github.com/antoine77340/Youtube-8M-WILLOW.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        gate: gates the hidden layer; see the module `gates`.
        head: classifies the gated layer; see the module `heads`.
        normalize: see `normalization.of`.
        clusters: K.
        audio_share: audio has this share of K clusters.
        centers: see `VLAD`.
        pooled_norm: see `VLAD`.
        reduced: see `VLAD`.
        units: units of the hidden layer.
        hidden_relu: see `late_fusion.hidden`.
        dropout: share of the pooled values that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """

    def pool(name: str) -> VLAD:
        own = late_fusion.share(name, clusters, audio_share)
        return VLAD(
            own, centers=centers, pooled_norm=pooled_norm, reduced=reduced, name=f"{name}_vlad"
        )

    named = frames.named(features)
    x = late_fusion.pooled(named, sampling, normalize, pool)
    x = late_fusion.hidden(x, units=units, clusters=clusters, relu=hidden_relu, dropout=dropout)
    return keras.Model(named, head(gate(name="gate")(x), classes), name="netvlad")


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
        reduced: frames are first multiplied by a kernel to this share of their values; 1: they
            stay as they are. With a quarter, R. Lin et al. (see `nextvlad`) call it NetVLAD-small.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(
        self,
        clusters: int,
        *,
        centers: Centers,
        pooled_norm: PooledNorm = "l2",
        reduced: float = 1.0,
        **layer,
    ) -> None:
        super().__init__(**layer)
        require_choice(Centers, centers=centers)
        require_choice(PooledNorm, pooled_norm=pooled_norm)
        if not 0 < reduced <= 1:
            raise InputError(f"`0 < reduced <= 1` must hold, but got reduced={reduced}.")
        self.clusters = clusters
        self.centers = centers
        self.pooled_norm = pooled_norm
        self.reduced = reduced
        self.assignment = SoftAssignment(clusters, name="assignment")
        if pooled_norm == "batch":
            self.norm = BatchNorm(name="norm")

    def build(self, shape):
        size = self._size(shape[-1])
        if self.reduced < 1:
            of_frames = (shape[-1], size)
            self.reduced_kernel = self.add_weight(
                of_frames, normal(shape[-1]), name="reduced_kernel"
            )
        self.assignment.build((*shape[:-1], size))
        if self.centers != "none":
            self.center = self.add_weight((size, self.clusters), normal(size), name="center")
        if self.pooled_norm == "batch":
            self.norm.build((size * self.clusters,))

    def call(self, x, is_frame, training=False):
        x = ops.matmul(x, self.reduced_kernel) if self.reduced < 1 else x
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

    def _size(self, given: int) -> int:
        return max(int(given * self.reduced), 1)

    def compute_output_spec(self, x, is_frame, training=False):
        return keras.KerasTensor(
            (x.shape[0], self._size(x.shape[-1]) * self.clusters), dtype=self.compute_dtype
        )

    def get_config(self):
        return super().get_config() | {
            "clusters": self.clusters,
            "centers": self.centers,
            "pooled_norm": self.pooled_norm,
            "reduced": self.reduced,
        }
