"""What Keras' optimizers lack: speed in Adam, TensorFlow 1's RMSProp, clipping of averages."""

from collections.abc import Sequence
from typing import Literal

import keras
import tensorflow as tf

from yt8m_exp.spec import InputError


@keras.saving.register_keras_serializable("yt8m_exp")
class Adam(keras.optimizers.Adam):
    """Adam, each variable updated by one kernel of TensorFlow's instead of a dozen.

    The formula is Keras' (and TensorFlow 1's): epsilon is added to the root before the correction
    of its bias. Source: D. Kingma and J. Ba, "Adam", 2014, https://arxiv.org/abs/1412.6980,
    the end of section 2.

    Raises:
        InputError: `amsgrad` is asked for, which that kernel does not know.
    """

    def __init__(self, learning_rate: float = 0.001, *, amsgrad: bool = False, **options):
        if amsgrad:
            raise InputError(
                "`amsgrad` must be false, as our Adam does not have it. Keras' has: "
                "optimizer._target_=keras.optimizers.Adam."
            )
        super().__init__(learning_rate, **options)

    def update_step(self, gradient, variable, learning_rate):
        place = self._get_variable_index(variable)
        steps = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=tf.pow(self.beta_1, steps),
            beta2_power=tf.pow(self.beta_2, steps),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


@keras.saving.register_keras_serializable("yt8m_exp")
class AdamW(Adam):
    """Adam with decoupled weight decay, of matrices alone: biases and scales keep their size.

    A step takes `learning_rate * weight_decay` of a weight away. Source: I. Loshchilov and
    F. Hutter, "Decoupled weight decay regularization", 2017, https://arxiv.org/abs/1711.05101.
    """

    def _use_weight_decay(self, variable):
        return len(variable.shape) > 1 and super()._use_weight_decay(variable)


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
        norm: the longest that is left as it is; None, 0 and below leave all.
        by: `variable` shortens each by itself (the starter code's way), `global` all by the same
            factor, so that their direction stays.
    """
    if norm is None or norm <= 0:
        return list(gradients)
    if by == "global":
        return tf.clip_by_global_norm(gradients, norm)[0]
    return [tf.clip_by_norm(gradient, norm) for gradient in gradients]
