"""Losses between the labels of videos and their predictions: the starter code's, and one more.

Labels are class ids (B, L), padded with -1; a repeated id counts once. A video has few of them
among thousands of classes, so each loss is that of a video without labels, put right where the
labels are: no matrix of zeros and ones is ever made.

Of a segment only the `rated` classes (B, R) are known, present or not; padded as labels are. They
alone count then, and all others have a gradient of exactly zero. `label_weights`, (C,) or (B, C),
multiply what each class costs before costs are summed. The starter code has both for the cross
entropy alone, as `label_weights`, which are zero or one in its data.
Source: https://github.com/google/youtube-8m/blob/master/losses.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from keras import KerasTensor, ops

_EXCLUDED = -1e9  # a logit that leaves a class out of a softmax


def cross_entropy(
    labels: KerasTensor,
    predictions: KerasTensor,
    *,
    shares: KerasTensor | None = None,
    rated: KerasTensor | None = None,
    label_weights: KerasTensor | None = None,
    epsilon: float = 1e-5,
) -> KerasTensor:
    """Returns the cross entropy of each class by itself, summed over classes, mean over videos.

    Args:
        labels: class ids (B, L).
        predictions: probabilities (B, C).
        shares: how much of each label there is, (B, L); None where all of it is.
        rated: the classes that are known, (B, R); None where all are.
        label_weights: what each class counts, (C,) or (B, C); None where all count 1.
        epsilon: added inside the logarithms, so that a certain mistake costs -log(epsilon).
    """

    def cost(chance, sign):
        return -ops.log(chance + epsilon), -sign / (chance + epsilon)

    counted = _Counted(labels, shares, rated, label_weights)
    return _mean_sum(counted, predictions, lambda p: cost(1 - p, -1), lambda p: cost(p, 1))


def asymmetric(
    labels: KerasTensor,
    predictions: KerasTensor,
    *,
    shares: KerasTensor | None = None,
    rated: KerasTensor | None = None,
    label_weights: KerasTensor | None = None,
    epsilon: float = 1e-5,
    absent_focus: float = 1.0,
    present_focus: float = 0.0,
) -> KerasTensor:
    """Returns the cross entropy of each class, in which it counts by how wrong its prediction is.

    A class that a video has not costs `p ** absent_focus` of its cross entropy: the thousands that
    a model rightly leaves out count next to nothing. One that it has costs `(1 - p) **
    present_focus` of it. Source: T. Ridnik et al., "Asymmetric loss for multi-label
    classification", 2021, eq. 4, https://arxiv.org/abs/2009.14119.

    Args:
        labels: class ids (B, L).
        predictions: probabilities (B, C).
        shares: how much of each label there is, (B, L); None where all of it is.
        rated: the classes that are known, (B, R); None where all are.
        label_weights: what each class counts, (C,) or (B, C); None where all count 1.
        epsilon: added inside the logarithms.
        absent_focus: the paper's gamma of negatives; 0 is the cross entropy.
        present_focus: its gamma of positives; 0 is the cross entropy.
    """

    def cost(wrong, focus, sign):
        right = 1 - wrong + epsilon
        log, weight = ops.log(right), ops.power(wrong, focus)
        rise = focus * ops.power(ops.maximum(wrong, epsilon), focus - 1)
        return -weight * log, sign * (weight / right - rise * log)

    counted = _Counted(labels, shares, rated, label_weights)
    return _mean_sum(
        counted,
        predictions,
        lambda p: cost(p, absent_focus, 1),
        lambda p: cost(1 - p, present_focus, -1),
    )


def hinge(
    labels: KerasTensor,
    predictions: KerasTensor,
    *,
    shares: KerasTensor | None = None,
    rated: KerasTensor | None = None,
    label_weights: KerasTensor | None = None,
    margin: float = 1.0,
) -> KerasTensor:
    """Returns `max(0, margin - y * p)` with y = -1 or 1, summed over classes, mean over videos.

    Args:
        labels: class ids (B, L).
        predictions: scores (B, C).
        shares: how much of each label there is, (B, L); None where all of it is.
        rated: the classes that are known, (B, R); None where all are.
        label_weights: what each class counts, (C,) or (B, C); None where all count 1.
        margin: b of the starter code.
    """

    def cost(lead, sign):
        return ops.relu(lead), sign * ops.cast(lead > 0, predictions.dtype)

    counted = _Counted(labels, shares, rated, label_weights)
    return _mean_sum(
        counted, predictions, lambda p: cost(margin + p, 1), lambda p: cost(margin - p, -1)
    )


def softmax(
    labels: KerasTensor,
    predictions: KerasTensor,
    *,
    shares: KerasTensor | None = None,
    rated: KerasTensor | None = None,
    label_weights: KerasTensor | None = None,
) -> KerasTensor:
    """Returns the cross entropy between the labels' shares and a softmax over the predictions.

    Args:
        labels: class ids (B, L); a video's labels share one equally, one without counts nothing.
        predictions: scores (B, C); the softmax is taken over them as they are.
        shares: how much of each label there is, (B, L); None where all of it is.
        rated: the classes that are known, (B, R), and over which the softmax is taken; None: all.
        label_weights: what each class counts, (C,) or (B, C); None where all count 1.
    """
    if rated is None:
        present, logs = _at(labels, ops.log_softmax(predictions, axis=-1), shares)
    else:
        known, scores = _at(rated, predictions)
        logs = ops.log_softmax(ops.where(known > 0, scores, _EXCLUDED), axis=-1)
        present = known * _among(rated, labels, scores.dtype, shares)
    parts = present / ops.maximum(ops.sum(present, axis=-1, keepdims=True), 1e-7)
    if label_weights is not None:
        classes = labels if rated is None else rated
        logs = logs * _weights_at(classes, label_weights, predictions)
    return -ops.mean(ops.sum(parts * logs, axis=-1))


class _Counted(NamedTuple):
    """The labels, and what counts; see `cross_entropy`."""

    labels: KerasTensor
    shares: KerasTensor | None
    rated: KerasTensor | None
    label_weights: KerasTensor | None


def _mean_sum(
    counted: _Counted,
    predictions: KerasTensor,
    absent: Callable[[KerasTensor], tuple[KerasTensor, KerasTensor]],
    present: Callable[[KerasTensor], tuple[KerasTensor, KerasTensor]],
) -> KerasTensor:
    """Returns the sum over classes of what a prediction costs by its label, mean over videos.

    Args:
        counted: the labels, and what counts.
        predictions: (B, C).
        absent: what predictions of classes cost that a video has not, and the derivative of that.
        present: the same for its labels.
    """
    labels, shares, rated, label_weights = counted
    if rated is not None:
        known, likely = _at(rated, predictions)  # (B, R)
        if label_weights is not None:
            known = known * _weights_at(rated, label_weights, predictions)
        is_label = _among(rated, labels, likely.dtype, shares)
        cost = is_label * present(likely)[0] + (1 - is_label) * absent(likely)[0]
        return ops.mean(ops.sum(known * cost, axis=-1))

    @ops.custom_gradient  # takes fewer passes over (B, C) than the one that is derived
    def mean_sum(values):
        is_label, likely = _at(labels, values, shares)
        (base, base_slope), (there, there_slope) = absent(likely), present(likely)
        costs, slopes = absent(values)
        if label_weights is not None:
            weights = ops.cast(label_weights, values.dtype)
            costs, slopes = weights * costs, weights * slopes
            is_label = is_label * _weights_at(labels, label_weights, values)
        total = ops.sum(costs, axis=-1) + ops.sum(is_label * (there - base), axis=-1)

        def gradient(upstream):
            share = upstream / ops.cast(ops.shape(values)[0], values.dtype)
            places = ops.reshape(_places(labels, values), (-1, 1))
            changes = ops.reshape(share * is_label * (there_slope - base_slope), (-1,))
            flat = ops.reshape(share * slopes, (-1,))
            flat = ops.scatter_update(flat, places, changes, reduction="add")
            return ops.reshape(flat, ops.shape(values))

        return ops.mean(total), gradient

    return mean_sum(predictions)


def _at(
    class_ids: KerasTensor, values: KerasTensor, shares: KerasTensor | None = None
) -> tuple[KerasTensor, KerasTensor]:
    """Returns how much each id counts (B, L), zero or one without shares, and its class's value."""
    values_at = ops.take(ops.reshape(values, (-1,)), _places(class_ids, values))
    if shares is not None:
        return ops.where(class_ids >= 0, ops.cast(shares, values.dtype), 0.0), values_at
    return ops.cast(counts(class_ids), values.dtype), values_at


def counts(class_ids: KerasTensor) -> KerasTensor:
    """Returns which ids (B, L) count: not padding, and not a class that is named before."""
    same = class_ids[:, :, None] == class_ids[:, None, :]  # (B, L, L)
    order = ops.arange(ops.shape(class_ids)[1])
    repeated = ops.any(same & (order[None, :] < order[:, None]), axis=-1)
    return (class_ids >= 0) & ~repeated


def _weights_at(
    class_ids: KerasTensor, label_weights: KerasTensor, values: KerasTensor
) -> KerasTensor:
    """Returns the weights (B, L) of the classes of ids, from weights (C,) or (B, C)."""
    weights = ops.broadcast_to(ops.cast(label_weights, values.dtype), ops.shape(values))
    return _at(class_ids, weights)[1]


def _places(class_ids: KerasTensor, values: KerasTensor) -> KerasTensor:
    """Returns where the classes of ids (B, L) are in the flattened values (B, C)."""
    videos, classes = ops.shape(values)
    return ops.maximum(ops.cast(class_ids, "int32"), 0) + classes * ops.arange(videos)[:, None]


def _among(
    class_ids: KerasTensor, labels: KerasTensor, dtype: str, shares: KerasTensor | None
) -> KerasTensor:
    """Returns how much of each id (B, R) there is among the labels; zero or one without shares."""
    same = class_ids[:, :, None] == labels[:, None, :]
    if shares is None:
        return ops.cast(ops.any(same, axis=-1), dtype)
    return ops.sum(ops.where(same, ops.cast(shares, dtype)[:, None, :], 0.0), axis=-1)
