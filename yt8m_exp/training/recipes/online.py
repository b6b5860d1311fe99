"""A teacher within the step: it predicts what the student sees, mixed and noisy as that is.

Kept predictions are those of the videos themselves, of which a teacher that has trained on them
knows the labels. Between videos, it shows what it has learnt.
Source: L. Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", 2021,
https://arxiv.org/abs/2106.05237, section 3.
"""

import keras
import tensorflow as tf

from yt8m_exp.training.recipes.changes import Change, Tensors
from yt8m_exp.training.recipes.distillation import SOFT


def online(teacher: keras.Model, top_k: int | None) -> Change:
    """Returns what asks a teacher about the features of a batch.

    Args:
        teacher: from features to probabilities (B, C); its weights stay as they are.
        top_k: how many of its predictions of each video count, the others being taken for zero;
            None: all do.
    """

    def ask(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
        shares = teacher({name: features[name] for name in teacher.input}, training=False)
        labels = tf.broadcast_to(tf.range(tf.shape(shares)[1]), tf.shape(shares))
        if top_k is not None:
            shares, labels = tf.math.top_k(shares, min(top_k, shares.shape[1]))
        return features, {**known, **dict(zip(SOFT, (labels, shares), strict=True))}

    return ask
