"""NetRVLAD: NetVLAD without residuals; frames themselves are summed up for each cluster."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.frame_level.clusters import late_fusion
from yt8m_exp.models.frame_level.clusters.netvlad import VLAD, PooledNorm
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
    pooled_norm: PooledNorm,
    reduced: float,
    units: int,
    hidden_relu: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Source: A. Miech et al., "Learnable pooling with context gating for video classification", 2017,
    https://arxiv.org/abs/1706.06905; the flag lightvlad of NetVLADModelLF of
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
            own, centers="none", pooled_norm=pooled_norm, reduced=reduced, name=f"{name}_vlad"
        )

    named = frames.named(features)
    x = late_fusion.pooled(named, sampling, normalize, pool)
    x = late_fusion.hidden(x, units=units, clusters=clusters, relu=hidden_relu, dropout=dropout)
    return keras.Model(named, head(gate(name="gate")(x), classes), name="netrvlad")
