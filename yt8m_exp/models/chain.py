"""A chain of mixtures of experts: what a stage predicts is a feature of the stages after it.

Source: H. Wang et al., "The monkeytyping solution to the YouTube-8M video understanding
challenge", 2017, section 3.1, https://arxiv.org/abs/1706.05150; DeepCombineChainModel and
DeepChainModel of https://github.com/wangheda/youtube-8m.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras

from yt8m_exp.models.auxiliary import Auxiliary
from yt8m_exp.models.heads import GateInitializer, MixtureOfExperts
from yt8m_exp.models.inputs import L2Normalize
from yt8m_exp.models.requirements import require_choice, require_positive
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
        require_positive(stages=self.stages, units=self.units)
        if not 0 <= self.auxiliary_weight <= 1:
            raise InputError(
                "`0 <= auxiliary_weight <= 1` must hold, but got "
                f"auxiliary_weight={self.auxiliary_weight}."
            )
        require_choice(Activation, activation=self.activation)
        require_choice(Keeps, keeps=self.keeps)
        self.mixture()

    def __call__(
        self, x: keras.KerasTensor, classes: int, *, prefix: str = ""
    ) -> keras.KerasTensor:
        """Returns probabilities (B, C) from a vector (B, D); `prefix` begins the layers' names."""
        if len(x.shape) != 2:
            raise InputError(
                f"A chain takes one vector of each video, but got {x.shape[1]} vectors. Set "
                "model.head=moe, or a model.states other than attention."
            )
        return self.chained(lambda stage: [x], classes, prefix=prefix)

    def chained(
        self,
        features: Callable[[int], list[keras.KerasTensor]],
        classes: int,
        *,
        prefix: str = "",
    ) -> keras.KerasTensor:
        """Returns probabilities (B, C), where a stage may have features of its own.

        Args:
            features: returns those of a stage, x above; stage L is the last mixture.
            classes: C.
            prefix: of the layers' names.
        """
        found: list[keras.KerasTensor] = []
        kept: list[keras.KerasTensor] = []
        for stage in range(self.stages):
            name = f"{prefix}stage_{stage}"
            x = joined([*features(stage), *kept], f"{name}_features")
            found.append(self._predicted(name, x, classes))
            latest = self.summary(found[-1], f"{name}_summary")
            kept = [*kept, latest] if self.keeps == "all" else [latest]
        x = joined([*features(self.stages), *kept], f"{prefix}chained")
        weight = self.auxiliary_weight
        supervised = Auxiliary(weight, 1 - weight, dtype="float32", name=f"{prefix}supervised")
        return supervised(self.mixture()(x, classes, prefix=prefix), found)

    def mixture(self) -> MixtureOfExperts:
        """Returns the mixture of each stage."""
        return MixtureOfExperts(self.experts, self.l2, self.initial_bias, self.gate_initializer)

    def summary(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Returns a layer of units (B, R) on x (B, D), scaled to length one."""
        layer = keras.layers.Dense(
            self.units,
            activation=self.activation,
            kernel_regularizer=keras.regularizers.L2(self.l2 / 2),
            name=name,
        )
        return L2Normalize(dtype="float32", name=f"{name}_normalized")(layer(x))

    def _predicted(self, name: str, x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
        if self.noise:
            x = keras.layers.GaussianNoise(self.noise, name=f"{name}_noise")(x)
        if self.dropout:
            x = keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        return self.mixture()(x, classes, prefix=f"{name}_")


def joined(features: list[keras.KerasTensor], name: str) -> keras.KerasTensor:
    """Returns vectors side by side."""
    return features[0] if len(features) == 1 else keras.layers.Concatenate(name=name)(features)
