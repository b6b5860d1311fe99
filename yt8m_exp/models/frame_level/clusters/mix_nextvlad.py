"""A mixture of NeXtVLAD branches, which learn from labels and from the mixture."""

from collections.abc import Mapping

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.auxiliary import Auxiliary
from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.ensembles.ensemble import logit
from yt8m_exp.models.frame_level.clusters import unwhitened_padding
from yt8m_exp.models.frame_level.clusters.nextvlad import Branch
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
    branches: int,
    temperature: float,
    distillation_weight: float,
    mean_of_padding: bool,
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

    The mixture alone is served. In training, each branch also has the loss of the labels, with
    weight 1, and the penalty of `Mix`.

    Source: MixNeXtVladModel of https://github.com/linrongc/youtube-8m; for on-the-fly distillation,
    X. Lan et al., "Knowledge distillation by on-the-fly native ensemble", 2018,
    https://arxiv.org/abs/1806.04606.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        gate: gates the hidden layer of each branch; see the module `gates`.
        head: classifies what each branch has gated; see the module `heads`.
        normalize: see `normalization.of`.
        branches: N, each with weights of its own.
        temperature: see `Mix`.
        distillation_weight: see `Mix`.
        mean_of_padding: whether padding counts in the mean of frames, which decides the weights of
            the branches, as in the source's code.
        clusters: K.
        groups: G, see `nextvlad.NeXtVLAD`.
        expansion: lambda in the source, see `nextvlad.NeXtVLAD`.
        audio_share: audio has this share of K clusters and of G groups.
        count_padding: see `nextvlad.NeXtVLAD`.
        units: units of the hidden layer of each branch.
        dropout: share of the pooled values that is dropped in training.
        cluster_dropout: see `nextvlad.NeXtVLAD`.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).

    Raises:
        InputError: there are no branches.
    """
    require_positive(branches=branches)
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
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    is_frame = frames.Mask(name="mask")(x, count)
    x = unwhitened_padding.fill(named, x, is_frame, normalize) if count_padding else x
    prefixes = [f"branch_{number}_" for number in range(branches)]
    found = [
        head(branch(named, x, is_frame, prefix=prefix), classes, prefix=prefix)
        for prefix in prefixes
    ]
    mean = Mean(mean_of_padding, dtype="float32", name="mean_frame")(x, is_frame)
    mean = BatchNorm(dtype="float32", name="mix_norm")(mean)
    shares = keras.layers.Dense(
        branches,
        activation="softmax",
        kernel_initializer="he_normal",
        dtype="float32",
        name="mix_weights",
    )(mean)
    mixed = Mix(temperature, distillation_weight, dtype="float32", name="mix")(shares, found)
    mixed = Auxiliary(1.0, dtype="float32", name="supervised_branches")(mixed, found)
    return keras.Model(named, mixed, name="mix_nextvlad")


@keras.saving.register_keras_serializable("yt8m_exp")
class Mean(keras.layers.Layer):
    """Returns the mean (B, D) of frames (B, T, D) by their mask (B, T); zero without frames.

    Args:
        of_padding: whether padding counts, too.
    """

    def __init__(self, of_padding: bool, **layer) -> None:
        super().__init__(**layer)
        self.of_padding = of_padding

    def call(self, x, is_frame):
        if self.of_padding:
            return ops.mean(x, axis=1)
        weights = ops.cast(is_frame, x.dtype)
        count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1)
        return ops.matmul((weights / count)[:, None], x)[:, 0]

    def get_config(self):
        return super().get_config() | {"of_padding": self.of_padding}


@keras.saving.register_keras_serializable("yt8m_exp")
class Mix(keras.layers.Layer):
    """Mixes probabilities (B, C) of branches by weights (B, N): the weighted mean of log-odds.

    In training it adds the penalty `lambda * mean_b sum_n KL(q || r_n)`, where q and r_n are the
    softmax over classes of the log-odds of the mixture and of branch n, divided by T: branches
    learn from the mixture, and the mixture from them.

    Args:
        temperature: T.
        distillation_weight: lambda, 0 or more; T * T keeps the size of the penalty.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(self, temperature: float, distillation_weight: float, **layer) -> None:
        super().__init__(**layer)
        if temperature <= 0 or distillation_weight < 0:
            raise InputError(
                "`temperature > 0` and `distillation_weight >= 0` must hold, but got "
                f"temperature={temperature}, distillation_weight={distillation_weight}."
            )
        self.temperature = temperature
        self.distillation_weight = distillation_weight

    def call(self, weights, probabilities, training=False):
        odds = ops.stack([logit(p) for p in probabilities], axis=1)  # (B, N, C)
        mixed = ops.matmul(weights[:, None], odds)  # (B, 1, C)
        if training and self.distillation_weight:
            self.add_loss(self.distillation_weight * self._divergence(mixed, odds))
        return ops.sigmoid(mixed[:, 0])

    def _divergence(self, mixed, odds):
        target = ops.softmax(mixed / self.temperature, axis=-1)
        found = ops.softmax(odds / self.temperature, axis=-1)
        logs = ops.log(target + 1e-8) - ops.log(found + 1e-8)
        return ops.mean(ops.sum(target * logs, axis=(1, 2)))

    def get_config(self):
        return super().get_config() | {
            "temperature": self.temperature,
            "distillation_weight": self.distillation_weight,
        }
