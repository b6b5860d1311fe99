"""Gated recurrent units: reads the frames in order, and classifies states.

Source: GruModel of https://github.com/antoine77340/Youtube-8M-WILLOW, frame_level_models.py, whose
recipe is `states=all` and `reset_after=false`.
"""

from collections.abc import Mapping
from functools import partial

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.recurrent import stacks
from yt8m_exp.models.recurrent.layers import GRU
from yt8m_exp.models.requirements import require_choice
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
    reset_after: bool,
    backwards: bool,
    states: stacks.StatesOrAttention,
    heads: int,
    position_units: int,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the states; see the module `heads`.
        normalize: see `frames.Dequantize`.
        units: size of the state of each layer.
        layers: the number of stacked layers.
        reset_after: whether a state is reset after its product, as cuDNN does, or before.
        backwards: whether frames are read from the last to the first.
        states: those that are classified, see `stacks.Stack.last`; or `attention`, see
            `stacks.Attention`.
        heads: of attention.
        position_units: see `stacks.Attention`.
        dropout: share of the states that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).

    Raises:
        InputError: an argument is out of its range.
    """
    require_choice(stacks.StatesOrAttention, states=states)
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    x = stacks.Reversed(name="reversed")(x, count) if backwards else x
    stack = stacks.Stack(partial(GRU, reset_after=reset_after), units, layers)
    if states == "attention":
        attention = stacks.Attention(heads, position_units, sampling.places)
        x = attention(x, stack.sequence(x), count)
    else:
        x = stack.last(x, count, states)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    x = head(x, classes)
    x = stacks.BestHead(dtype="float32", name="best")(x) if states == "attention" else x
    return keras.Model(named, x, name="gru")
