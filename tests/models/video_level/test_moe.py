from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.models import configured
from yt8m_exp.models.heads import MixtureOfExperts
from yt8m_exp.training.losses import cross_entropy

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "models" / "moe2.head.npz")
NAMES = ("gates/weights", "experts/weights", "experts/biases")
CLASSES = 7


def golden():
    model = configured.build("moe", {"x": 10}, CLASSES, "head.experts=2", "normalize=joint")
    model.set_weights([GOLDEN[f"var:tower/{name}"] for name in NAMES])
    return model


def one_class(gates, experts, bias=0.0):
    """The probability of one class on the input 1, from the logits of its gates and experts."""
    words = (f"head.experts={len(experts)}", "normalize=none")
    model = configured.build("moe", {"x": 1}, 1, *words)
    biases = np.full(len(experts), bias, "f")
    model.set_weights([np.array([gates], "f"), np.array([experts], "f"), biases])
    return float(model({"x": np.ones((1, 1), "f")})[0, 0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_predictions_are_those_of_the_starter_code():
    for training in (False, True):
        predictions = golden()({"x": GOLDEN["input_raw"]}, training=training)
        np.testing.assert_allclose(predictions, GOLDEN["infer_predictions"], atol=1e-6)


def test_loss_and_gradients_are_those_of_the_starter_code():
    model, labels = golden(), np.where(GOLDEN["labels"], np.arange(7, dtype=np.int32), -1)
    with tf.GradientTape() as tape:
        loss = cross_entropy(labels, model({"x": GOLDEN["input_raw"]}, training=True))
        penalty = tf.add_n(model.losses)
        total = loss + penalty
    gradients = tape.gradient(total, [v.value for v in model.trainable_variables])
    np.testing.assert_allclose(loss, GOLDEN["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(penalty, GOLDEN["train_regularization_loss"], rtol=1e-5)
    for name, gradient in zip(NAMES, gradients, strict=True):
        expected = GOLDEN[f"grad:tower/{name}"]
        np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_a_mixture_worked_by_hand():
    shares = np.exp([1, 0, -1]) / np.exp([1, 0, -1]).sum()
    expected = shares[0] * sigmoid(2.5) + shares[1] * sigmoid(
        -2.5
    )  # the last gate's expert says no
    assert one_class([1, 0, -1], [2, -3], bias=0.5) == pytest.approx(expected, rel=1e-6)


def test_one_expert_with_its_gate_open_is_a_logistic_regression():
    assert one_class([30, -30], [0.7]) == pytest.approx(sigmoid(0.7), rel=1e-6)


def test_the_dummy_expert_says_no():
    assert one_class([-30, 30], [5]) == pytest.approx(0, abs=1e-12)


def test_equal_experts_are_one():
    assert one_class([3, 1, -2], [2, 2]) == pytest.approx(
        one_class([np.log(np.exp(3) + np.exp(1)), -2], [2]), rel=1e-6
    )


def test_a_mixture_needs_an_expert():
    with pytest.raises(ValueError, match="`experts >= 1` must hold, but got experts=0"):
        MixtureOfExperts(experts=0, l2=0.0, initial_bias=0.0, gate_initializer="zeros")


def test_dropout_acts_in_training_only():
    model = configured.build("moe", {"a": 100}, 5, "normalize=each", "dropout=0.5")
    x = {"a": np.ones((1, 100), "f")}
    assert np.array_equal(model(x), model(x))
    assert not np.array_equal(model(x, training=True), model(x, training=True))
