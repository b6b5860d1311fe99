"""Classifiers on top of a vector: probabilities of each class, independently.

The regulariser is the starter code's, `l2 * 0.5 * sum(w ** 2)` on the kernels alone.
"""

from typing import Literal

import keras
from keras import ops

Head = Literal["logistic", "moe"]


def head(
    x: keras.KerasTensor,
    classes: int,
    *,
    head: Head,
    experts: int,
    l2: float,
    bias: float,
    even_start: bool,
) -> keras.KerasTensor:
    """Returns probabilities (B, C) of the classifier of that name on x (B, D).

    Args:
        x: the vector.
        classes: C.
        head: `logistic` or `moe`.
        experts: see `moe`; nothing to `logistic`.
        l2: weight of the regulariser.
        bias: the logit that every class, or every expert, starts from.
        even_start: see `moe`; nothing to `logistic`.

    Raises:
        ValueError: there is no such classifier.
    """
    if head == "logistic":
        return logistic(x, classes, l2=l2, bias=bias)
    if head == "moe":
        return moe(x, classes, experts=experts, l2=l2, bias=bias, even_start=even_start)
    raise ValueError(f"`head` must be logistic or moe, but got {head!r}.")


def logistic(x: keras.KerasTensor, classes: int, *, l2: float, bias: float) -> keras.KerasTensor:
    """Returns probabilities (B, C) of a logistic regression on x (B, D).

    Args:
        x: the vector.
        classes: C.
        l2: weight of the regulariser.
        bias: the logit that every class starts from. Most classes are rare: zero starts them all
            at one half, and the first epochs are spent on bringing them down.
    """
    logits = keras.layers.Dense(
        classes,
        kernel_regularizer=keras.regularizers.L2(l2 / 2),
        bias_initializer=keras.initializers.Constant(bias),
        name="classifier",
    )(x)
    return keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(logits)


@keras.saving.register_keras_serializable("yt8m_exp")
class Mixture(keras.layers.Layer):
    """Mixes experts by gates: `sum_e softmax(gates)_e * sigmoid(experts)_e`, by class.

    The last gate belongs to a dummy expert that always says no. Gates (B, C * (E + 1)) and experts
    (B, C * E) hold all experts of the first class, then of the second, ..., as the starter code's.

    Args:
        experts: E.
    """

    def __init__(self, experts: int, **layer) -> None:
        super().__init__(**layer)
        if experts < 1:
            raise ValueError(f"`experts >= 1` must hold, but got experts={experts}.")
        self.experts = experts

    def call(self, gates, experts):
        classes = experts.shape[-1] // self.experts
        gates = ops.reshape(ops.cast(gates, "float32"), (-1, classes, self.experts + 1))
        experts = ops.reshape(ops.cast(experts, "float32"), (-1, classes, self.experts))
        shares = ops.softmax(gates, axis=-1)[..., : self.experts]  # (B, C, E)
        return ops.sum(shares * ops.sigmoid(experts), axis=-1)  # (B, C)

    def get_config(self):
        return super().get_config() | {"experts": self.experts}


def moe(
    x: keras.KerasTensor,
    classes: int,
    *,
    experts: int,
    l2: float,
    bias: float,
    even_start: bool = True,
) -> keras.KerasTensor:
    """Returns probabilities (B, C) of a mixture of logistic experts on x (B, D), one per class.

    Source: M. Jordan and R. Jacobs, "Hierarchical mixtures of experts and the EM algorithm", 1994;
    with a dummy expert as in arXiv:1609.08675, section 4.3.

    Args:
        x: the vector.
        classes: C.
        experts: E, without the dummy.
        l2: weight of the regulariser.
        bias: the logit that every expert starts from.
        even_start: whether gates start at zero, equal shares for all, or at random.
    """
    mix = Mixture(experts, dtype="float32", name="probabilities")  # checks `experts`
    gates = keras.layers.Dense(
        classes * (experts + 1),
        use_bias=False,
        kernel_initializer="zeros" if even_start else "glorot_uniform",
        kernel_regularizer=keras.regularizers.L2(l2 / 2),
        name="gates",
    )(x)
    votes = keras.layers.Dense(
        classes * experts,
        kernel_regularizer=keras.regularizers.L2(l2 / 2),
        bias_initializer=keras.initializers.Constant(bias),
        name="experts",
    )(x)
    return mix(gates, votes)
