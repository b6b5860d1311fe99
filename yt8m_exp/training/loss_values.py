"""What a loss is over a batch that was predicted, where nobody asks for its gradient.

The cross entropy is compiled by Numba (on first use, then from its cache): a logarithm of a product
takes the place of many, and one core has the value in a quarter of the time that it takes
TensorFlow's ops with two.
"""

from collections.abc import Callable
from functools import partial
from inspect import signature

import numba
import numpy as np

from yt8m_exp.data.warming import Call
from yt8m_exp.training.losses import cross_entropy

Loss = Callable[..., object]
Value = Callable[..., float]
_BLOCK = 32  # factors of at least 2**-24, the step of float32 below 1: their product is no denormal
_SMALL = 1e-70  # times a block's product is none either


def value_of(loss: Loss) -> Value:
    """Returns the function from arrays to the number that a loss of `training.losses` is.

    Args:
        loss: the loss, or a partial of it.

    Returns:
        A function of `labels` (B, L), `predictions`, float32 (B, C), and perhaps `rated` (B, R).
    """

    def as_in_training(**batch) -> float:
        return float(loss(**batch))  # type: ignore[arg-type]

    if (loss.func if isinstance(loss, partial) else loss) is not cross_entropy:
        return as_in_training
    epsilon = np.float32(signature(loss).parameters["epsilon"].default)

    def compiled(*, labels, predictions, **rated) -> float:
        if rated:
            return as_in_training(labels=labels, predictions=predictions, **rated)
        return _cross_entropy(labels, predictions, epsilon) / len(labels)

    return compiled


@numba.njit(nogil=True, cache=True, fastmath={"reassoc"})
def _cross_entropy(labels, predictions, epsilon):  # type: ignore[no-untyped-def]
    one, classes, total = np.float32(1), predictions.shape[1], 0.0
    for row in range(len(predictions)):
        chances, product = predictions[row], 1.0
        for start in range(0, classes, _BLOCK):
            block = 1.0
            for column in range(start, min(start + _BLOCK, classes)):
                block *= np.float64((one - chances[column]) + epsilon)
            product *= block
            if product < _SMALL:
                total -= np.log(product)
                product = 1.0
        total -= np.log(product)
        for place in range(labels.shape[1]):
            label = labels[row, place]
            if label >= 0 and not (labels[row, :place] == label).any():
                total += np.log(np.float64((one - chances[label]) + epsilon))
                total -= np.log(np.float64(chances[label] + epsilon))
    return total


def calls() -> list[Call]:
    """Returns a call of the loop for TensorFlow's arrays, not to be written to; see `warming`."""
    predictions = np.frombuffer(bytes(4), np.float32).reshape(1, 1)
    return [(_cross_entropy, (np.full((1, 1), -1, np.int32), predictions, np.float32(1)))]
