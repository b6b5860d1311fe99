import numpy as np
import pytest

from tests.models import configured
from tests.models.starter_code import CLASSES, FEATURES, Golden, as_bytes, behind
from yt8m_exp.models.frames import MeanFrame

NAMES = {"classifier/kernel": "weights", "classifier/bias": "biases"}


@pytest.fixture
def case():
    golden = Golden("frame_logistic")
    model = configured.build("frame_logistic", FEATURES, CLASSES, "normalize=joint")
    for variable in model.weights:
        variable.assign(golden[f"var:tower/fully_connected/{NAMES[variable.path]}"])
    mean = MeanFrame("joint")([as_bytes(golden["input_raw"])], golden["num_frames"])
    tail = behind(model, "mean")
    return golden, model, lambda training: tail(mean, golden["num_frames"], training)


def test_predictions_are_those_of_the_starter_code(case):
    golden, _, predict = case
    for training in (False, True):
        np.testing.assert_allclose(predict(training), golden["infer_predictions"], atol=1e-6)


def test_loss_and_gradients_are_those_of_the_starter_code(case):
    golden, model, predict = case
    loss, penalty, raw, clipped = golden.gradients(model, lambda: predict(True))
    np.testing.assert_allclose(loss, golden["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(penalty, golden["train_regularization_loss"], rtol=1e-5)
    for variable, one, other in zip(model.trainable_variables, raw, clipped, strict=True):
        name = f"fully_connected/{NAMES[variable.path]}"
        np.testing.assert_allclose(one, golden[f"grad:tower/{name}"], atol=1e-6)
        np.testing.assert_allclose(other, golden[f"grad_clipped_0.05:tower/{name}"], atol=1e-6)


def test_probabilities_worked_by_hand():
    model = configured.build("frame_logistic", {"rgb": 2, "audio": 1}, 1, "normalize=none")
    model.set_weights([np.array([[1], [2], [-1]], "f"), np.array([0.5], "f")])
    rgb = np.array([[[0, 255], [255, 255], [9, 9]]], np.uint8)  # -1.9921875 and 2.0078125
    audio = np.array([[[0], [0], [9]]], np.uint8)
    predictions = model({"rgb": rgb, "audio": audio, "frames": np.array([2], "i4")})
    logit = 0.0078125 + 2 * 2.0078125 + 1.9921875 + 0.5
    np.testing.assert_allclose(predictions, [[1 / (1 + np.exp(-logit))]], rtol=1e-6)


def test_dropout_acts_in_training_only():
    model = configured.build("frame_logistic", {"a": 100}, 5, "dropout=0.5")
    x = {"a": np.full((1, 3, 100), 200, np.uint8), "frames": np.array([3], "i4")}
    assert np.array_equal(model(x), model(x))
    assert not np.array_equal(model(x, training=True), model(x, training=True))
    assert not np.array_equal(model(x), model(x, training=True))
