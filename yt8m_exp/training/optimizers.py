"""What Keras' optimizers lack: TensorFlow 1's RMSProp, and clipping after replicas are averaged."""

from collections.abc import Sequence
from typing import Literal

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("yt8m_exp")
class RMSpropFromOne(keras.optimizers.RMSprop):
    """RMSProp whose mean square starts at one, as TensorFlow 1's: small first steps."""

    def build(self, variables):
        super().build(variables)
        for velocity in self._velocities:
            velocity.assign(tf.ones(velocity.shape))


def clip(
    gradients: Sequence[tf.Tensor], norm: float | None, by: Literal["variable", "global"]
) -> list[tf.Tensor]:
    """Shortens gradients to a norm.

    Args:
        gradients: one for each variable.
        norm: the longest that is left as it is; None leaves all.
        by: `variable` shortens each by itself (the starter code's way), `global` all by the same
            factor, so that their direction stays.
    """
    if norm is None:
        return list(gradients)
    if by == "global":
        return tf.clip_by_global_norm(gradients, norm)[0]
    return [tf.clip_by_norm(gradient, norm) for gradient in gradients]
