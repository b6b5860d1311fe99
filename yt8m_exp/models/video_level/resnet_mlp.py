"""Residual network on video-level features."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import inputs
from yt8m_exp.models.heads import Head
from yt8m_exp.spec import InputError


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    head: Head,
    normalize: inputs.Normalize,
    units: int,
    layers: int,
    dropout: float,
) -> keras.Model:
    """Builds the model: `h_0 = W x`, then `h_n = h_n-1 + V drop(relu(norm(h_n-1)))`, and a head.

    Each layer normalises its own input; the sum itself is never normalised.

    Source: K. He et al., "Identity mappings in deep residual networks", 2016, eq. 4 and fig. 4e,
    https://arxiv.org/abs/1603.05027; J. L. Ba et al., "Layer normalization", 2016,
    https://arxiv.org/abs/1607.06450.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        head: classifies the normalised sum; see the module `heads`.
        normalize: see `inputs.joined`.
        units: units of each layer.
        layers: the number of residual layers.
        dropout: share of the units that is dropped in training, before each layer and the head.

    Returns:
        A model from the named features, float32 (B, D), to probabilities, float32 (B, C).

    Raises:
        InputError: there are no layers, or no units in them.
    """
    if units < 1 or layers < 1:
        raise InputError(
            f"`units >= 1` and `layers >= 1` must hold, but got units={units}, layers={layers}."
        )
    named = inputs.named(features)
    x = keras.layers.Dense(units, name="stem")(inputs.joined(named, normalize))
    for number in range(1, layers + 1):
        added = keras.layers.Dense(units, name=f"layer_{number}")(_prepared(x, dropout, number))
        x = keras.layers.Add(name=f"sum_{number}")([x, added])
    x = _prepared(x, dropout, layers + 1)
    return keras.Model(named, head(x, classes), name="resnet_mlp")


def _prepared(x: keras.KerasTensor, dropout: float, number: int) -> keras.KerasTensor:
    x = keras.layers.LayerNormalization(dtype="float32", name=f"norm_{number}")(x)
    x = keras.layers.Activation("relu", name=f"activation_{number}")(x)
    return keras.layers.Dropout(dropout, name=f"dropout_{number}")(x) if dropout else x
