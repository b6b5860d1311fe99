"""NeXtVLAD: NetVLAD over groups of a frame's values, with attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.frame_level.clusters import late_fusion, unwhitened_padding
from yt8m_exp.models.frame_level.clusters.assignment import l2, require_clusters
from yt8m_exp.models.gates import Gate
from yt8m_exp.models.heads import Head
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.models.requirements import require_positive
from yt8m_exp.models.sampling import Sampling
from yt8m_exp.spec import InputError


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    gate: Gate,
    head: Head,
    normalize: Normalize,
    clusters: int,
    groups: int,
    expansion: int,
    audio_share: float,
    count_padding: bool,
    units: int,
    dropout: float,
    cluster_dropout: float,
) -> keras.Model:
    """Builds the model.

    Source: R. Lin et al., "NeXtVLAD", 2018, https://arxiv.org/abs/1811.05014, with code at
    https://github.com/linrongc/youtube-8m.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        gate: gates the hidden layer; see the module `gates`.
        head: classifies the gated layer; see the module `heads`.
        normalize: see `normalization.of`.
        clusters: K.
        groups: G, see `NeXtVLAD`.
        expansion: lambda in the source, see `NeXtVLAD`.
        audio_share: audio has this share of K clusters and of G groups.
        count_padding: see `NeXtVLAD`.
        units: units of the hidden layer.
        dropout: share of the pooled values that is dropped in training.
        cluster_dropout: see `NeXtVLAD`.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    branch = Branch(
        clusters=clusters,
        groups=groups,
        expansion=expansion,
        audio_share=audio_share,
        count_padding=count_padding,
        units=units,
        dropout=dropout,
        cluster_dropout=cluster_dropout,
        gate=gate,
    )
    is_frame = frames.Mask(name="mask")(x, count)
    x = unwhitened_padding.fill(named, x, is_frame, normalize) if count_padding else x
    x = branch(named, x, is_frame)
    return keras.Model(named, head(x, classes), name="nextvlad")


@dataclass(frozen=True)
class Branch:
    """What describes a video: NeXtVLAD of each feature, a normalised hidden layer, a gate.

    The arguments are those of `build`.

    Raises:
        InputError: there are no units.
    """

    clusters: int
    groups: int
    expansion: int
    audio_share: float
    count_padding: bool
    units: int
    dropout: float
    cluster_dropout: float
    gate: Gate

    def __post_init__(self) -> None:
        require_positive(units=self.units)

    def __call__(
        self,
        named: Mapping[str, keras.KerasTensor],
        x: keras.KerasTensor,
        is_frame: keras.KerasTensor,
        *,
        prefix: str = "",
    ) -> keras.KerasTensor:
        """Returns a vector (B, H) of each video; see `late_fusion.apart`."""
        pool = partial(self.pool, prefix=prefix)
        x = late_fusion.apart(named, x, is_frame, pool, prefix=prefix)
        if self.dropout:
            x = keras.layers.Dropout(self.dropout, name=f"{prefix}dropout")(x)
        hidden = keras.layers.Dense(
            self.units, use_bias=False, kernel_initializer="he_normal", name=f"{prefix}hidden"
        )
        x = BatchNorm(unbiased=False, name=f"{prefix}hidden_norm")(hidden(x))
        return self.gate(name=f"{prefix}gate")(x)

    def pool(self, name: str, *, prefix: str) -> keras.layers.Layer:
        """Returns the layer that pools the feature of a name."""
        return NeXtVLAD(
            late_fusion.share(name, self.clusters, self.audio_share),
            groups=late_fusion.share(name, self.groups, self.audio_share),
            expansion=self.expansion,
            count_padding=self.count_padding,
            cluster_dropout=self.cluster_dropout,
            name=f"{prefix}{name}_vlad",
        )


@keras.saving.register_keras_serializable("yt8m_exp")
class NeXtVLAD(keras.layers.Layer):
    """Sums up groups of values for each cluster: (B, T, D) and a mask (B, T) to (B, F * K).

    Frames are expanded, `y = x W + b`, and cut to G groups of F = lambda D / G values. A group has
    attention `sigmoid(y V + c)` and shares of clusters `softmax_k(norm(y U))`. Over all groups of
    all frames, `sum_tg attention_tg share_tgk (y_tgf - c_fk)` is summed up by a product of
    matrices; each cluster is scaled to length one, then all are normalised over the videos.

    Args:
        clusters: K.
        groups: G.
        expansion: lambda.
        count_padding: whether padding counts in the statistics of a batch in training, as in the
            source's code (`unwhitened_padding` says with which value); it never counts otherwise.
        cluster_dropout: share of whole clusters that is dropped in training.

    Raises:
        InputError: an argument is out of its range; or, when it is built, values cannot be cut.
    """

    def __init__(
        self,
        clusters: int,
        *,
        groups: int,
        expansion: int,
        count_padding: bool,
        cluster_dropout: float = 0.0,
        **layer,
    ) -> None:
        super().__init__(**layer)
        require_positive(groups=groups, expansion=expansion)
        self.clusters = require_clusters(clusters)
        self.groups = groups
        self.expansion = expansion
        self.count_padding = count_padding
        self.cluster_dropout = cluster_dropout
        self.drop = keras.layers.Dropout(cluster_dropout, (None, 1, None), dtype="float32")
        self.cluster_norm = BatchNorm(unbiased=False, name="cluster_norm")
        self.norm = BatchNorm(unbiased=False, name="norm")

    def build(self, shape):
        def weight(name, shape, initializer="he_normal"):
            return self.add_weight(shape, initializer, name=name)

        size = self.expansion * shape[-1]
        if size % self.groups:
            raise InputError(
                "`groups` must divide the expanded values, but got "
                f"groups={self.groups} of {self.expansion} * {shape[-1]} values."
            )
        self.expanded_kernel = weight("expanded_kernel", (shape[-1], size))
        self.expanded_bias = weight("expanded_bias", (size,), "zeros")
        self.attention_kernel = weight("attention_kernel", (size, self.groups))
        self.attention_bias = weight("attention_bias", (self.groups,), "zeros")
        self.cluster_kernel = weight("cluster_kernel", (size, self.groups * self.clusters))
        self.center = weight("center", (size // self.groups, self.clusters))
        self.cluster_norm.build((self.groups * self.clusters,))
        self.norm.build((size // self.groups * self.clusters,))

    def call(self, x, is_frame, training=False):
        videos, length, _ = ops.shape(x)
        rows = length * self.groups
        x = ops.matmul(x, self.expanded_kernel) + self.expanded_bias
        values = ops.reshape(x, (videos, rows, x.shape[-1] // self.groups))
        shares = ops.reshape(self._shares(x, is_frame, training), (videos, rows, self.clusters))
        sums = ops.einsum("brf,brk->bfk", values, shares)
        total = ops.sum(ops.cast(shares, "float32"), axis=1, keepdims=True)  # (B, 1, K)
        sums = ops.cast(sums, "float32") - total * ops.cast(self.center, "float32")
        sums = self.drop(l2(sums, axis=1), training=training)
        pooled = ops.reshape(sums, (videos, sums.shape[1] * self.clusters))
        return self.norm(pooled, training=training)

    def compute_output_spec(self, x, is_frame, training=False):
        return keras.KerasTensor(
            (x.shape[0], self.expansion * x.shape[-1] // self.groups * self.clusters),
            dtype=self.compute_dtype,
        )

    def _shares(self, x, is_frame, training):
        """Returns the shares of clusters in groups (B, T, G, K), times the groups' attention."""
        attention = ops.sigmoid(ops.matmul(x, self.attention_kernel) + self.attention_bias)
        attention = ops.where(is_frame[:, :, None], attention, 0.0)  # (B, T, G)
        counted = None if self.count_padding else is_frame
        logits = ops.matmul(x, self.cluster_kernel)
        logits = self.cluster_norm.normalized(logits, counted, training)
        logits = ops.reshape(logits, (*ops.shape(x)[:2], self.groups, self.clusters))
        return ops.cast(ops.softmax(logits, axis=-1), x.dtype) * attention[:, :, :, None]

    def get_config(self):
        return super().get_config() | {
            "clusters": self.clusters,
            "groups": self.groups,
            "expansion": self.expansion,
            "count_padding": self.count_padding,
            "cluster_dropout": self.cluster_dropout,
        }
