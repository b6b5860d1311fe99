"""States of recurrent cells over all frames, with their gradients.

Arrays begin with frames here: T, then B. A cell's inputs from the frames are given for all gates
and frames at once, and the gradient of its kernel is one product over all frames.
"""

from keras import ops


@ops.custom_gradient
def lstm_states(inputs, kernel):
    """Returns the hidden and the cell states (T, B, H) of an LSTM with the initial state zero.

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

    def gradient(d_hiddens, d_cells):
        turned = ops.transpose(kernel)

        def backward(state, step):
            later, d_cell = state
            i, f, c, o = (gate[step] for gate in gates)
            before = _before(cells, step)
            d_hidden = d_hiddens[step] + _product(later, turned)
            squashed = ops.tanh(cells[step])
            d_cell = d_cells[step] + d_cell + d_hidden * o * (1 - squashed * squashed)
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
        return d_inputs, _kernel_gradient(hiddens[:-1], d_inputs[1:], kernel.dtype)

    return (hiddens, cells), gradient


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
            before = _before(hiddens, step)
            d_hidden = upstream[step] + kept + _product(later, turned)
            d_h = d_hidden * (1 - z) * (1 - h * h)
            d_z = d_hidden * (before - h) * z * (1 - z)
            d_r = d_h * of_h * r * (1 - r)
            state = ops.concatenate((d_z, d_r, d_h * r), axis=1), d_hidden * z, d_h
            return state, state

        start = (ops.zeros_like(inputs[0]), zero, zero)
        _, (d_products, _, d_h) = ops.scan(backward, start, _steps(inputs), reverse=True)
        d_inputs = ops.concatenate((d_products[..., : -zero.shape[-1]], d_h), axis=2)
        d_kernel = _kernel_gradient(hiddens[:-1], d_products[1:], kernel.dtype)
        return d_inputs, d_kernel, ops.sum(d_products, axis=(0, 1))

    return hiddens, gradient


@ops.custom_gradient
def gru_states_reset_before(inputs, kernel):
    """Returns the hidden states (T, B, H) of a GRU that resets its state before the product.

    Source: K. Cho et al., see `gru_states`, version 3; GRUCell of TensorFlow 1.

    Args:
        inputs: the gates' inputs from the frames, with biases (T, B, 3 H).
        kernel: from the last state to the gates (H, 3 H).
    """
    zero = ops.zeros_like(inputs[0, :, : kernel.shape[0]])
    units = kernel.shape[0]
    of_gates, of_h = kernel[:, : 2 * units], kernel[:, 2 * units :]

    def forward(state, step):
        hidden = state[0]
        x = inputs[step]
        gates = ops.sigmoid(x[:, : 2 * units] + _product(hidden, of_gates))
        z, r = ops.split(gates, 2, axis=1)
        h = ops.tanh(x[:, 2 * units :] + _product(r * hidden, of_h))
        state = (z * hidden + (1 - z) * h, z, r, h)
        return state, state

    _, (hiddens, *gates) = ops.scan(forward, (zero,) * 4, _steps(inputs))

    def gradient(upstream):
        gates_turned, h_turned = ops.transpose(of_gates), ops.transpose(of_h)

        def backward(state, step):
            later, _ = state
            z, r, h = (gate[step] for gate in gates)
            before = _before(hiddens, step)
            d_hidden = upstream[step] + later
            d_h = d_hidden * (1 - z) * (1 - h * h)
            d_reset = _product(d_h, h_turned)
            d_z = d_hidden * (before - h) * z * (1 - z)
            d_r = d_reset * before * r * (1 - r)
            d_gates = ops.concatenate((d_z, d_r), axis=1)
            later = d_hidden * z + d_reset * r + _product(d_gates, gates_turned)
            state = later, ops.concatenate((d_gates, d_h), axis=1)
            return state, state

        start = (zero, ops.zeros_like(inputs[0]))
        _, (_, d_inputs) = ops.scan(backward, start, _steps(inputs), reverse=True)
        before, after = hiddens[:-1], d_inputs[1:]
        d_kernel = [
            _kernel_gradient(before, after[..., : 2 * units], kernel.dtype),
            _kernel_gradient(gates[1][1:] * before, after[..., 2 * units :], kernel.dtype),
        ]
        return d_inputs, ops.concatenate(d_kernel, axis=1)

    return hiddens, gradient


def _before(states, step):
    """Returns the state (B, H) of the frame before a step, zero at the first."""
    return ops.where(step > 0, states[ops.maximum(step - 1, 0)], 0.0)


def _product(x, kernel):
    """Returns the product, computed in the kernel's precision, as float32: states stay float32."""
    return ops.cast(ops.matmul(ops.cast(x, kernel.dtype), kernel), "float32")


def _steps(inputs):
    return ops.arange(ops.shape(inputs)[0])


def _kernel_gradient(before, after, dtype):
    """Returns the gradient of a kernel (H, ...), summed over frames by one product.

    Args:
        before: what the kernel multiplied (T, B, H).
        after: the gradients of the products (T, B, ...).
        dtype: of the kernel.
    """
    before = ops.reshape(before, (-1, before.shape[-1]))
    after = ops.reshape(after, (-1, after.shape[-1]))
    before, after = ops.cast(before, dtype), ops.cast(after, dtype)
    return ops.matmul(ops.transpose(before), after)
