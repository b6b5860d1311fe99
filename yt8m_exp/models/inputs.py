"""Named video-level inputs, and how they are normalised and joined."""

from collections.abc import Mapping

import keras
from keras import ops

from yt8m_exp.models import normalization
from yt8m_exp.models.normalization import Normalize


@keras.saving.register_keras_serializable("yt8m_exp")
class L2Normalize(keras.layers.Layer):
    """Scales the last axis to a length.

    Args:
        epsilon: the smallest squared length to divide by; a zero vector stays zero.
        length: the length.
    """

    def __init__(self, epsilon: float = 1e-12, length: float = 1.0, **layer) -> None:
        super().__init__(**layer)
        self.epsilon = epsilon
        self.length = length

    def call(self, x):
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return x * (self.length * ops.rsqrt(ops.maximum(squares, self.epsilon)))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon, "length": self.length}


@keras.saving.register_keras_serializable("yt8m_exp")
class Unwhiten(keras.layers.Layer):
    """Un-whitens rgb (B, 1024).

    Args:
        normalize: the value of `normalize` that says how; see `normalization.of`.
    """

    def __init__(self, normalize: Normalize, **layer) -> None:
        super().__init__(**layer)
        self.normalize = normalize
        self.normalization = normalization.of(normalize)

    def call(self, x):
        return (x - self.normalization.shift) * self.normalization.rgb_factors

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}


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
        normalize: how they are normalised; see `normalization.of`.

    Raises:
        InputError: `normalize` is not known, or does not fit the features.
    """
    sizes = {name: part.shape[-1] for name, part in inputs.items()}
    found = normalization.require_fit(normalize, sizes)
    parts = dict(inputs)
    if found.factors is not None:
        rgb = next(iter(parts))
        parts[rgb] = Unwhiten(normalize, name=f"unwhitened_{rgb}", dtype="float32")(parts[rgb])
    if found.scaled == "each":
        lengths = zip(parts.items(), found.lengths([*sizes.values()]), strict=True)
        parts = {
            name: _scaled(part, f"normalized_{name}", length) for (name, part), length in lengths
        }
    joined = [*parts.values()]
    x = joined[0] if len(joined) == 1 else keras.layers.Concatenate(name="features")(joined)
    return _scaled(x, "normalized") if found.scaled == "joint" else x


def _scaled(x: keras.KerasTensor, name: str, length: float = 1.0) -> keras.KerasTensor:
    return L2Normalize(length=length, name=name, dtype="float32")(x)
