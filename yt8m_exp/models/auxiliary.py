"""Auxiliary predictions: training supervises them like a model's own, and nobody is served them.

Source: C. Szegedy et al., "Going deeper with convolutions", 2014, section 5,
https://arxiv.org/abs/1409.4842; C.-Y. Lee et al., "Deeply-supervised nets", 2014,
https://arxiv.org/abs/1409.5185.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import keras

from yt8m_exp.spec import InputError


@keras.saving.register_keras_serializable("yt8m_exp")
class Auxiliary(keras.layers.Layer):
    """Returns a model's predictions (B, C) as they are, and names auxiliary ones for training.

    A model or a head calls it as `Auxiliary(...)(predictions, [first, second, ...])`. Training
    then minimises `main_weight * loss(predictions) + weight * sum_n loss(auxiliary_n)`.

    Args:
        weight: of the loss of each auxiliary prediction, 0 or more.
        main_weight: of the loss of the model's predictions, 0 or more.

    Raises:
        InputError: a weight is negative.
    """

    def __init__(self, weight: float, main_weight: float = 1.0, **layer) -> None:
        super().__init__(**layer)
        if min(weight, main_weight) < 0:
            raise InputError(
                "`weight >= 0` and `main_weight >= 0` must hold, but got "
                f"weight={weight}, main_weight={main_weight}."
            )
        self.weight = weight
        self.main_weight = main_weight

    def call(self, predictions, auxiliary: Sequence):
        return predictions

    def get_config(self):
        return super().get_config() | {"weight": self.weight, "main_weight": self.main_weight}


class Supervised(NamedTuple):
    """What training supervises of a model.

    Attributes:
        model: the model, with its auxiliary predictions as further outputs if it has any.
        weights: of the loss of each output.
    """

    model: keras.Model
    weights: list[float]


def supervised(model: keras.Model) -> Supervised:
    """Returns what training supervises of a model: its own predictions, then the auxiliary."""
    layers = [layer for layer in model.layers if isinstance(layer, Auxiliary)]
    if not layers:
        return Supervised(model, [1.0])
    outputs, weights = [model.output], [math.prod(layer.main_weight for layer in layers)]
    for layer in layers:
        _, *auxiliary = keras.tree.flatten(layer.input)
        outputs += auxiliary
        weights += [layer.weight] * len(auxiliary)
    return Supervised(keras.Model(model.input, outputs, name=model.name), weights)
