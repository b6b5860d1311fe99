"""Keras' LSTM and GRU with two large matrix products in place of one small product for each frame.

Keras multiplies the input of each frame separately, and its backward pass adds up a gradient of the
kernel for each frame. Here one product computes the gates' inputs for all frames, and one product
in the backward pass computes the kernel's gradient. On a GPU, Keras' own layers call cuDNN, which
does the same.
"""

import keras
from keras import ops

from yt8m_exp.models import devices
from yt8m_exp.models.pooling import at_last_frame
from yt8m_exp.models.recurrent import scans


@keras.saving.register_keras_serializable("yt8m_exp")
class LSTM(keras.layers.LSTM):
    """Returns the hidden states (B, T, H) of an LSTM over x (B, T, D).

    With `return_state`, it returns the last hidden and cell state (B, H) of each video, too, and
    takes a `mask` (B, T) that is true for the frames of a video, at least for one.
    """

    @property
    def clipped_as_one(self):
        """Both kernels: TensorFlow 1's cell has them in one variable, see `training.step`."""
        return [[self.cell.kernel, self.cell.recurrent_kernel]]

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if devices.has_gpu():
            return super().call(sequences, initial_state, mask, training)
        cell = self.cell
        inputs = _inputs(sequences, cell.kernel, cell.bias)
        states = scans.lstm_states(inputs, ops.copy(cell.recurrent_kernel))
        return _returned(self, states, mask)


@keras.saving.register_keras_serializable("yt8m_exp")
class GRU(keras.layers.GRU):
    """Returns the hidden states (B, T, H) of a GRU over x (B, T, D).

    With `return_state`, it returns the last state (B, H) of each video, too; see `LSTM`. cuDNN has
    no `reset_after=False`, the GRU of TensorFlow 1.
    """

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if devices.has_gpu() and self.reset_after:
            return super().call(sequences, initial_state, mask, training)
        cell = self.cell
        recurrent = ops.copy(cell.recurrent_kernel)
        if not self.reset_after:
            inputs = _inputs(sequences, cell.kernel, cell.bias)
            return _returned(self, [scans.gru_states_reset_before(inputs, recurrent)], mask)
        inputs = _inputs(sequences, cell.kernel, cell.bias[0])
        bias = ops.cast(cell.bias[1], "float32")
        return _returned(self, [scans.gru_states(inputs, recurrent, bias)], mask)


def _returned(layer, states, mask):
    """Returns hidden states (B, T, H) of all frames and, if asked for, all states of the last."""
    states = [ops.cast(ops.transpose(x, (1, 0, 2)), layer.compute_dtype) for x in states]
    if not layer.return_state:
        return states[0]
    mask = ops.ones_like(states[0][:, :, 0]) if mask is None else mask
    frames = ops.sum(ops.cast(mask, "int32"), axis=1)
    return [states[0], *(at_last_frame(x, frames) for x in states)]


def _inputs(sequences, kernel, bias):
    """Returns the inputs of the gates for all frames (T, B, ...), from one product."""
    videos, length, size = ops.shape(sequences)
    rows = ops.reshape(ops.transpose(sequences, (1, 0, 2)), (-1, size))
    inputs = ops.cast(ops.matmul(rows, kernel) + bias, "float32")
    return ops.reshape(inputs, (length, videos, kernel.shape[1]))
