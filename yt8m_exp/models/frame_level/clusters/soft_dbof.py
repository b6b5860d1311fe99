"""Soft bag of frames: the share of each cluster, summed up over the frames of a video."""

from collections.abc import Mapping

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.frame_level.clusters import late_fusion
from yt8m_exp.models.frame_level.clusters.assignment import SoftAssignment, l2
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
    softmax: bool,
    max_pooling: bool,
    units: int,
    hidden_relu: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Source: A. Miech et al., "Learnable pooling with context gating for video classification", 2017,
    https://arxiv.org/abs/1706.06905; SoftDbofModelLF of
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
        softmax: see `SoftAssignment`; without softmax and with `max_pooling`, the model is
            DbofModelLF of the source.
        max_pooling: see `SoftBag`.
        units: units of the hidden layer.
        hidden_relu: see `late_fusion.hidden`.
        dropout: share of the pooled values that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """

    def pool(name: str) -> SoftBag:
        own = late_fusion.share(name, clusters, audio_share)
        return SoftBag(own, softmax=softmax, max_pooling=max_pooling, name=f"{name}_bag")

    named = frames.named(features)
    x = late_fusion.pooled(named, sampling, normalize, pool)
    x = late_fusion.hidden(x, units=units, clusters=clusters, relu=hidden_relu, dropout=dropout)
    return keras.Model(named, head(gate(name="gate")(x), classes), name="soft_dbof")


@keras.saving.register_keras_serializable("yt8m_exp")
class SoftBag(keras.layers.Layer):
    """Sums up the shares of clusters over frames: (B, T, D) and a mask (B, T) to (B, K).

    The sums of a video are scaled to length one.

    Args:
        clusters: K.
        softmax: see `SoftAssignment`.
        max_pooling: whether the largest shares, scaled so too, stand beside the sums: (B, 2 * K).
    """

    def __init__(self, clusters: int, *, softmax: bool, max_pooling: bool, **layer) -> None:
        super().__init__(**layer)
        self.clusters = clusters
        self.softmax = softmax
        self.max_pooling = max_pooling
        self.assignment = SoftAssignment(clusters, softmax=softmax, name="assignment")

    def build(self, shape):
        self.assignment.build(shape)

    def call(self, x, is_frame, training=False):
        shares = self.assignment(x, is_frame, training=training)
        pooled = [l2(ops.sum(ops.cast(shares, "float32"), axis=1))]
        if self.max_pooling:
            pooled.append(l2(largest(shares, is_frame)))
        return ops.cast(ops.concatenate(pooled, axis=-1), self.compute_dtype)

    def compute_output_spec(self, x, is_frame, training=False):
        return keras.KerasTensor(
            (x.shape[0], self.clusters * (2 if self.max_pooling else 1)), dtype=self.compute_dtype
        )

    def get_config(self):
        return super().get_config() | {
            "clusters": self.clusters,
            "softmax": self.softmax,
            "max_pooling": self.max_pooling,
        }


def largest(shares: keras.KerasTensor, is_frame: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the largest (B, K) of shares (B, T, K) over frames; zero without frames."""
    there = ops.max(ops.where(is_frame[:, :, None], shares, -1e30), axis=1)
    return ops.where(ops.any(is_frame, axis=1)[:, None], there, 0.0)
