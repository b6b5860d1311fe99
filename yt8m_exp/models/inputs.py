"""Named video-level inputs, and how they are normalised and joined."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import keras
from keras import ops

from yt8m_exp.spec import InputError

Normalize = Literal["each", "joint", "none"]


@keras.saving.register_keras_serializable("yt8m_exp")
class L2Normalize(keras.layers.Layer):
    """Scales the last axis to length one.

    Args:
        epsilon: the smallest squared length to divide by; a zero vector stays zero.
    """

    def __init__(self, epsilon: float = 1e-12, **layer) -> None:
        super().__init__(**layer)
        self.epsilon = epsilon

    def call(self, x):
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return x * ops.rsqrt(ops.maximum(squares, self.epsilon))

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}


def named(features: Mapping[str, int]) -> dict[str, keras.KerasTensor]:
    """Returns a float32 input (B, D) for each feature, under the feature's own name.

    The order is fixed, rgb before audio as in the starter code: weights must not depend on the
    order of a mapping.
    """
    ordered = sorted(features.items(), reverse=True)
    return {name: keras.Input((size,), name=name) for name, size in ordered}


def joined(inputs: Mapping[str, keras.KerasTensor], normalize: Normalize) -> keras.KerasTensor:
    """Joins video-level features to one vector (B, D).

    Args:
        inputs: the features, joined in this order.
        normalize: `each` gives every feature length one, `joint` the whole vector (the starter
            code's way, in which rgb outweighs audio), `none` leaves the values as they are.

    Raises:
        InputError: `normalize` is none of these.
    """
    parts = list(inputs.values())
    if require_normalize(normalize) == "each":
        parts = [
            L2Normalize(name=f"normalized_{part.name}", dtype="float32")(part) for part in parts
        ]
    x = parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="features")(parts)
    return L2Normalize(name="normalized", dtype="float32")(x) if normalize == "joint" else x


def require_normalize(normalize: Normalize) -> Normalize:
    """Returns `normalize`, or raises InputError if it is not a value of `Normalize`."""
    if normalize not in get_args(Normalize):
        raise InputError(f"`normalize` must be each, joint or none, but got {normalize!r}.")
    return normalize


def inverse_length(
    squares: Sequence[keras.KerasTensor], normalize: Normalize, epsilon: float = 1e-12
) -> list[keras.KerasTensor]:
    """Returns the factor that normalises each feature.

    Args:
        squares: the squared length of each feature, of any one shape.
        normalize: see `joined`.
        epsilon: see `L2Normalize`.
    """
    if normalize == "none":
        return [ops.ones_like(square) for square in squares]
    if normalize == "joint":
        squares = [sum(squares)] * len(squares)
    return [ops.rsqrt(ops.maximum(square, epsilon)) for square in squares]
