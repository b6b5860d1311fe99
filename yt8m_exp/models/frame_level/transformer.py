"""A transformer over frames: each frame attends to all frames, and the result is pooled.

Source: J. Devlin et al., "BERT", 2018, https://arxiv.org/abs/1810.04805, with frames for words, as
in https://github.com/hughshaoqz/3rd-Youtube8M-TM (BERTMean and BERTCross, ninth place of 2019).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import keras
from keras import ops

from yt8m_exp.models import frames as of_frames
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.pooling import AttentionPooling, LastFrame, MaxPooling, MeanPooling
from yt8m_exp.models.positions import LearnedPositions, SinusoidalPositions
from yt8m_exp.models.requirements import require_choice, require_positive
from yt8m_exp.models.sampling import Sampling
from yt8m_exp.spec import InputError

Pooling = Literal["average", "max", "last", "token", "attention"]
Positions = Literal["none", "learned", "sinusoidal"]
EPSILON = 1e-12  # of the normalisation of layers, as in BERT
MIN_HEAD = 2
"""Values of a head at least. Of heads of one value, Keras 3.15 on TensorFlow adds the bias along
frames if there are as many frames as heads."""


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    units: int,
    apart: int,
    layers: int,
    heads: int,
    feed_forward: int,
    positions: Positions,
    pooling: Pooling,
    padded: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the pooled frames; see the module `heads`.
        normalize: see `frames.Dequantize`.
        units: D, the width of a frame in all layers; frames of another width are projected to it.
        apart: the number of layers that each feature has for itself, before the others.
        layers: the number of layers that take all features of a frame together.
        heads: of attention in each layer, each of units / heads values, rounded down.
        feed_forward: units of the layer after attention.
        positions: embedding of a frame's place, which is added: `learned`, `sinusoidal` or `none`.
        pooling: `average`, `max` or `last` frame; `attention`, a mean weighted by a learned query;
            `token`, a learned row that stands before the frames and attends to them.
        padded: whether padding is attended to and pooled, as the original does.
        dropout: share of the outputs of each layer that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).

    Raises:
        InputError: an argument is out of its range.
    """
    require_choice(Positions, positions=positions)
    require_choice(Pooling, pooling=pooling)
    require_positive(units=units, layers=layers, heads=heads, feed_forward=feed_forward)
    named = of_frames.named(features)
    x, count = of_frames.joined(named, sampling, normalize)
    if x.shape[-1] != units:
        _require_not_apart(apart, units, x.shape[-1])
        x = keras.layers.Dense(units, kernel_initializer=_normal(), name="projection")(x)
    x = _placed(x, positions, sampling.places)
    if pooling == "token":
        x, count = ClassToken(name="token")(x), count + 1
    is_frame = None if padded else KeyMask(name="keys")(x, count)
    layer = Layer(heads, feed_forward, dropout)
    if apart:
        sizes = {name: part.shape[-1] for name, part in named.items() if name != "frames"}
        x = _apart(x, sizes, lambda part, name: _stacked(layer, apart, part, is_frame, f"{name}_"))
    x = _stacked(layer, layers, x, is_frame)
    x = _pooled(x, count, pooling, padded=padded)
    return keras.Model(named, head(x, classes), name="transformer")


@dataclass(frozen=True)
class Layer:
    """A layer of a transformer, whose outputs are normalised: attention, then a layer of units.

    Args:
        heads: see `build`.
        feed_forward: see there.
        dropout: see there.
    """

    heads: int
    feed_forward: int
    dropout: float

    def __call__(
        self, x: keras.KerasTensor, keys: keras.KerasTensor | None, *, prefix: str
    ) -> keras.KerasTensor:
        """Returns the rows (B, T, D) of the layer.

        Args:
            x: those of the layer below.
            keys: which rows are attended to, booleans (B, 1, T); None: all.
            prefix: of the layers' names.
        """
        attention = keras.layers.MultiHeadAttention(
            self.heads,
            max(x.shape[-1] // self.heads, MIN_HEAD),
            kernel_initializer=_normal(),
            name=f"{prefix}attention",
        )
        y = attention(x, x, attention_mask=keys)
        x = self._added(x, y, f"{prefix}attention")
        y = keras.layers.Dense(
            self.feed_forward,
            activation=gelu_tanh,
            kernel_initializer=_normal(),
            name=f"{prefix}hidden",
        )(x)
        dense = keras.layers.Dense(
            x.shape[-1], kernel_initializer=_normal(), name=f"{prefix}output"
        )
        return self._added(x, dense(y), f"{prefix}output")

    def _added(self, x: keras.KerasTensor, y: keras.KerasTensor, name: str) -> keras.KerasTensor:
        y = keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(y) if self.dropout else y
        return _normalized(keras.layers.Add(name=f"{name}_sum")([x, y]), f"{name}_norm")


@keras.saving.register_keras_serializable("yt8m_exp")
class KeyMask(keras.layers.Layer):
    """Returns which rows of x (B, T, D) are attended to, booleans (B, 1, T): frames, or one row."""

    def call(self, x, frames):
        return of_frames.mask(x, ops.maximum(frames, 1))[:, None, :]


@keras.saving.register_keras_serializable("yt8m_exp")
class ClassToken(keras.layers.Layer):
    """Returns x (B, T, D) behind a learned row, (B, T + 1, D)."""

    def build(self, shape):
        self.row = self.add_weight(shape[-1:], _normal(), name="row")

    def call(self, x):
        row = ops.cast(ops.convert_to_tensor(self.row), x.dtype)
        row = ops.broadcast_to(row, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([row, x], axis=1)


@keras.saving.register_keras_serializable("yt8m_exp")
def gelu_tanh(x: keras.KerasTensor) -> keras.KerasTensor:
    """Returns BERT's approximation of the Gaussian error linear unit."""
    return keras.activations.gelu(x, approximate=True)


def _stacked(
    layer: Layer,
    count: int,
    x: keras.KerasTensor,
    keys: keras.KerasTensor | None,
    prefix: str = "",
) -> keras.KerasTensor:
    """Returns the rows (B, T, D) of the last of some layers; see `Layer`."""
    for number in range(count):
        x = layer(x, keys, prefix=f"{prefix}layer_{number}_")
    return x


def _apart(
    x: keras.KerasTensor,
    sizes: Mapping[str, int],
    encode: Callable[[keras.KerasTensor, str], keras.KerasTensor],
) -> keras.KerasTensor:
    """Returns frames (B, T, D) of which each feature was encoded by itself."""
    parts = of_frames.Split(list(sizes.values()), name="apart")(x)
    encoded = [encode(part, name) for part, name in zip(parts, sizes, strict=True)]
    return keras.layers.Concatenate(name="together")(encoded) if len(encoded) > 1 else encoded[0]


def _placed(x: keras.KerasTensor, positions: Positions, max_frames: int) -> keras.KerasTensor:
    """Returns frames with an embedding of their place, normalised as in BERT."""
    if positions == "none":
        return x
    table = (
        LearnedPositions(x.shape[-1], max_frames, name="positions")
        if positions == "learned"
        else SinusoidalPositions(name="positions")
    )
    return _normalized(keras.layers.Add(name="placed")([x, table(x)]), "placed_norm")


def _pooled(
    x: keras.KerasTensor, count: keras.KerasTensor, pooling: Pooling, *, padded: bool
) -> keras.KerasTensor:
    """Returns the vector (B, D) of each video."""
    if pooling == "token":
        return x[:, 0]
    if pooling == "attention":
        query = keras.layers.Dense(1, use_bias=False, kernel_initializer=_normal(), name="query")
        scores = keras.layers.Rescaling(x.shape[-1] ** -0.5, name="scores")(query(x))
        return AttentionPooling(padded, name="pooled")(scores, x, count)[:, 0]
    layers: dict[str, Callable[..., keras.Layer]] = {
        "average": MeanPooling,
        "max": MaxPooling,
        "last": LastFrame,
    }
    return layers[pooling](padded, name="pooled")(x, count)


def _normalized(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.LayerNormalization(epsilon=EPSILON, dtype="float32", name=name)(x)


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=0.02)


def _require_not_apart(apart: int, units: int, width: int) -> None:
    if apart:
        raise InputError(
            "Layers of each feature alone (`apart`) take frames that are not projected: units must "
            f"be {width}, but is {units}."
        )
