"""Distillation: a student learns from the predictions of a teacher beside the labels.

Source: G. Hinton et al., "Distilling the knowledge in a neural network", 2015,
https://arxiv.org/abs/1503.02531. Here each class has a logit of its own, so a temperature divides
logits before a sigmoid.
"""

from collections.abc import Callable

import tensorflow as tf

from yt8m_exp.evaluation.scoring import Loss
from yt8m_exp.training.recipes.changes import Tensors

SOFT = ("soft_labels", "soft_shares")
"""Names of what a teacher predicts of the videos of a batch: class ids (B, K), probabilities."""
_CERTAIN = 1e-6


def merged(mix: float) -> Callable[[Tensors, Tensors], tuple[Tensors, Tensors]]:
    """Returns what adds a teacher's predictions to the labels.

    Args:
        mix: the share of the predictions; that of the labels is the rest.
    """

    def merge(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
        others = {name: x for name, x in known.items() if name not in SOFT}
        soft_labels, soft_shares = (known[name] for name in SOFT)
        others["labels"] = tf.concat([known["labels"], soft_labels], axis=1)
        parts = [(1 - mix) * known["shares"], mix * soft_shares]
        return features, {**others, "shares": tf.concat(parts, axis=1)}

    return merge


def distilled(loss: Loss, mix: float, temperature: float) -> Loss:
    """Returns a loss that also takes `soft_labels` and `soft_shares`, at a temperature.

    Its value is `(1 - mix) * loss + mix * temperature**2 * soft loss`. The soft loss compares what
    teacher and student predict once their logits are divided by the temperature.
    """

    def cost(*, predictions, labels, shares, soft_labels, soft_shares, **others):
        soft = loss(
            predictions=_tempered(predictions, temperature),
            labels=soft_labels,
            shares=_tempered(soft_shares, temperature),
            **others,
        )
        hard = loss(predictions=predictions, labels=labels, shares=shares, **others)
        return (1 - mix) * hard + mix * temperature**2 * soft

    return cost


def _tempered(chances: tf.Tensor, temperature: float) -> tf.Tensor:
    """Returns probabilities with their logits divided by a temperature."""
    chances = tf.clip_by_value(chances, _CERTAIN, 1 - _CERTAIN)
    return tf.sigmoid((tf.math.log(chances) - tf.math.log1p(-chances)) / temperature)
