"""Random numbers that a resumed training draws again: a function of the seed and of the steps."""

from dataclasses import dataclass

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Chance:
    """Draws random numbers in a step.

    Args:
        seed: of the training.
        steps: how many were taken, which checkpoints hold; see `optimizer.iterations`.
        purpose: each purpose draws numbers of its own.
    """

    seed: int
    steps: keras.Variable
    purpose: int = 0

    def of(self, purpose: int) -> "Chance":
        """Returns the chance of another purpose."""
        return Chance(self.seed, self.steps, purpose)

    def uniform(self, shape: tf.Tensor) -> tf.Tensor:
        """Returns numbers in [0, 1), others on each replica."""
        return tf.random.stateless_uniform(shape, self._key(), alg="philox")

    def normal(self, shape: tf.Tensor) -> tf.Tensor:
        """Returns numbers of a normal distribution of mean 0 and deviation 1."""
        return tf.random.stateless_normal(shape, self._key(), alg="philox")

    def _key(self) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        key = tf.stack([tf.constant(self.seed, tf.int64), tf.cast(self.steps.value, tf.int64)])
        for fact in (self.purpose, replica):
            key = tf.random.experimental.stateless_fold_in(
                key, tf.cast(fact, tf.int64), alg="philox"
            )
        return key
