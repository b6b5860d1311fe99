"""What a loss is over a batch that was predicted, where nobody asks for its gradient.

A loss is defined in `losses`, and only there. The cross entropy also has a compiled form (Numba's,
compiled on first use, then from its cache): a logarithm of a product takes the place of many, and
one core has the value in a quarter of the time that it takes TensorFlow's ops with two. It is used
only where it gives what the loss itself gives.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, signature

import numba
import numpy as np

from yt8m_exp.data.tfrecords.warming import Call
from yt8m_exp.training.losses import cross_entropy

logger = logging.getLogger(__name__)

Loss = Callable[..., object]
Value = Callable[..., float]
_BATCH = ("labels", "predictions", "shares", "rated")
_LEAST = 2.0**-24  # a factor is at least the step of float32 below 1, or a smaller epsilon
_BLOCK = 32  # factors of that size, whose product is no denormal
_SMALL = 1e-70  # times a block's product is none either
_CLOSE = 1e-5  # the loss is computed in float32


def value_of(loss: Loss) -> Value:
    """Returns the function from arrays to the number that a loss is.

    It is compiled if the loss has a compiled form that knows its parameters and agrees with it on a
    small batch. Otherwise it calls the loss.

    Args:
        loss: a loss as those of `training.losses`, or a partial of it.

    Returns:
        A function of `labels` (B, L), `predictions`, float32 (B, C), and perhaps `rated` (B, R).
    """

    def as_in_training(**batch) -> float:
        return float(loss(**batch))  # type: ignore[arg-type]

    compiled = COMPILED.get(loss.func if isinstance(loss, partial) else loss)
    if compiled is None:
        return as_in_training
    parameters = _parameters(loss)
    if not parameters.keys() <= _parameters(compiled).keys():
        return as_in_training
    fast = partial(compiled, **parameters)
    batch = _batch()
    if not np.isclose(fast(**batch), as_in_training(**batch), rtol=_CLOSE):
        logger.info("The compiled form of %s does not give its value, so it is not used.", loss)
        return as_in_training

    def value(*, labels, predictions, **rated) -> float:
        if rated:
            return as_in_training(labels=labels, predictions=predictions, **rated)
        return fast(labels, predictions)

    return value


def _parameters(function: Callable) -> Mapping[str, object]:
    """Returns the values of the parameters of a loss, without those of a batch and unset ones."""
    return {
        name: parameter.default
        for name, parameter in signature(function).parameters.items()
        if name not in _BATCH
        and parameter.kind is not Parameter.VAR_KEYWORD
        and parameter.default is not None
    }


def _batch() -> dict[str, np.ndarray]:
    """Returns videos with certain mistakes, repeated labels, and one without labels."""
    predictions = np.random.default_rng(0).random((4, 50), np.float32)
    predictions[:, :2], predictions[:, 2:4] = 0, 1
    labels = np.array([[0, 7, 7], [3, -1, 2], [-1, -1, -1], [9, 1, 49]], np.int32)
    return {"labels": labels, "predictions": predictions}


def _cross_entropy(labels: np.ndarray, predictions: np.ndarray, *, epsilon: float = 1e-5) -> float:
    return _cross_entropy_sum(labels, predictions, np.float32(epsilon)) / len(labels)


COMPILED: Mapping[Loss, Value] = {cross_entropy: _cross_entropy}


@numba.njit(nogil=True, cache=True, fastmath={"reassoc"})
def _cross_entropy_sum(labels, predictions, epsilon):  # type: ignore[no-untyped-def]
    one, classes, total = np.float32(1), predictions.shape[1], 0.0
    size = _BLOCK if epsilon >= _LEAST else 1
    for row in range(len(predictions)):
        chances, product = predictions[row], 1.0
        for start in range(0, classes, size):
            block = 1.0
            for column in range(start, min(start + size, classes)):
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
    """Returns calls of the loop as `value_of` and a pass make them; see `warming`."""
    labels, epsilon = np.full((1, 1), -1, np.int32), np.float32(1)
    frozen = np.frombuffer(bytes(4), np.float32).reshape(1, 1)  # TensorFlow's are not written to
    return [(_cross_entropy_sum, (labels, p, epsilon)) for p in (frozen.copy(), frozen)]
