"""NetFV: Fisher vectors with learnt clusters, first and second order."""

from collections.abc import Mapping
from typing import Literal

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.frame_level.clusters import late_fusion
from yt8m_exp.models.frame_level.clusters.assignment import SoftAssignment, l2, normal
from yt8m_exp.models.gates import Gate
from yt8m_exp.models.heads import Head
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.models.requirements import require_choice
from yt8m_exp.models.sampling import Sampling

IntraNorm = Literal["both", "first"]


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
    coupled: bool,
    coupling: float,
    intra_norm: IntraNorm,
    units: int,
    hidden_relu: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Source: A. Miech et al., "Learnable pooling with context gating for video classification", 2017,
    https://arxiv.org/abs/1706.06905; NetFVModelLF of
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
        coupled: see `FisherVector`.
        coupling: see `FisherVector`.
        intra_norm: see `FisherVector`.
        units: units of the hidden layer.
        hidden_relu: see `late_fusion.hidden`.
        dropout: share of the pooled values that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """

    def pool(name: str) -> FisherVector:
        own = late_fusion.share(name, clusters, audio_share)
        factor = coupling if coupled else None
        return FisherVector(own, coupling=factor, intra_norm=intra_norm, name=f"{name}_fv")

    named = frames.named(features)
    x = late_fusion.pooled(named, sampling, normalize, pool)
    x = late_fusion.hidden(x, units=units, clusters=clusters, relu=hidden_relu, dropout=dropout)
    return keras.Model(named, head(gate(name="gate")(x), classes), name="netfv")


@keras.saving.register_keras_serializable("yt8m_exp")
class FisherVector(keras.layers.Layer):
    """Fisher vectors of frames: (B, T, D) and a mask (B, T) to (B, 2 * D * K).

    With the shares a of `SoftAssignment`, centres c and deviations s (D, K), first order is
    `sum_t a_tk (x_td - c_dk) / s_dk`, second order `sum_t a_tk ((x_td - c_dk)^2 / s_dk^2 - 1)`.
    Both are sums of products of matrices. Each cluster is scaled to length one, then each order.

    Args:
        clusters: K.
        coupling: centres are the kernel of the assignment times this; None: they are learnt apart.
        intra_norm: whether clusters are scaled to length one in `both` orders, or in the `first`
            alone, as the source's code does.

    Raises:
        InputError: `intra_norm` is neither.
    """

    def __init__(
        self, clusters: int, *, coupling: float | None, intra_norm: IntraNorm, **layer
    ) -> None:
        super().__init__(**layer)
        require_choice(IntraNorm, intra_norm=intra_norm)
        self.clusters = clusters
        self.coupling = coupling
        self.intra_norm = intra_norm
        self.assignment = SoftAssignment(clusters, name="assignment")

    def build(self, shape):
        def weight(name, mean):
            shape = (size, self.clusters)
            return self.add_weight(shape, normal(size, mean), autocast=False, name=name)

        size = shape[-1]
        self.assignment.build(shape)
        self.deviation = weight("deviation", 1.0)
        if self.coupling is None:
            self.center = weight("center", 0.0)

    def call(self, x, is_frame, training=False):
        shares = self.assignment(x, is_frame, training=training)
        first, second = (
            ops.cast(ops.einsum("btd,btk->bdk", values, shares), "float32")
            for values in (x, ops.square(x))
        )
        total = ops.sum(ops.cast(shares, "float32"), axis=1, keepdims=True)  # (B, 1, K)
        center = self.center if self.coupling is None else self.coupling * self.assignment.kernel
        center = ops.cast(center, "float32")
        deviation = ops.square(self.deviation) + 1e-6
        second = total * ops.square(center) + second - 2 * first * center
        second = second / ops.square(deviation) - total
        first = (first - total * center) / deviation
        first = l2(first, axis=1)
        second = l2(second, axis=1) if self.intra_norm == "both" else second
        orders = [
            l2(ops.reshape(order, (-1, x.shape[-1] * self.clusters))) for order in (first, second)
        ]
        return ops.cast(ops.concatenate(orders, axis=-1), self.compute_dtype)

    def compute_output_spec(self, x, is_frame, training=False):
        return keras.KerasTensor(
            (x.shape[0], 2 * x.shape[-1] * self.clusters), dtype=self.compute_dtype
        )

    def get_config(self):
        return super().get_config() | {
            "clusters": self.clusters,
            "coupling": self.coupling,
            "intra_norm": self.intra_norm,
        }
