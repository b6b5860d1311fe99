import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m_exp.models import recurrent

KINDS = {"LSTM": recurrent.LSTM, "GRU": recurrent.GRU}
SHAPE = (3, 5, 4)


@pytest.fixture(params=KINDS)
def pair(request):
    """A layer of ours and Keras' own with the same weights."""
    rng = np.random.default_rng(0)
    layers = [KINDS[request.param](6, return_sequences=True)]
    layers.append(getattr(keras.layers, request.param)(6, return_sequences=True))
    for layer in layers:
        layer.build(SHAPE)
    layers[0].set_weights([rng.normal(size=w.shape) for w in layers[0].get_weights()])
    layers[1].set_weights(layers[0].get_weights())
    return layers


def outputs_and_gradients(layer, x, upstream):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        total = tf.reduce_sum(y * upstream)
    return y, tape.gradient(total, [x, *(v.value for v in layer.trainable_variables)])


@pytest.mark.parametrize("compiled", [False, True])
def test_outputs_and_gradients_are_those_of_keras(pair, compiled):
    x, upstream = (tf.random.stateless_normal((3, 5, size), [1, size]) for size in (4, 6))
    run = tf.function(outputs_and_gradients) if compiled else outputs_and_gradients
    (ours, gradients), (theirs, expected) = (run(layer, x, upstream) for layer in pair)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for one, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_states_do_not_look_ahead(pair):
    x = np.random.default_rng(0).normal(size=SHAPE).astype("f")
    changed = x.copy()
    changed[:, 3:] += 1
    before, after = (np.asarray(pair[0](values)) for values in (x, changed))
    assert np.array_equal(before[:, :3], after[:, :3])
    assert (np.abs(before[:, 3:] - after[:, 3:]) > 1e-4).any(axis=2).all()


def test_the_last_state_is_that_of_the_last_frame():
    x = np.arange(24, dtype="f").reshape(3, 4, 2) + 1
    states = recurrent.LastFrame()(x, np.array([4, 2, 0], "i4"))
    assert np.asarray(states).tolist() == [[7, 8], [11, 12], [0, 0]]
