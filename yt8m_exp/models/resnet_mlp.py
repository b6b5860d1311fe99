"""Residual network on video-level features."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import heads, inputs


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    layers: int = 2,
    width: int = 2048,
    normalize: inputs.Normalize = "each",
    dropout: float = 0.5,
    head: heads.Head = "logistic",
    experts: int = 2,
    l2: float = 1e-8,
    bias: float = -6.0,
    even_start: bool = True,
) -> keras.Model:
    """Builds the model: `h_0 = W x`, then `h_n = h_n-1 + V drop(relu(norm(h_n-1)))`, and a head.

    Each layer normalises what it takes, so that the sum itself is never squashed.

    Source: K. He et al., "Identity mappings in deep residual networks", 2016, eq. 4 and fig. 4e,
    https://arxiv.org/abs/1603.05027; J. L. Ba et al., "Layer normalization", 2016,
    https://arxiv.org/abs/1607.06450.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        layers: how many layers are added up.
        width: units of each.
        normalize: see `inputs.joined`.
        dropout: share of the units dropped in training, before each layer and before the head.
        head: see `heads.head`.
        experts: E, experts of each class beside the dummy, for `moe`.
        l2: weight of the head's regulariser.
        bias: the logit that every class or expert starts from.
        even_start: whether gates start at zero, for `moe`.

    Returns:
        A model from the named features, float32 (B, D), to probabilities, float32 (B, C).

    Raises:
        ValueError: there is no layer, no unit, or no such head.
    """
    if min(layers, width) < 1:
        raise ValueError(
            f"`layers >= 1` and `width >= 1` must hold, but got layers={layers}, width={width}."
        )
    named = inputs.named(features)
    x = keras.layers.Dense(width, name="stem")(inputs.joined(named, normalize))
    for number in range(1, layers + 1):
        added = keras.layers.Dense(width, name=f"layer_{number}")(_prepared(x, dropout, number))
        x = keras.layers.Add(name=f"sum_{number}")([x, added])
    x = _prepared(x, dropout, layers + 1)
    probabilities = heads.head(
        x, classes, head=head, experts=experts, l2=l2, bias=bias, even_start=even_start
    )
    return keras.Model(named, probabilities, name="resnet_mlp")


def _prepared(x: keras.KerasTensor, dropout: float, number: int) -> keras.KerasTensor:
    x = keras.layers.LayerNormalization(dtype="float32", name=f"norm_{number}")(x)
    x = keras.layers.Activation("relu", name=f"activation_{number}")(x)
    return keras.layers.Dropout(dropout, name=f"dropout_{number}")(x) if dropout else x
