from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.models import configured
from yt8m_exp.training.losses import cross_entropy

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "models" / "logistic.head.npz")
KERNEL, BIAS = (GOLDEN[f"var:tower/fully_connected/{name}"] for name in ("weights", "biases"))


def golden():
    model = configured.build("logistic", {"x": 10}, 7, "normalize=joint")
    model.set_weights([KERNEL, BIAS])
    return model


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
    kernel, bias = tape.gradient(total, [v.value for v in model.trainable_variables])
    np.testing.assert_allclose(loss, GOLDEN["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(penalty, GOLDEN["train_regularization_loss"], rtol=1e-5)
    np.testing.assert_allclose(kernel, GOLDEN["grad:tower/fully_connected/weights"], atol=1e-6)
    np.testing.assert_allclose(bias, GOLDEN["grad:tower/fully_connected/biases"], atol=1e-6)


def test_probabilities_worked_by_hand():
    model = configured.build("logistic", {"rgb": 2, "audio": 1}, 2, "normalize=none")
    model.set_weights([np.array([[1, 0], [0, 2], [-1, 0]], "f"), np.array([0.5, -1], "f")])
    predictions = model({"rgb": np.array([[2, 3]], "f"), "audio": np.array([[4]], "f")})
    np.testing.assert_allclose(predictions, [[1 / (1 + np.exp(1.5)), 1 / (1 + np.exp(-5))]], 1e-6)


def test_each_feature_or_the_whole_vector_gets_length_one():
    rgb, audio = np.array([[3, 4]], "f"), np.array([[12, 0]], "f")
    expected = {
        "each": [0.6, 0.8, 1, 0],
        "joint": [3 / 13, 4 / 13, 12 / 13, 0],
        "none": [3, 4, 12, 0],
    }
    for normalize, x in expected.items():
        model = configured.build("logistic", {"rgb": 2, "audio": 2}, 4, f"normalize={normalize}")
        model.set_weights([np.eye(4, dtype="f"), np.zeros(4, "f")])
        np.testing.assert_allclose(
            model({"rgb": rgb, "audio": audio}), 1 / (1 + np.exp(-np.array([x]))), 1e-5
        )


def test_a_zero_vector_stays_zero():
    model = configured.build("logistic", {"a": 3}, 2, "normalize=each", "head.initial_bias=-2")
    predictions = model({"a": np.zeros((1, 3), "f")})
    np.testing.assert_allclose(predictions, [[1 / (1 + np.exp(2))] * 2], rtol=1e-6)


def test_dropout_acts_in_training_only():
    model = configured.build("logistic", {"a": 100}, 5, "normalize=each", "dropout=0.5")
    x = {"a": np.ones((1, 100), "f")}
    assert np.array_equal(model(x), model(x))
    assert not np.array_equal(model(x, training=True), model(x, training=True))
    assert not np.array_equal(model(x), model(x, training=True))
