"""Keras' LSTM and GRU with two large matrix products in place of one small product for each frame.

Keras multiplies the input of each frame separately, and its backward pass adds up a gradient of the
kernel for each frame. Here one product computes the gates' inputs for all frames, and one product
in the backward pass computes the kernel's gradient. On a GPU, Keras' own layers call cuDNN, which
does the same.
"""

import keras
from keras import ops

from yt8m_exp.models import devices
from yt8m_exp.spec import InputError


@keras.saving.register_keras_serializable("yt8m_exp")
class LSTM(keras.layers.LSTM):
    """Returns the hidden states (B, T, H) of an LSTM over x (B, T, D)."""

    @property
    def clipped_as_one(self):
        """Both kernels: TensorFlow 1's cell has them in one variable, see `training.step`."""
        return [[self.cell.kernel, self.cell.recurrent_kernel]]

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if devices.has_gpu():
            return super().call(sequences, initial_state, mask, training)
        cell = self.cell
        inputs = _inputs(sequences, cell.kernel, cell.bias)
        states = lstm_states(inputs, ops.copy(cell.recurrent_kernel))
        return _by_video(states, self.compute_dtype)


@keras.saving.register_keras_serializable("yt8m_exp")
class GRU(keras.layers.GRU):
    """Returns the hidden states (B, T, H) of a GRU over x (B, T, D)."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if devices.has_gpu():
            return super().call(sequences, initial_state, mask, training)
        cell = self.cell
        inputs = _inputs(sequences, cell.kernel, cell.bias[0])
        recurrent = ops.copy(cell.recurrent_kernel)
        bias = ops.cast(cell.bias[1], "float32")
        states = gru_states(inputs, recurrent, bias)
        return _by_video(states, self.compute_dtype)


@ops.custom_gradient
def lstm_states(inputs, kernel):
    """Returns the hidden states (T, B, H) of an LSTM with the initial state zero.

    Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997, with the forget gate
    of F. Gers et al., 2000; gates in Keras' order i, f, c, o.

    Args:
        inputs: the gates' inputs from the frames, with biases (T, B, 4 H).
        kernel: from the last state to the gates (H, 4 H).
    """
    zero = ops.zeros_like(inputs[0, :, : kernel.shape[0]])

    def forward(state, step):
        hidden, cell, *_ = state
        i, f, c, o = ops.split(inputs[step] + _product(hidden, kernel), 4, axis=1)
        i, f, c, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(c), ops.sigmoid(o)
        cell = f * cell + i * c
        state = (o * ops.tanh(cell), cell, i, f, c, o)
        return state, state

    _, (hiddens, cells, *gates) = ops.scan(forward, (zero,) * 6, _steps(inputs))

    def gradient(upstream):
        turned = ops.transpose(kernel)

        def backward(state, step):
            later, d_cell = state
            i, f, c, o = (gate[step] for gate in gates)
            before = ops.where(step > 0, cells[ops.maximum(step - 1, 0)], 0.0)
            d_hidden = upstream[step] + _product(later, turned)
            squashed = ops.tanh(cells[step])
            d_cell = d_cell + d_hidden * o * (1 - squashed * squashed)
            d_gates = (
                d_cell * c * i * (1 - i),
                d_cell * before * f * (1 - f),
                d_cell * i * (1 - c * c),
                d_hidden * squashed * o * (1 - o),
            )
            state = ops.concatenate(d_gates, axis=1), d_cell * f
            return state, state

        start = (ops.zeros_like(inputs[0]), zero)
        _, (d_inputs, _) = ops.scan(backward, start, _steps(inputs), reverse=True)
        return d_inputs, _kernel_gradient(hiddens, d_inputs, kernel.dtype)

    return hiddens, gradient


@ops.custom_gradient
def gru_states(inputs, kernel, bias):
    """Returns the hidden states (T, B, H) of a GRU with the initial state zero.

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014,
    https://arxiv.org/abs/1406.1078, version 1, which resets after the product, as cuDNN does; gates
    in Keras' order z, r, h.

    Args:
        inputs: the gates' inputs from the frames, with biases (T, B, 3 H).
        kernel: from the last state to the gates (H, 3 H).
        bias: added to the product with the last state (3 H).
    """
    zero = ops.zeros_like(inputs[0, :, : kernel.shape[0]])

    def forward(state, step):
        hidden = state[0]
        z, r, h = ops.split(inputs[step], 3, axis=1)
        of_z, of_r, of_h = ops.split(_product(hidden, kernel) + bias, 3, axis=1)
        z, r = ops.sigmoid(z + of_z), ops.sigmoid(r + of_r)
        h = ops.tanh(h + r * of_h)
        state = (z * hidden + (1 - z) * h, z, r, h, of_h)
        return state, state

    _, (hiddens, *gates) = ops.scan(forward, (zero,) * 5, _steps(inputs))

    def gradient(upstream):
        turned = ops.transpose(kernel)

        def backward(state, step):
            later, kept, _ = state
            z, r, h, of_h = (gate[step] for gate in gates)
            before = ops.where(step > 0, hiddens[ops.maximum(step - 1, 0)], 0.0)
            d_hidden = upstream[step] + kept + _product(later, turned)
            d_h = d_hidden * (1 - z) * (1 - h * h)
            d_z = d_hidden * (before - h) * z * (1 - z)
            d_r = d_h * of_h * r * (1 - r)
            state = ops.concatenate((d_z, d_r, d_h * r), axis=1), d_hidden * z, d_h
            return state, state

        start = (ops.zeros_like(inputs[0]), zero, zero)
        _, (d_products, _, d_h) = ops.scan(backward, start, _steps(inputs), reverse=True)
        d_inputs = ops.concatenate((d_products[..., : -zero.shape[-1]], d_h), axis=2)
        d_kernel = _kernel_gradient(hiddens, d_products, kernel.dtype)
        return d_inputs, d_kernel, ops.sum(d_products, axis=(0, 1))

    return hiddens, gradient


def last_state(
    x: keras.KerasTensor,
    frames: keras.KerasTensor,
    layer: type[LSTM] | type[GRU],
    *,
    units: int,
    layers: int,
) -> keras.KerasTensor:
    """Returns the state (B, H) of the top layer after the last frame of each video.

    Args:
        x: features of frames (B, T, D).
        frames: frames of each video, int32 (B,).
        layer: the class of the layers.
        units: H, of each layer.
        layers: the number of stacked layers.

    Raises:
        InputError: there are no layers, or no units in them.
    """
    if units < 1 or layers < 1:
        raise InputError(
            f"`units >= 1` and `layers >= 1` must hold, but got units={units}, layers={layers}."
        )
    for number in range(layers):
        x = layer(units, return_sequences=True, name=f"layer_{number}")(x)
    return LastFrame(name="last_state")(x, frames)


@keras.saving.register_keras_serializable("yt8m_exp")
class LastFrame(keras.layers.Layer):
    """Returns the row (B, H) of each video's last frame in x (B, T, H); zero without frames."""

    def call(self, x, frames):
        videos, length, size = ops.shape(x)
        indices = ops.maximum(frames - 1, 0) + length * ops.arange(videos)
        rows = ops.take(ops.reshape(x, (-1, size)), indices, axis=0)
        return ops.where(frames[:, None] > 0, rows, 0.0)


def _inputs(sequences, kernel, bias):
    """Returns the inputs of the gates for all frames (T, B, ...), from one product."""
    videos, length, size = ops.shape(sequences)
    rows = ops.reshape(ops.transpose(sequences, (1, 0, 2)), (-1, size))
    inputs = ops.cast(ops.matmul(rows, kernel) + bias, "float32")
    return ops.reshape(inputs, (length, videos, kernel.shape[1]))


def _product(x, kernel):
    """Returns the product, computed in the kernel's precision, as float32: states stay float32."""
    return ops.cast(ops.matmul(ops.cast(x, kernel.dtype), kernel), "float32")


def _by_video(states, dtype):
    return ops.cast(ops.transpose(states, (1, 0, 2)), dtype)


def _steps(inputs):
    return ops.arange(ops.shape(inputs)[0])


def _kernel_gradient(hiddens, d_products, dtype):
    """Returns the gradient of the kernel (H, ...), summed over frames by one product."""
    before = ops.reshape(hiddens[:-1], (-1, hiddens.shape[-1]))
    after = ops.reshape(d_products[1:], (-1, d_products.shape[-1]))
    before, after = ops.cast(before, dtype), ops.cast(after, dtype)
    return ops.matmul(ops.transpose(before), after)
