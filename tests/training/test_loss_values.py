from functools import partial

import numpy as np
import pytest

from yt8m_exp.training.loss_values import value_of
from yt8m_exp.training.losses import cross_entropy, hinge, softmax

CLASSES = 3862


def made_up(predictions, videos=6):
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, CLASSES, (videos, 9)).astype(np.int32)
    labels[:, -1] = labels[:, 0]  # counts once
    values = {
        "even": rng.random((videos, CLASSES)),
        "sure": rng.integers(0, 2, (videos, CLASSES)),  # half of them mistakes of full cost
        "next to sure": np.full((videos, CLASSES), 1 - 2.0**-24),
        "rare": rng.random((videos, CLASSES)) ** 40,
    }[predictions]
    return {"labels": labels, "predictions": values.astype(np.float32)}


@pytest.mark.parametrize("epsilon", [1e-5, 1e-9, 0.1])
@pytest.mark.parametrize("predictions", ["even", "sure", "next to sure", "rare"])
def test_the_cross_entropy_is_its_definition(predictions, epsilon):
    batch = made_up(predictions)
    chances, epsilon = batch["predictions"], np.float32(epsilon)
    present = np.zeros(chances.shape, bool)
    for row, labels in zip(present, batch["labels"], strict=True):
        row[labels[labels >= 0]] = True
    right = np.where(present, chances, 1 - chances) + epsilon
    expected = -np.log(right.astype(np.float64)).sum(axis=1).mean()
    value = value_of(partial(cross_entropy, epsilon=float(epsilon)))
    assert value(**batch) == pytest.approx(expected, rel=1e-12)


def test_one_nan_is_not_lost():
    batch = made_up("even")
    batch["predictions"][3, 1000] = np.nan
    assert np.isnan(value_of(cross_entropy)(**batch))


@pytest.mark.parametrize("loss", [hinge, partial(hinge, margin=0.5), softmax])
def test_other_losses_are_as_in_training(loss):
    batch = made_up("even")
    assert value_of(loss)(**batch) == float(loss(**batch))


def test_of_rated_classes_it_is_as_in_training():
    batch = made_up("even")
    rated = np.concatenate([batch["labels"], [[5]] * 6], axis=1).astype(np.int32)
    expected = cross_entropy(**batch, rated=rated)
    assert value_of(cross_entropy)(**batch, rated=rated) == float(expected)
