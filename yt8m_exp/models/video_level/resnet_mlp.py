"""Residual network on video-level features, or several side by side."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import inputs
from yt8m_exp.models.ensembles.branches import side_by_side
from yt8m_exp.models.heads import Head
from yt8m_exp.models.requirements import require_choice, require_positive
from yt8m_exp.models.video_level.mlp import Activation


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
    """Builds the model: `h_0 = W x`, then `h_n = h_n-1 + V drop(f(norm(h_n-1)))`, and a head.

    Each layer normalises its own input; the sum itself is never normalised. Branches are such
    networks side by side; see `mlp`.

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
        activation: f; see `mlp`.
        input_dropout: share of the inputs that is dropped in training.
        dropout: share of the units that is dropped in training, before each layer and the head.
        branches: the number of networks.

    Returns:
        A model from the named features, float32 (B, D), to probabilities, float32 (B, C).

    Raises:
        InputError: there are no layers, no units in them, or no branches.
    """
    require_positive(units=units, layers=layers)
    require_choice(Activation, activation=activation)

    def network() -> keras.Model:
        named = inputs.named(features)
        x = _dropped(inputs.joined(named, normalize), input_dropout, "input_dropout")
        x = keras.layers.Dense(units, name="stem")(x)
        for number in range(1, layers + 1):
            prepared = _prepared(x, activation, dropout, number)
            added = keras.layers.Dense(units, name=f"layer_{number}")(prepared)
            x = keras.layers.Add(name=f"sum_{number}")([x, added])
        x = _prepared(x, activation, dropout, layers + 1)
        return keras.Model(named, head(x, classes), name="resnet_mlp")

    return side_by_side(network, branches)


def _prepared(
    x: keras.KerasTensor, activation: Activation, dropout: float, number: int
) -> keras.KerasTensor:
    x = keras.layers.LayerNormalization(dtype="float32", name=f"norm_{number}")(x)
    x = keras.layers.Activation(activation, name=f"activation_{number}")(x)
    return _dropped(x, dropout, f"dropout_{number}")


def _dropped(x: keras.KerasTensor, dropout: float, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(dropout, name=name)(x) if dropout else x
