"""Heads: classifiers on top of a vector, which return probabilities of each class, independently.

A model calls its head as `head(x, classes)` with a vector (B, D) and C; it gets probabilities
(B, C). From several vectors of a video (B, A, D), one head makes (B, A, C). A model with several
heads gives each a `prefix` for the names of its layers. All regularisers are the starter code's:
`l2 * 0.5 * sum(w ** 2)`, of kernels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras
from keras import ops

from yt8m_exp.models.gates import ProbabilityGate
from yt8m_exp.models.requirements import require_choice, require_positive
from yt8m_exp.spec import InputError

Head = Callable[..., keras.KerasTensor]
GateInitializer = Literal["zeros", "glorot_uniform"]
GatedBy = Literal["none", "probabilities", "features"]


@dataclass(frozen=True)
class Logistic:
    """Logistic regression.

    Args:
        l2: weight of the regulariser, 0 or more.
        initial_bias: the logit that every class starts from. Most classes are rare: with zero they
            all start at one half, and the first epochs only bring them down.
        l2_of_biases: whether biases are regularised, too.

    Raises:
        InputError: `l2` is negative.
    """

    l2: float
    initial_bias: float
    l2_of_biases: bool = False

    def __post_init__(self) -> None:
        _require_l2(self.l2)

    def __call__(
        self, x: keras.KerasTensor, classes: int, *, prefix: str = ""
    ) -> keras.KerasTensor:
        """Returns probabilities (B, C) from a vector (B, D); `prefix` begins the layers' names."""
        classifier = _dense(self, classes, name=f"{prefix}classifier", biases=self.l2_of_biases)
        return keras.layers.Activation("sigmoid", dtype="float32", name=f"{prefix}probabilities")(
            classifier(x)
        )


@dataclass(frozen=True)
class MixtureOfExperts:
    """A mixture of logistic experts for each class.

    Source: M. Jordan and R. Jacobs, "Hierarchical mixtures of experts and the EM algorithm", 1994;
    with a dummy expert as in arXiv:1609.08675, section 4.3.

    Args:
        experts: E, experts of each class without the dummy.
        l2: weight of the regulariser, 0 or more.
        initial_bias: the logit that every expert starts from; see `Logistic`.
        gate_initializer: initializer of the gates' kernel. `zeros` gives all experts the same share
            at first.
        gate_rank: rank of the gates' kernel, a product of two; None: it is a matrix of its own.
        gated_by: what gates the probabilities of a video, see `ProbabilityGate`: `probabilities`
            themselves, `features`, which are the vector x, or `none`.
        remove_diagonal: see `ProbabilityGate`.

    Raises:
        InputError: an argument is out of its range.
    """

    experts: int
    l2: float
    initial_bias: float
    gate_initializer: GateInitializer
    gate_rank: int | None = None
    gated_by: GatedBy = "none"
    remove_diagonal: bool = False

    def __post_init__(self) -> None:
        _require_l2(self.l2)
        require_positive(experts=self.experts)
        require_choice(GateInitializer, gate_initializer=self.gate_initializer)
        if self.gate_rank is not None:
            require_positive(gate_rank=self.gate_rank)
        require_choice(GatedBy, gated_by=self.gated_by)

    def __call__(
        self,
        x: keras.KerasTensor,
        classes: int,
        *,
        experts_see: keras.KerasTensor | None = None,
        prefix: str = "",
    ) -> keras.KerasTensor:
        """Returns probabilities (B, C).

        Args:
            x: a vector (B, D).
            classes: C.
            experts_see: another vector (B, H), in place of x.
            prefix: of the layers' names.
        """
        reduced = x
        if self.gate_rank:
            reduced = self._gates(self.gate_rank, "glorot_uniform", f"{prefix}gates_reduced")(x)
        units = classes * (self.experts + 1)
        gates = self._gates(units, self.gate_initializer, f"{prefix}gates")(reduced)
        seen = x if experts_see is None else experts_see
        experts = _dense(self, classes * self.experts, name=f"{prefix}experts")(seen)
        mixture = Mixture(self.experts, dtype="float32", name=f"{prefix}probabilities")
        mixed = mixture(gates, experts)
        if self.gated_by == "none":
            return mixed
        gate = ProbabilityGate(
            remove_diagonal=self.remove_diagonal,
            dtype="float32",
            name=f"{prefix}gated_probabilities",
        )
        return gate(mixed, mixed if self.gated_by == "probabilities" else x)

    def _gates(self, units: int, initializer: str, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=initializer,
            kernel_regularizer=keras.regularizers.L2(self.l2 / 2),
            name=name,
        )


@keras.saving.register_keras_serializable("yt8m_exp")
class Mixture(keras.layers.Layer):
    """Mixes experts by gates: `sum_e softmax(gates)_e * sigmoid(experts)_e`, for each class.

    The last gate belongs to a dummy expert that always says no. Gates (B, C * (E + 1)) and experts
    (B, C * E) hold all experts of the first class, then of the second, ..., as the starter code's.

    Args:
        experts: E.
    """

    def __init__(self, experts: int, **layer) -> None:
        super().__init__(**layer)
        self.experts = experts

    def call(self, gates, experts):
        rows, classes = ops.shape(experts)[:-1], experts.shape[-1] // self.experts
        gates = ops.reshape(ops.cast(gates, "float32"), (*rows, classes, self.experts + 1))
        experts = ops.reshape(ops.cast(experts, "float32"), (*rows, classes, self.experts))
        shares = ops.softmax(gates, axis=-1)[..., : self.experts]  # (B, C, E)
        return ops.sum(shares * ops.sigmoid(experts), axis=-1)  # (B, C)

    def compute_output_spec(self, gates, experts):
        shape = (*experts.shape[:-1], experts.shape[-1] // self.experts)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return super().get_config() | {"experts": self.experts}


def _require_l2(l2: float) -> None:
    if l2 < 0:
        raise InputError(f"`l2 >= 0` must hold, but got l2={l2}.")


def _dense(
    head: Logistic | MixtureOfExperts, units: int, name: str, *, biases: bool = False
) -> keras.layers.Dense:
    return keras.layers.Dense(
        units,
        kernel_regularizer=keras.regularizers.L2(head.l2 / 2),
        bias_regularizer=keras.regularizers.L2(head.l2 / 2) if biases else None,
        bias_initializer=keras.initializers.Constant(head.initial_bias),
        name=name,
    )
