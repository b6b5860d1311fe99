"""Bidirectional long short-term memory: a first layer reads the frames both ways.

Source: Lstmbidirect of https://github.com/miha-skalic/youtube8mchallenge, frame_level_models.py.
"""

from collections.abc import Mapping

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.recurrent import stacks
from yt8m_exp.models.recurrent.layers import LSTM
from yt8m_exp.models.sampling import Sampling


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    units: int,
    layers: int,
    states: stacks.States,
    gated: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the states; see the module `heads`.
        normalize: see `frames.Dequantize`.
        units: size of the state of each layer; in the first, half of it is of each direction.
        layers: those stacked on the first; they read forwards.
        states: of the stacked layers, those that are classified; see `stacks.Stack.last`.
        gated: whether states s are multiplied by `sigmoid(s W + b)`.
        dropout: share of the states that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    x = stacks.both_ways(x, count, LSTM, units)
    x = stacks.Stack(LSTM, units, layers).last(x, count, states)
    x = stacks.gated(x) if gated else x
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="bilstm")
