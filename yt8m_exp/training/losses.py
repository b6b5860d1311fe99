"""Losses between label matrices and probabilities, the starter code's to the letter.

Each takes labels (B, C) of zeros and ones and predictions (B, C), and returns the mean over videos.
Source: https://github.com/google/youtube-8m/blob/master/losses.py.
"""

import keras
from keras import ops


def cross_entropy(
    labels: keras.KerasTensor, predictions: keras.KerasTensor, *, epsilon: float = 1e-5
) -> keras.KerasTensor:
    """Returns the cross entropy of each class by itself, summed over classes.

    Args:
        labels: (B, C).
        predictions: probabilities (B, C).
        epsilon: added inside the logarithms, so that a certain mistake costs -log(epsilon).
    """
    hits = labels * ops.log(predictions + epsilon)
    misses = (1 - labels) * ops.log(1 - predictions + epsilon)
    return -ops.mean(ops.sum(hits + misses, axis=-1))


def hinge(
    labels: keras.KerasTensor, predictions: keras.KerasTensor, *, margin: float = 1.0
) -> keras.KerasTensor:
    """Returns `max(0, margin - y * p)` with y = -1 or 1, summed over classes.

    Args:
        labels: (B, C).
        predictions: scores (B, C).
        margin: b of the starter code.
    """
    signs = 2 * labels - 1
    return ops.mean(ops.sum(ops.relu(margin - signs * predictions), axis=-1))


def softmax(labels: keras.KerasTensor, predictions: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the cross entropy between the labels' shares and a softmax over the predictions.

    Args:
        labels: (B, C); a video's labels share one equally, one without labels counts nothing.
        predictions: scores (B, C); the softmax is taken over them as they are.
    """
    shares = labels / ops.maximum(ops.sum(labels, axis=-1, keepdims=True), 1e-7)
    return -ops.mean(ops.sum(shares * ops.log_softmax(predictions, axis=-1), axis=-1))
