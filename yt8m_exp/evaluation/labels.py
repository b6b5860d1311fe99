"""Class ids to the matrix that losses need."""

import tensorflow as tf


@tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int32)])
def dense(labels: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Turns class ids (B, L), padded with -1, into zeros and ones, float32 (B, C)."""
    places = tf.cast(tf.where(labels >= 0), tf.int32)
    ids = tf.stack([places[:, 0], tf.gather_nd(labels, places)], axis=1)
    empty = tf.zeros([tf.shape(labels)[0], classes])
    return tf.tensor_scatter_nd_update(empty, ids, tf.ones([tf.shape(ids)[0]]))
