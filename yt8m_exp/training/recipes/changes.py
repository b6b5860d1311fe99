"""Changes of a batch in a training step: features and labels by name to others.

What is known of the videos of a batch is named as losses take it: `labels` (B, L), `shares` (B, L),
`rated` (B, R). With a teacher, there are also its `soft_labels` and `soft_shares` (B, K).
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from yt8m_exp.training.losses import counts

Tensors = Mapping[str, tf.Tensor]
Change = Callable[[Tensors, Tensors], tuple[Tensors, Tensors]]
"""Takes features and what is known, both by name; returns both."""
PAIRS = (("labels", "shares"), ("soft_labels", "soft_shares"))
"""Names of class ids (B, L), and of how much there is of each."""


def all_of(changes: Sequence[Change]) -> Change:
    """Returns the change that makes some changes one after another."""

    def change(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
        for one in changes:
            features, known = one(features, known)
        return features, known

    return change


def shared(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
    """Gives each label of a video the share 1, and a repeated one none."""
    shares = tf.cast(counts(known["labels"]), tf.float32)
    return features, {**known, "shares": shares}
