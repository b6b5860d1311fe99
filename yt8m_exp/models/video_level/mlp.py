"""Multilayer perceptron on video-level features, or several side by side."""

from collections.abc import Mapping
from typing import Literal

import keras

from yt8m_exp.models import inputs
from yt8m_exp.models.ensembles.branches import side_by_side
from yt8m_exp.models.heads import Head
from yt8m_exp.models.requirements import require_choice, require_positive

Activation = Literal["relu", "gelu"]


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    head: Head,
    normalize: inputs.Normalize,
    units: int,
    layers: int,
    activation: Activation,
    input_dropout: float,
    dropout: float,
    branches: int,
) -> keras.Model:
    """Builds the model: layers of `drop(activation(norm(W h)))`, and a head.

    Branches are such networks side by side, each with a loss of its own in training, and the mean
    of their logits is the model's: an ensemble that is trained in one run.

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
        activation: of each layer; `gelu` is that of D. Hendrycks and K. Gimpel, 2016,
            https://arxiv.org/abs/1606.08415.
        input_dropout: share of the inputs that is dropped in training.
        dropout: share of each layer's units that is dropped in training.
        branches: the number of networks.

    Returns:
        A model from the named features, float32 (B, D), to probabilities, float32 (B, C).

    Raises:
        InputError: there are no layers, no units in them, no branches, or no such activation.
    """
    require_positive(units=units, layers=layers)
    require_choice(Activation, activation=activation)

    def network() -> keras.Model:
        named = inputs.named(features)
        x = inputs.joined(named, normalize)
        if input_dropout:
            x = keras.layers.Dropout(input_dropout, name="input_dropout")(x)
        for number in range(1, layers + 1):
            x = keras.layers.Dense(units, name=f"layer_{number}")(x)
            x = keras.layers.LayerNormalization(dtype="float32", name=f"norm_{number}")(x)
            x = keras.layers.Activation(activation, name=f"activation_{number}")(x)
            if dropout:
                x = keras.layers.Dropout(dropout, name=f"dropout_{number}")(x)
        return keras.Model(named, head(x, classes), name="mlp")

    return side_by_side(network, branches)
