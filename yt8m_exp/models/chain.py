"""A chain of mixtures of experts: what a stage predicts is a feature of the stages after it.

Source: H. Wang et al., "The monkeytyping solution to the YouTube-8M video understanding
challenge", 2017, section 3.1, https://arxiv.org/abs/1706.05150; DeepCombineChainModel and
DeepChainModel of https://github.com/wangheda/youtube-8m.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import keras

from yt8m_exp.models.auxiliary import Auxiliary
from yt8m_exp.models.heads import GateInitializer, MixtureOfExperts
from yt8m_exp.models.inputs import L2Normalize
from yt8m_exp.spec import InputError

Activation = Literal["relu", "elu"]
Keeps = Literal["all", "last"]


@dataclass(frozen=True)
class ChainOfExperts:
    """A head: L stages, each a mixture of experts, and one more mixture, which predicts.

    `n_0 = x`, `p_l = MoE_l(n_l)`, `a_l = l2(relu(p_l W_l + b_l))`, `n_l+1 = [n_l, a_l]`, and
    `MoE(n_L)` is served. The loss is `(1 - P) loss(MoE(n_L)) + P sum_l loss(p_l)`.

    Args:
        stages: L, mixtures before the one that predicts.
        units: of each `a_l`, at least 1; with few of them alive no gradient flows.
        activation: of these units.
        keeps: `all` keeps the units of all stages before, `last` only the latest: [x, a_l].
        auxiliary_weight: P, in [0, 1].
        noise: standard deviation of what is added to a stage's input in training.
        dropout: share of a stage's input that is dropped in training; the last mixture sees all.
        experts: see `heads.MixtureOfExperts`.
        l2: see there; weight of the regulariser of all kernels.
        initial_bias: see there.
        gate_initializer: see there.

    Raises:
        InputError: an argument is out of its range.
    """

    stages: int
    units: int
    activation: Activation
    keeps: Keeps
    auxiliary_weight: float
    noise: float
    dropout: float
    experts: int
    l2: float
    initial_bias: float
    gate_initializer: GateInitializer

    def __post_init__(self) -> None:
        if self.stages < 1 or self.units < 1:
            raise InputError(
                "`stages >= 1` and `units >= 1` must hold, but got "
                f"stages={self.stages}, units={self.units}."
            )
        if not 0 <= self.auxiliary_weight <= 1:
            raise InputError(
                "`0 <= auxiliary_weight <= 1` must hold, but got "
                f"auxiliary_weight={self.auxiliary_weight}."
            )
        if self.activation not in get_args(Activation):
            raise InputError(f"`activation` must be relu or elu, but got {self.activation!r}.")
        if self.keeps not in get_args(Keeps):
            raise InputError(f"`keeps` must be all or last, but got {self.keeps!r}.")
        self.mixture()

    def __call__(
        self, x: keras.KerasTensor, classes: int, *, prefix: str = ""
    ) -> keras.KerasTensor:
        """Returns probabilities (B, C) from a vector (B, D); `prefix` begins the layers' names."""
        found, features = [], [x]
        for stage in range(self.stages):
            name = f"{prefix}stage_{stage}"
            found.append(self.predicted(name, features, classes))
            kept = features if self.keeps == "all" else [x]
            features = [*kept, self.summary(name, found[-1])]
        chained = joined(features, f"{prefix}chained")
        predictions = self.mixture()(chained, classes, prefix=prefix)
        return self.supervised(predictions, found, prefix=prefix)

    def mixture(self) -> MixtureOfExperts:
        """Returns the mixture of each stage."""
        return MixtureOfExperts(self.experts, self.l2, self.initial_bias, self.gate_initializer)

    def predicted(
        self, stage: str, features: list[keras.KerasTensor], classes: int
    ) -> keras.KerasTensor:
        """Returns what a stage of a name predicts (B, C) from features."""
        x = joined(features, f"{stage}_features")
        if self.noise:
            x = keras.layers.GaussianNoise(self.noise, name=f"{stage}_noise")(x)
        if self.dropout:
            x = keras.layers.Dropout(self.dropout, name=f"{stage}_dropout")(x)
        return self.mixture()(x, classes, prefix=f"{stage}_")

    def summary(self, stage: str, x: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the units (B, R) of a stage, of length one, from its predictions."""
        return summary(x, self.units, self.activation, self.l2, name=f"{stage}_summary")

    def supervised(
        self, predictions: keras.KerasTensor, stages: list[keras.KerasTensor], *, prefix: str = ""
    ) -> keras.KerasTensor:
        """Returns the predictions, and has training supervise those of the stages, too."""
        weight = self.auxiliary_weight
        layer = Auxiliary(weight, 1 - weight, dtype="float32", name=f"{prefix}supervised")
        return layer(predictions, stages)


def summary(
    x: keras.KerasTensor, units: int, activation: Activation, l2: float, *, name: str
) -> keras.KerasTensor:
    """Returns a layer of units (B, R) on x (B, D), scaled to length one."""
    x = keras.layers.Dense(
        units,
        activation=activation,
        kernel_regularizer=keras.regularizers.L2(l2 / 2),
        name=name,
    )(x)
    return L2Normalize(dtype="float32", name=f"{name}_normalized")(x)


def joined(features: list[keras.KerasTensor], name: str) -> keras.KerasTensor:
    """Returns vectors side by side."""
    return features[0] if len(features) == 1 else keras.layers.Concatenate(name=name)(features)
