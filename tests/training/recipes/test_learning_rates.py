import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m_exp.spec import InputError
from yt8m_exp.training import optimizers
from yt8m_exp.training.recipes import learning_rates


def model():
    keras.utils.set_random_seed(0)
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(2, name="stem")(x)
    return keras.Model({"x": x}, keras.layers.Dense(2, name="classifier")(hidden))


def moved(optimizer, factors):
    net = model()
    before = {v.path: v.numpy() for v in net.trainable_variables}
    if factors:
        learning_rates.scale(optimizer, net, factors)
    optimizer.build(net.trainable_variables)
    tf.function(optimizer.apply)([tf.ones(v.shape) for v in net.trainable_variables])
    return {v.path: v.numpy() - before[v.path] for v in net.trainable_variables}


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.5),
        lambda: optimizers.Adam(0.5),
        lambda: keras.optimizers.AdamW(0.5, weight_decay=0.0),
    ],
)
def test_a_factor_scales_the_steps_of_the_variables_that_begin_so(optimizer):
    whole = moved(optimizer(), {})
    found = moved(optimizer(), {"stem/": 0, "stem/k": 0.25, "classifier/bias": 2.0})
    np.testing.assert_allclose(found["stem/kernel"], 0.25 * whole["stem/kernel"], rtol=1e-5)
    assert not found["stem/bias"].any()
    np.testing.assert_allclose(found["classifier/bias"], 2 * whole["classifier/bias"], rtol=1e-5)
    np.testing.assert_array_equal(found["classifier/kernel"], whole["classifier/kernel"])


def test_what_is_frozen_does_not_decay():
    found = moved(keras.optimizers.AdamW(0.5, weight_decay=0.1), {"stem": 0})
    assert not found["stem/kernel"].any()
    assert found["classifier/kernel"].any()


@pytest.mark.parametrize("kind", [keras.optimizers.AdamW, optimizers.AdamW])
def test_the_decay_of_weights_follows_the_rate(kind):
    net = model()
    kernels = [v for v in net.trainable_variables if v.path.endswith("kernel")]
    before = [v.numpy() for v in kernels]
    optimizer = kind(0.5, weight_decay=0.1)
    learning_rates.scale(optimizer, net, {"stem": 0.25})
    optimizer.build(net.trainable_variables)
    tf.function(optimizer.apply)([tf.zeros(v.shape) for v in net.trainable_variables])
    for kernel, was, factor in zip(kernels, before, (0.25, 1), strict=True):
        np.testing.assert_allclose(kernel, was * (1 - 0.5 * 0.1 * factor), rtol=1e-6)


def test_two_decays_cannot_follow_one_rate():
    muon = keras.optimizers.Muon(0.5, weight_decay=0.1, adam_weight_decay=0.2)
    with pytest.raises(InputError, match="need one weight_decay, but Muon's are two"):
        learning_rates.scale(muon, model(), {"stem": 0.25})


def test_a_beginning_of_no_variable_is_refused():
    sentence = "must name variables of the model, but none of stem/kernel, .* begins with 'stm'"
    with pytest.raises(InputError, match=sentence):
        learning_rates.scale(keras.optimizers.SGD(), model(), {"stm": 0.1})
