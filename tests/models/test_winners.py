import numpy as np
import pytest
import tensorflow as tf

from tests.models.winners import ZOO, Case

CASES = sorted(path.stem for path in ZOO.glob("*.npz"))


@pytest.fixture(params=CASES)
def case(request):
    return Case(ZOO / f"{request.param}.npz")


def close(found, expected, name=""):
    largest = np.abs(expected).max(initial=0)
    atol = max(1e-4 * largest, 1e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=name)


def test_predictions_are_those_of_the_winners(case):
    for feed in ("", "even_", "full_"):
        if f"{feed}infer_predictions" in case:
            expected = case[f"{feed}infer_predictions"]
            np.testing.assert_allclose(case.predict(feed)[0], expected, atol=1e-5)


def test_a_training_step_is_that_of_the_winners(case):
    loss, gradients, predictions = case.gradients()
    np.testing.assert_allclose(predictions[0], case["train_predictions"], atol=1e-5)
    for number, auxiliary in enumerate(predictions[1:]):
        np.testing.assert_allclose(auxiliary, case[f"train_aux_predictions_{number}"], atol=1e-5)
    np.testing.assert_allclose(loss, case["train_label_loss"], rtol=1e-5)
    penalty = tf.add_n(case.model.losses)
    expected = case["train_regularization_loss"] + case.numbers.get("train_kl_loss", 0)
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)
    for kind, found in gradients.items():
        for variable, gradient in zip(case.model.trainable_variables, found, strict=True):
            close(gradient, case.value(kind, variable), f"{kind} {variable.path}")
    for variable in case.model.non_trainable_variables:
        if "moving" in variable.path:
            close(variable, case.value("after", variable), variable.path)
