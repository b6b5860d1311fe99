"""A mixture of neural network experts: experts see layers of units, gates see what is given.

Source: M. Mpekalski et al. (You8M, fifth place of 2017), MoNN2Lw, MoNN3Lw and MoNN4Lw of
https://github.com/mpekalski/Y8M, video_level_models.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from yt8m_exp.models.heads import GateInitializer, MixtureOfExperts
from yt8m_exp.spec import InputError


@dataclass(frozen=True)
class DeepExperts:
    """A head: a mixture of experts, which see the vector through layers of their own.

    Args:
        units: of a layer whose size is 1.
        shape: the size of each layer in `units`, from the first; each layer is a relu.
        dropout: share of each layer that is dropped in training.
        experts: see `heads.MixtureOfExperts`.
        l2: see there; weight of the regulariser of all kernels.
        initial_bias: see there.
        gate_initializer: see there.

    Raises:
        InputError: an argument is out of its range.
    """

    units: int
    shape: Sequence[int]
    dropout: float
    experts: int
    l2: float
    initial_bias: float
    gate_initializer: GateInitializer

    def __post_init__(self) -> None:
        if self.units < 1 or not self.shape or min(self.shape) < 1:
            raise InputError(
                "`units >= 1` and a `shape` of sizes that are 1 or more must hold, but got "
                f"units={self.units}, shape={list(self.shape)}."
            )
        self._mixture()

    def __call__(
        self, x: keras.KerasTensor, classes: int, *, prefix: str = ""
    ) -> keras.KerasTensor:
        """Returns probabilities (B, C) from a vector (B, D); `prefix` begins the layers' names."""
        hidden = x
        for number, size in enumerate(self.shape, 1):
            hidden = keras.layers.Dense(
                size * self.units,
                activation="relu",
                kernel_regularizer=keras.regularizers.L2(self.l2 / 2),
                name=f"{prefix}hidden_{number}",
            )(hidden)
            if self.dropout:
                name = f"{prefix}dropout_{number}"
                hidden = keras.layers.Dropout(self.dropout, name=name)(hidden)
        return self._mixture()(x, classes, experts_see=hidden, prefix=prefix)

    def _mixture(self) -> MixtureOfExperts:
        return MixtureOfExperts(self.experts, self.l2, self.initial_bias, self.gate_initializer)
