"""Mixture of neural network experts on video-level features, unless another head is configured."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import inputs
from yt8m_exp.models.heads import Head


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    head: Head,
    normalize: inputs.Normalize,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        head: classifies the features; see the module `heads`.
        normalize: see `inputs.joined`.
        dropout: share of the inputs that is dropped in training.

    Returns:
        A model from the named features, float32 (B, D), to probabilities, float32 (B, C).
    """
    named = inputs.named(features)
    x = inputs.joined(named, normalize)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="monn")
