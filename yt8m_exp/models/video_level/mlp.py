"""Multilayer perceptron on video-level features, or several side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import keras

from yt8m_exp.models import inputs
from yt8m_exp.models.auxiliary import Auxiliary
from yt8m_exp.models.ensembles import ensemble
from yt8m_exp.models.heads import Head
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.spec import InputError

Activation = Literal["relu", "gelu"]


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    head: Head,
    normalize: Normalize,
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
        InputError: there are no layers, no units in them, or no branches.
    """
    if min(units, layers, branches) < 1:
        raise InputError(
            "`units >= 1`, `layers >= 1` and `branches >= 1` must hold, but got "
            f"units={units}, layers={layers}, branches={branches}."
        )
    shape = (units, layers, activation, input_dropout, dropout)
    network = _Network(features, classes, head, normalize, *shape)
    if branches == 1:
        return network.build()
    members = [network.build() for _ in range(branches)]
    joint = ensemble.build(members, [1 / branches] * branches, mean="logits")
    predictions = joint.get_layer("probabilities").input
    supervised = Auxiliary(weight=1.0, main_weight=0.0, dtype="float32", name="supervised")
    return keras.Model(joint.input, supervised(joint.output, predictions), name="mlp")


@dataclass(frozen=True)
class _Network:
    """One network; see `build`."""

    features: Mapping[str, int]
    classes: int
    head: Head
    normalize: Normalize
    units: int
    layers: int
    activation: Activation
    input_dropout: float
    dropout: float

    def build(self) -> keras.Model:
        named = inputs.named(self.features)
        x = inputs.joined(named, self.normalize)
        if self.input_dropout:
            x = keras.layers.Dropout(self.input_dropout, name="input_dropout")(x)
        for number in range(1, self.layers + 1):
            x = keras.layers.Dense(self.units, name=f"layer_{number}")(x)
            x = keras.layers.LayerNormalization(dtype="float32", name=f"norm_{number}")(x)
            x = keras.layers.Activation(self.activation, name=f"activation_{number}")(x)
            if self.dropout:
                x = keras.layers.Dropout(self.dropout, name=f"dropout_{number}")(x)
        return keras.Model(named, self.head(x, self.classes), name="mlp")
