"""Gated bag of frames: a soft bag in which the largest shares of a video gate the sums."""

from collections.abc import Mapping

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.frame_level.clusters import late_fusion
from yt8m_exp.models.frame_level.clusters.assignment import SoftAssignment, l2, normal
from yt8m_exp.models.frame_level.clusters.soft_dbof import SoftBag, largest
from yt8m_exp.models.gates import Gate
from yt8m_exp.models.heads import Head
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.models.sampling import Sampling


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
    audio_max_pooling: bool,
    units: int,
    hidden_relu: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model: a `GatedBag` of each feature but audio, which has a `SoftBag`.

    Source: GatedDbofModelLF of https://github.com/antoine77340/Youtube-8M-WILLOW.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        gate: gates the hidden layer; see the module `gates`.
        head: classifies the gated layer; see the module `heads`.
        normalize: see `normalization.of`.
        clusters: K.
        audio_share: audio has this share of K clusters.
        audio_max_pooling: see `max_pooling` of `SoftBag`.
        units: units of the hidden layer.
        hidden_relu: see `late_fusion.hidden`.
        dropout: share of the pooled values that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """

    def pool(name: str) -> keras.layers.Layer:
        own = late_fusion.share(name, clusters, audio_share)
        if name == "audio":
            return SoftBag(own, softmax=True, max_pooling=audio_max_pooling, name="audio_bag")
        return GatedBag(own, name=f"{name}_bag")

    named = frames.named(features)
    x = late_fusion.pooled(named, sampling, normalize, pool)
    x = late_fusion.hidden(x, units=units, clusters=clusters, relu=hidden_relu, dropout=dropout)
    return keras.Model(named, head(gate(name="gate")(x), classes), name="gated_dbof")


@keras.saving.register_keras_serializable("yt8m_exp")
class GatedBag(keras.layers.Layer):
    """Sums up shares of clusters and gates the sums: (B, T, D) and a mask (B, T) to (B, K).

    `l2(sigmoid(norm(l2(max_t a_t) V W)) * sum_t a_t)`, with the shares a of `SoftAssignment`,
    V (K, D) and W (D, K).

    Args:
        clusters: K.
    """

    def __init__(self, clusters: int, **layer) -> None:
        super().__init__(**layer)
        self.clusters = clusters
        self.assignment = SoftAssignment(clusters, name="assignment")
        self.norm = BatchNorm(name="norm")

    def build(self, shape):
        def weight(name, shape):
            return self.add_weight(shape, normal(size), name=name)

        size = shape[-1]
        self.assignment.build(shape)
        self.squeeze_kernel = weight("squeeze_kernel", (self.clusters, size))
        self.excite_kernel = weight("excite_kernel", (size, self.clusters))
        self.norm.build((self.clusters,))

    def call(self, x, is_frame, training=False):
        shares = self.assignment(x, is_frame, training=training)
        strongest = ops.cast(l2(largest(shares, is_frame)), self.compute_dtype)
        products = ops.matmul(ops.matmul(strongest, self.squeeze_kernel), self.excite_kernel)
        gate = ops.sigmoid(self.norm.normalized(products, training=training))
        sums = ops.sum(ops.cast(shares, "float32"), axis=1)
        return ops.cast(l2(gate * sums), self.compute_dtype)

    def compute_output_spec(self, x, is_frame, training=False):
        return keras.KerasTensor((x.shape[0], self.clusters), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"clusters": self.clusters}
