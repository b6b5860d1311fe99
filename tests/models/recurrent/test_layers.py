from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m_exp.models import pooling
from yt8m_exp.models.recurrent import layers

KINDS = {
    "LSTM": (layers.LSTM, keras.layers.LSTM),
    "GRU": (layers.GRU, keras.layers.GRU),
    "GRU that resets before": (
        partial(layers.GRU, reset_after=False),
        partial(keras.layers.GRU, reset_after=False),
    ),
}
SHAPE = (3, 5, 4)


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def built(kind, **options):
    """A layer of ours and Keras' own with the same weights."""
    rng = np.random.default_rng(0)
    ours, theirs = (make(6, return_sequences=True, **options) for make in kind)
    for layer in (ours, theirs):
        layer.build(SHAPE)
    ours.set_weights([rng.normal(size=w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.fixture
def pair(kind):
    return built(kind)


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


def test_states_after_the_last_frame_and_their_gradients_are_those_of_keras(kind):
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], bool)
    x = tf.random.stateless_normal(SHAPE, [1, 2])
    found = []
    for layer in built(kind, return_state=True):
        weights = [x, *(v.value for v in layer.trainable_variables)]
        with tf.GradientTape() as tape:
            tape.watch(x)
            _, *states = layer(x, mask=tf.constant(mask))
            total = tf.reduce_sum([tf.sin(state) for state in states])
        found.append([*states, *tape.gradient(total, weights)])
    for one, other in zip(*found, strict=True):
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
    states = pooling.LastFrame()(x, np.array([4, 2, 0], "i4"))
    assert np.asarray(states).tolist() == [[7, 8], [11, 12], [0, 0]]
