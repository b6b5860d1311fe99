"""What stacked recurrent layers return of a video: states after its last frame, or attention.

All take the features of frames x (B, T, D), the number of frames of each video, int32 (B,), and
`layer`, which makes a layer: `LSTM`, `GRU`, or a `partial` of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras
from keras import ops

from yt8m_exp.models.frames import mask
from yt8m_exp.models.pooling import AttentionPooling, LastFrame, MeanPooling, or_zero
from yt8m_exp.models.positions import LearnedPositions
from yt8m_exp.models.recurrent.layers import GRU, LSTM
from yt8m_exp.models.requirements import require_choice, require_positive
from yt8m_exp.spec import InputError

Layer = Callable[..., LSTM | GRU]
States = Literal["last", "all", "memory"]
StatesOrAttention = Literal[States, "attention"]
L2 = 1e-8
"""Weight of the regulariser of attention, as in its source."""


@dataclass(frozen=True)
class Stack:
    """Recurrent layers, each on the states of the one below.

    Args:
        layer: makes a layer.
        units: H, of each layer.
        layers: their number.
        prefix: of the layers' names.

    Raises:
        InputError: there are no layers, or no units in them.
    """

    layer: Layer
    units: int
    layers: int
    prefix: str = ""

    def __post_init__(self) -> None:
        require_positive(units=self.units, layers=self.layers)

    def sequence(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the hidden states (B, T, H) of the top layer."""
        for number in range(self.layers):
            x = self.layer(self.units, return_sequences=True, name=self._name(number))(x)
        return x

    def last(
        self, x: keras.KerasTensor, frames: keras.KerasTensor, states: States
    ) -> keras.KerasTensor:
        """Returns states (B, S) after the last frame of each video, zero without frames.

        Args:
            x: features of frames.
            frames: frames of each video.
            states: `last`, the hidden state of the top layer; `all`, the states of all layers, of
                an LSTM its cells before its hidden states; `memory`, the cells of all layers.

        Raises:
            InputError: `states` is none of these, or layers without cells have no `memory`.
        """
        require_choice(States, states=states)
        if states == "last":
            return LastFrame(name=f"{self.prefix}last_state")(self.sequence(x), frames)
        is_frame, kept = FrameMask(name=f"{self.prefix}mask")(x, frames), []
        for number in range(self.layers):
            options = {"return_sequences": True, "return_state": True, "name": self._name(number)}
            x, *found = self.layer(self.units, **options)(x, mask=is_frame)  # hidden, cells
            kept += reversed(found if states == "all" else found[1:])
        if not kept:
            raise InputError("`states=memory` needs the cells of an LSTM, but a GRU has none.")
        joined = keras.layers.Concatenate(name=f"{self.prefix}states")
        x = joined(kept) if len(kept) > 1 else kept[0]
        return OfFrames(name=f"{self.prefix}last_state")(x, frames)

    def _name(self, number: int) -> str:
        return f"{self.prefix}layer_{number}"


@dataclass(frozen=True)
class Attention:
    """Heads that each weigh the states of all frames anew, by the features of frames and states.

    Source: LstmAttentionMaxPoolingModel and LstmPositionalAttentionMaxPoolingModel of
    https://github.com/wangheda/youtube-8m; one classifier is then shared by all heads, and a class
    has the largest of its probabilities.

    Args:
        heads: A.
        position_units: of a learned embedding of each frame's place, by which frames are weighed,
            too, and by the mean of the features; 0: neither.
        max_frames: places that have an embedding.

    Raises:
        InputError: an argument is out of its range.
    """

    heads: int
    position_units: int
    max_frames: int

    def __post_init__(self) -> None:
        if self.heads < 1 or self.position_units < 0:
            raise InputError(
                "`heads >= 1` and `position_units >= 0` must hold, but got "
                f"heads={self.heads}, position_units={self.position_units}."
            )

    def __call__(
        self, x: keras.KerasTensor, states: keras.KerasTensor, frames: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Returns a vector (B, A, H) of each head, from features (B, T, D) and states (B, T, H)."""
        seen = [x, states]
        if self.position_units:
            mean = ToFrames(name="mean_of_frames")(MeanPooling(name="mean")(x, frames), x)
            table = LearnedPositions(self.position_units, self.max_frames, name="positions")
            seen = [x, table(x), mean, states]
        weigh = keras.layers.Dense(
            self.heads, kernel_regularizer=keras.regularizers.L2(L2 / 2), name="attention"
        )
        scores = weigh(keras.layers.Concatenate(name="attended")(seen))
        return AttentionPooling(name="pooled")(scores, states, frames)


def both_ways(
    x: keras.KerasTensor, frames: keras.KerasTensor, layer: Layer, units: int, *, prefix: str = ""
) -> keras.KerasTensor:
    """Returns the hidden states (B, T, H) of two layers of H / 2 units, one of which reads back.

    Source: M. Schuster and K. Paliwal, "Bidirectional recurrent neural networks", 1997.

    Raises:
        InputError: `units` is not even.
    """
    if units % 2 or units < 2:
        raise InputError(f"`units` must be even, half of them each way, but got units={units}.")
    forward = layer(units // 2, return_sequences=True, name=f"{prefix}forward")(x)
    turned = Reversed(name=f"{prefix}reversed")(x, frames)
    backward = layer(units // 2, return_sequences=True, name=f"{prefix}backward")(turned)
    backward = Reversed(name=f"{prefix}backward_in_order")(backward, frames)
    return keras.layers.Concatenate(name=f"{prefix}both_ways")([forward, backward])


def gated(x: keras.KerasTensor) -> keras.KerasTensor:
    """Returns `x * sigmoid(x W + b)` of states x (B, S)."""
    gate = keras.layers.Dense(x.shape[-1], activation="sigmoid", name="gate")(x)
    return keras.layers.Multiply(name="gated")([x, gate])


@keras.saving.register_keras_serializable("yt8m_exp")
class OfFrames(keras.layers.Layer):
    """Returns x (B, D), zero for videos without frames."""

    def call(self, x, frames):
        return or_zero(x, frames)


@keras.saving.register_keras_serializable("yt8m_exp")
class FrameMask(keras.layers.Layer):
    """Returns which rows of x (B, T, D) are frames, as booleans (B, T).

    The first one always is, as cuDNN takes no sequence without a step.
    """

    def call(self, x, frames):
        return mask(x, ops.maximum(frames, 1))


@keras.saving.register_keras_serializable("yt8m_exp")
class Reversed(keras.layers.Layer):
    """Returns x (B, T, D) with the frames of each video in reverse order, and padding as it is."""

    def call(self, x, frames):
        videos, length, size = ops.shape(x)
        places = ops.arange(length)
        turned = frames[:, None] - 1 - places
        indices = ops.where(turned >= 0, turned, places) + length * ops.arange(videos)[:, None]
        return ops.take(ops.reshape(x, (-1, size)), indices, axis=0)


@keras.saving.register_keras_serializable("yt8m_exp")
class ToFrames(keras.layers.Layer):
    """Returns a vector of a video (B, E) for each row of x (B, T, D), as (B, T, E)."""

    def call(self, vector, x):
        videos, length, _ = ops.shape(x)
        return ops.broadcast_to(vector[:, None], (videos, length, vector.shape[1]))


@keras.saving.register_keras_serializable("yt8m_exp")
class BestHead(keras.layers.Layer):
    """Returns the largest probability (B, C) of each class over the heads of (B, A, C)."""

    def call(self, x):
        return ops.max(x, axis=1)
