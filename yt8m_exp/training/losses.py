"""Losses between the labels of videos and their predictions, the starter code's to the letter.

Labels are class ids (B, L), padded with -1; a repeated id counts once. A video has few of them
among thousands of classes, so each loss is that of a video without labels, put right where the
labels are: no matrix of zeros and ones is ever made.
Source: https://github.com/google/youtube-8m/blob/master/losses.py.
"""

import keras
from keras import ops


def cross_entropy(
    labels: keras.KerasTensor, predictions: keras.KerasTensor, *, epsilon: float = 1e-5
) -> keras.KerasTensor:
    """Returns the cross entropy of each class by itself, summed over classes, mean over videos.

    Args:
        labels: class ids (B, L).
        predictions: probabilities (B, C).
        epsilon: added inside the logarithms, so that a certain mistake costs -log(epsilon).
    """
    present, likely = _at_labels(labels, predictions)
    without = ops.sum(ops.log(1 - predictions + epsilon), axis=-1)
    change = ops.log(likely + epsilon) - ops.log(1 - likely + epsilon)
    return -ops.mean(without + ops.sum(present * change, axis=-1))


def hinge(
    labels: keras.KerasTensor, predictions: keras.KerasTensor, *, margin: float = 1.0
) -> keras.KerasTensor:
    """Returns `max(0, margin - y * p)` with y = -1 or 1, summed over classes, mean over videos.

    Args:
        labels: class ids (B, L).
        predictions: scores (B, C).
        margin: b of the starter code.
    """
    present, likely = _at_labels(labels, predictions)
    without = ops.sum(ops.relu(margin + predictions), axis=-1)
    change = ops.relu(margin - likely) - ops.relu(margin + likely)
    return ops.mean(without + ops.sum(present * change, axis=-1))


def softmax(labels: keras.KerasTensor, predictions: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the cross entropy between the labels' shares and a softmax over the predictions.

    Args:
        labels: class ids (B, L); a video's labels share one equally, one without counts nothing.
        predictions: scores (B, C); the softmax is taken over them as they are.
    """
    present, logs = _at_labels(labels, ops.log_softmax(predictions, axis=-1))
    shares = present / ops.maximum(ops.sum(present, axis=-1, keepdims=True), 1e-7)
    return -ops.mean(ops.sum(shares * logs, axis=-1))


def _at_labels(
    labels: keras.KerasTensor, values: keras.KerasTensor
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns which labels count, as zeros and ones (B, L), and the values of their classes."""
    same = labels[:, :, None] == labels[:, None, :]  # (B, L, L)
    places = ops.arange(ops.shape(labels)[1])
    repeated = ops.any(same & (places[None, :] < places[:, None]), axis=-1)
    present = ops.cast((labels >= 0) & ~repeated, values.dtype)
    return present, ops.take_along_axis(values, ops.maximum(labels, 0), axis=1)
