"""Multilayer perceptron on video-level features."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import inputs
from yt8m_exp.models.heads import Head
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.spec import InputError


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    head: Head,
    normalize: Normalize,
    units: int,
    layers: int,
    input_dropout: float,
    dropout: float,
) -> keras.Model:
    """Builds the model: layers of `drop(relu(norm(W h)))`, and a head.

    Source: J. L. Ba et al., "Layer normalization", 2016, https://arxiv.org/abs/1607.06450;
    N. Srivastava et al., "Dropout", 2014, https://jmlr.org/papers/v15/srivastava14a.html, which
    drops inputs, too.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        head: classifies the last layer's units; see the module `heads`.
        normalize: see `inputs.joined`.
        units: units of each layer.
        layers: the number of layers before the head.
        input_dropout: share of the inputs that is dropped in training.
        dropout: share of each layer's units that is dropped in training.

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
    x = inputs.joined(named, normalize)
    x = keras.layers.Dropout(input_dropout, name="input_dropout")(x) if input_dropout else x
    for number in range(1, layers + 1):
        x = keras.layers.Dense(units, name=f"layer_{number}")(x)
        x = keras.layers.LayerNormalization(dtype="float32", name=f"norm_{number}")(x)
        x = keras.layers.Activation("relu", name=f"activation_{number}")(x)
        x = keras.layers.Dropout(dropout, name=f"dropout_{number}")(x) if dropout else x
    return keras.Model(named, head(x, classes), name="mlp")
