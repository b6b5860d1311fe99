"""Which devices train together, and how a batch is dealt to them."""

import numpy as np
import tensorflow as tf

from yt8m_exp.evaluation.tensors import shared
from yt8m_exp.training import cluster


def strategy() -> tf.distribute.Strategy:
    """Returns the strategy for this process: what TF_CONFIG says, else all GPUs, else one device.

    Must be called before anything else of TensorFlow where TF_CONFIG names several workers.
    """
    if cluster.place()[1] > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    for gpu in tf.config.list_physical_devices("GPU"):
        if not tf.config.get_logical_device_configuration(gpu):  # no limit was set, see tuning
            tf.config.experimental.set_memory_growth(gpu, True)
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def deal(strategy: tf.distribute.Strategy, values: np.ndarray) -> tf.Tensor:
    """Deals this worker's rows to its replicas, equal shares in order.

    Args:
        strategy: the strategy.
        values: rows (B, ...), B divisible by the replicas of this worker.

    Returns:
        A tensor, or one for each replica.
    """
    if not _many(strategy):
        return shared(values)
    replicas = strategy.num_replicas_in_sync // cluster.place()[1]
    rows = len(values) // replicas

    def share(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        place = context.replica_id_in_sync_group % replicas
        return shared(values[place * rows : (place + 1) * rows])

    return strategy.experimental_distribute_values_from_function(share)


def _many(strategy: tf.distribute.Strategy) -> bool:
    return strategy is not tf.distribute.get_strategy() or strategy.num_replicas_in_sync > 1
