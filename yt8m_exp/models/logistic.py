"""Logistic regression on video-level features."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import heads, inputs


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    normalize: inputs.Normalize = "each",
    dropout: float = 0.0,
    l2: float = 1e-8,
    bias: float = 0.0,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        normalize: see `inputs.joined`.
        dropout: share of the inputs dropped in training.
        l2: weight of the regulariser; see `heads.logistic`.
        bias: the logit that every class starts from.

    Returns:
        A model from the named features, float32 (B, D), to probabilities, float32 (B, C).
    """
    named = inputs.named(features)
    x = inputs.joined(named, normalize)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, heads.logistic(x, classes, l2=l2, bias=bias), name="logistic")
