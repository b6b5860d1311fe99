import functools
from functools import partial

import numpy as np
import pytest

from yt8m_exp.training import loss_values
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


def test_only_the_compiled_value_of_the_cross_entropy_is_compiled():
    batch = made_up("even")
    assert value_of(cross_entropy)(**batch) != float(cross_entropy(**batch))  # float32, float64
    assert value_of(cross_entropy)(**batch) == pytest.approx(float(cross_entropy(**batch)), 1e-6)


def smoothed(labels, predictions, *, rated=None, epsilon=1e-5, smoothing=0.0):
    """A cross entropy that somebody changed: labels are 1 - smoothing, others are smoothing."""
    at_labels = cross_entropy(labels, predictions, rated=rated, epsilon=epsilon)
    inverted = cross_entropy(labels, 1 - predictions, rated=rated, epsilon=epsilon)
    return (1 - smoothing) * at_labels + smoothing * inverted


@functools.wraps(cross_entropy)
def doubled(*args, **keywords):
    return 2 * cross_entropy(*args, **keywords)


def of_the_same_name():
    def cross_entropy(labels, predictions, *, rated=None, epsilon=1e-5):
        return hinge(labels, predictions, rated=rated, margin=epsilon)

    return cross_entropy


class Halved:
    def __init__(self, epsilon):
        self.epsilon = epsilon

    def __call__(self, labels, predictions, *, rated=None):
        return cross_entropy(labels, predictions, rated=rated, epsilon=self.epsilon) / 2


@pytest.mark.parametrize(
    "loss",
    [
        smoothed,
        partial(smoothed, smoothing=0.1),
        doubled,
        partial(doubled, epsilon=0.1),
        of_the_same_name(),
        Halved(0.1),
        partial(cross_entropy, epsilon=0.1),
        partial(partial(cross_entropy, epsilon=0.1), epsilon=1e-3),
    ],
)
def test_a_changed_loss_has_its_own_value(loss):
    batch = made_up("sure")
    assert value_of(loss)(**batch) == pytest.approx(float(loss(**batch)), rel=1e-5)


@pytest.mark.parametrize("changed", [smoothed, doubled, of_the_same_name()])
def test_a_loss_whose_definition_was_changed_is_not_computed_by_the_compiled_form(
    changed, monkeypatch
):
    """Somebody edits `cross_entropy` and forgets that it has a compiled form."""
    compiled = loss_values.COMPILED[cross_entropy]
    monkeypatch.setattr(loss_values, "COMPILED", {changed: compiled})
    batch = made_up("sure")
    for loss in changed, partial(changed, epsilon=0.1):
        assert value_of(loss)(**batch) == pytest.approx(float(loss(**batch)), rel=1e-5)
    if changed is smoothed:
        other = partial(smoothed, smoothing=0.1)
        assert value_of(other)(**batch) == float(other(**batch))


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


@pytest.mark.parametrize("epsilon", [1e-8, 1e-30])
def test_certain_mistakes_have_their_cost_however_small_epsilon_is(epsilon):
    labels, predictions = np.full((1, 1), -1, np.int32), np.zeros((1, CLASSES), np.float32)
    predictions[0, :8], predictions[0, 32:] = 1, 1  # a block that comes near, and a whole one
    mistakes = int(predictions.sum())
    value = value_of(partial(cross_entropy, epsilon=epsilon))
    cost = -mistakes * np.log(np.float64(np.float32(epsilon)))
    assert value(labels=labels, predictions=predictions) == pytest.approx(cost, rel=1e-9)
