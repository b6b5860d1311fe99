"""Gated recurrent units: reads the frames in order, and classifies the last state.

Source: GruModel of https://github.com/antoine77340/Youtube-8M-WILLOW, frame_level_models.py.
"""

from collections.abc import Mapping

import keras

from yt8m_exp.models import frames, recurrent
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
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
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the last state; see the module `heads`.
        normalize: see `frames.Dequantize`.
        units: size of the state of each layer.
        layers: the number of stacked layers.
        dropout: share of the last state that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    x = recurrent.last_state(x, count, recurrent.GRU, units=units, layers=layers)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="gru")
