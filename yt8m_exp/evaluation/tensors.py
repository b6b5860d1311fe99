"""Arrays as tensors, without a copy."""

import numpy as np
import tensorflow as tf

from yt8m_exp.data.videos import ALIGNMENT


def shared(values: np.ndarray) -> tf.Tensor:
    """Returns a tensor over an array's own memory, on the CPU; a copy if that is not aligned.

    A batch of frames takes TensorFlow longer to copy than to read from disk. The array must not be
    changed afterwards.
    """
    flags = values.flags
    if values.ctypes.data % ALIGNMENT or not (flags.c_contiguous and flags.writeable):
        return tf.convert_to_tensor(values)
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
