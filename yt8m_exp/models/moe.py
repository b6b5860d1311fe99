"""Mixture of logistic experts on video-level features."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import heads, inputs


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    experts: int = 2,
    normalize: inputs.Normalize = "each",
    dropout: float = 0.0,
    l2: float = 1e-8,
    bias: float = 0.0,
    even_start: bool = False,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        experts: E, experts of each class beside the dummy.
        normalize: see `inputs.joined`.
        dropout: share of the inputs dropped in training.
        l2: weight of the regulariser; see `heads.moe`.
        bias: the logit that every expert starts from.
        even_start: whether gates start at zero; see `heads.moe`.

    Returns:
        A model from the named features, float32 (B, D), to probabilities, float32 (B, C).
    """
    named = inputs.named(features)
    x = inputs.joined(named, normalize)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    probabilities = heads.moe(x, classes, experts=experts, l2=l2, bias=bias, even_start=even_start)
    return keras.Model(named, probabilities, name="moe")
