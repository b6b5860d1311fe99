"""Gated recurrent units: reads the frames one after another, judges by the last state.

Source: GruModel of https://github.com/antoine77340/Youtube-8M-WILLOW, frame_level_models.py.
"""

from collections.abc import Mapping

import keras

from yt8m_exp import spec
from yt8m_exp.models import frames, heads, inputs, recurrent
from yt8m_exp.models.sampling import Sampling


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    max_frames: int = spec.MAX_FRAMES,
    sampling: Sampling = "none",
    samples: int = 150,
    normalize: inputs.Normalize = "each",
    cells: int = 1200,
    layers: int = 2,
    dropout: float = 0.0,
    head: heads.Head = "moe",
    experts: int = 2,
    l2: float = 1e-8,
    bias: float = 0.0,
    even_start: bool = False,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        max_frames: see `sampling.Choose`.
        sampling: see `sampling.Choose`.
        samples: see `sampling.Choose`.
        normalize: see `frames.Dequantize`.
        cells: size of the state of each layer.
        layers: how many of them stand on each other.
        dropout: share of the last state dropped in training.
        head: see `heads.head`.
        experts: see `heads.moe`.
        l2: weight of the regulariser of the head.
        bias: the logit that every expert starts from.
        even_start: see `heads.moe`.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(
        named, max_frames=max_frames, sampling=sampling, samples=samples, normalize=normalize
    )
    x = recurrent.last_state(x, count, recurrent.GRU, cells=cells, layers=layers)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    probabilities = heads.head(
        x, classes, head=head, experts=experts, l2=l2, bias=bias, even_start=even_start
    )
    return keras.Model(named, probabilities, name="gru")
