"""Bidirectional gated recurrent units: a first layer reads the frames both ways.

Source: GRUbidirect and GRUbidirect_branchedBN of
https://github.com/miha-skalic/youtube8mchallenge, frame_level_models.py.
"""

from collections.abc import Mapping
from functools import partial

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.recurrent import stacks
from yt8m_exp.models.recurrent.layers import GRU
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
    states: stacks.States,
    gated: bool,
    branched: bool,
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
        reset_after: whether a state is reset after its product, as cuDNN does, or before.
        states: of the stacked layers, those that are classified; see `stacks.Stack.last`.
        gated: whether states s are multiplied by `sigmoid(s W + b)`.
        branched: whether each feature is read by itself, normalised, in as many units as it has
            values, whatever `units` says.
        dropout: share of the states that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    layer = partial(GRU, reset_after=reset_after)

    def read(x: keras.KerasTensor, units: int, prefix: str = "") -> keras.KerasTensor:
        x = stacks.both_ways(x, count, layer, units, prefix=prefix)
        return stacks.Stack(layer, units, layers, prefix).last(x, count, states)

    if branched:
        sizes = {name: part.shape[-1] for name, part in named.items() if name != "frames"}
        parts = frames.Split([*sizes.values()], name="split")(x)
        is_frame = frames.Mask(name="is_frame")(x, count)
        branches = [
            read(_projected(part, is_frame, name), sizes[name], f"{name}_")
            for name, part in zip(sizes, parts, strict=True)
        ]
        x = keras.layers.Concatenate(name="branches")(branches)
    else:
        x = read(x, units)
    x = stacks.gated(x) if gated else x
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="bigru")


def _projected(x: keras.KerasTensor, is_frame: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Returns relu6(norm(norm(x) W)) of the frames x (B, T, D) of a feature, in as many values."""
    x = BatchNorm(name=f"{name}_input_norm")(x, is_frame)
    x = keras.layers.Dense(x.shape[-1], use_bias=False, name=f"{name}_projection")(x)
    x = BatchNorm(name=f"{name}_projected_norm")(x, is_frame)
    return keras.layers.Activation("relu6", name=f"{name}_projected")(x)
