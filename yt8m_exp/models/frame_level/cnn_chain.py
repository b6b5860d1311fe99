"""Convolutions over frames with a chain of mixtures: each stage has filters of its own.

Source: CnnDeepCombineChainModel of https://github.com/wangheda/youtube-8m.
"""

from collections.abc import Mapping

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.chain import ChainOfExperts, joined
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import L2Normalize, Normalize
from yt8m_exp.models.pooling import MaxPooling, MeanPooling
from yt8m_exp.models.requirements import require_positive
from yt8m_exp.models.sampling import Sampling

LENGTHS = {1: 1, 2: 1, 3: 2}
"""Sizes of the groups of filters, in units, by the frames that they see: this one, and before."""
L2 = 1e-8
"""Weight of the regulariser of filters, as in the source."""


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    units: int,
    padded: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Stage 0 of a chain sees the largest answers of its filters over frames; the stages after it see
    the mean frame and a layer of units on it, too. Another head sees what they see.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: a chain of mixtures, see the module `chain`, or another head.
        normalize: see `frames.Dequantize`.
        units: filters of the frame, as many of two frames, twice as many of three; and units of
            the layer on the mean.
        padded: see the module `pooling`, about the largest answers.
        dropout: share of the largest answers that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).

    Raises:
        InputError: there are no units.
    """
    require_positive(units=units)
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    mean = MeanPooling(name="mean")(x, count)
    summary = _summary(mean, units)

    def seen(stage: int) -> list[keras.KerasTensor]:
        answers = _answers(x, count, units, padded=padded, prefix=f"stage_{stage}_")
        answers = keras.layers.Dropout(dropout)(answers) if dropout else answers
        return [mean, answers, summary] if stage else [answers]

    if isinstance(head, ChainOfExperts):
        y = head.chained(seen, classes)
    else:
        y = head(joined(seen(1), "seen"), classes)
    return keras.Model(named, y, name="cnn_chain")


def _answers(
    x: keras.KerasTensor, count: keras.KerasTensor, units: int, *, padded: bool, prefix: str
) -> keras.KerasTensor:
    """Returns the largest answers (B, 4 R) of new filters over frames, scaled to length one."""
    found = [
        keras.layers.Conv1D(
            size * units,
            length,
            padding="causal",
            use_bias=False,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
            kernel_regularizer=_l2(),
            name=f"{prefix}filters_{length}",
        )(x)
        for length, size in LENGTHS.items()
    ]
    y = keras.layers.Concatenate(name=f"{prefix}filters")(found)
    y = MaxPooling(padded, name=f"{prefix}largest")(y, count)
    return L2Normalize(dtype="float32", name=f"{prefix}answers")(y)


def _summary(mean: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """Returns a layer of units (B, R) on the mean frame, scaled to length one."""
    layer = keras.layers.Dense(
        units, activation="relu", kernel_regularizer=_l2(), name="mean_summary"
    )
    return L2Normalize(dtype="float32", name="mean_summary_normalized")(layer(mean))


def _l2() -> keras.regularizers.Regularizer:
    return keras.regularizers.L2(L2 / 2)
