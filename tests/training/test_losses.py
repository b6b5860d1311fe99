import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml
from hydra.utils import instantiate

from yt8m_exp.training.loss_values import value_of
from yt8m_exp.training.losses import asymmetric, cross_entropy, hinge, softmax

GOLDEN = Path(__file__).parents[1] / "golden" / "losses"
ARRAYS = np.load(GOLDEN / "losses.npz")
CONFIGURED = {
    path.stem: instantiate(yaml.safe_load(path.read_text()))
    for path in sorted((Path(__file__).parents[2] / "conf" / "loss").glob("*.yaml"))
} | {"hinge of another margin": partial(hinge, margin=0.5)}
LOSSES = {
    "CrossEntropyLoss": cross_entropy,
    "HingeLoss": hinge,
    "HingeLoss(b=0.5)": partial(hinge, margin=0.5),
    "SoftmaxLoss": softmax,
    "CrossEntropyLoss(label_weights)": partial(
        cross_entropy, label_weights=ARRAYS["label_weights"]
    ),
}
VALUES = json.loads((GOLDEN / "losses.head.json").read_text())
RATED = {case: value for case, value in VALUES.items() if "label_weights" in case}
GRADIENTS = [name for name in ARRAYS if name.startswith("grad_")]
each_loss = pytest.mark.parametrize("loss", CONFIGURED.values(), ids=CONFIGURED)


def ids(dense):
    """Class ids (B, L) padded with -1, with the first label of each video repeated at the end."""
    rows = [np.flatnonzero(row) for row in np.asarray(dense)]
    padded = np.full((len(rows), max(map(len, rows)) + 2), -1, np.int32)
    for row, labels in zip(padded, rows, strict=True):
        row[: len(labels)] = labels
        row[-1] = labels[0] if len(labels) else -1
    return padded


def made_up(videos=8, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random((videos, classes)) < 0.3).astype(np.float32)
    return labels, rng.random((videos, classes), dtype=np.float32)


@pytest.mark.parametrize("case", VALUES)
def test_values_are_the_starter_codes(case):
    loss, predictions = case.split("/")
    batch = {"labels": ids(ARRAYS["labels"]), "predictions": ARRAYS[f"pred_{predictions}"]}
    np.testing.assert_allclose(LOSSES[loss](**batch), VALUES[case], rtol=1e-6)
    assert value_of(LOSSES[loss])(**batch) == pytest.approx(VALUES[case], rel=1e-6)


@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients_are_the_starter_codes(case):
    _, loss, name = case.split("_")
    predictions = tf.constant(ARRAYS[f"pred_{name}"])
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        value = LOSSES[loss](tf.constant(ids(ARRAYS["labels"])), predictions)
    expected = ARRAYS[case]
    np.testing.assert_allclose(tape.gradient(value, predictions), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
@each_loss
def test_the_gradient_of_each_loss_of_conf_is_what_a_small_step_changes(loss, jit_compile):
    labels, predictions = made_up()
    ids_of, direction = ids(labels), np.random.default_rng(2).normal(size=labels.shape)

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = 3 * loss(ids_of, x) ** 2  # so that what comes from above is not one
        return tape.gradient(value, x)

    def value(step):
        return 3 * float(loss(ids_of, (0.1 + 0.8 * predictions + step * direction))) ** 2

    expected = (value(1e-4) - value(-1e-4)) / 2e-4
    found = np.sum(gradient(tf.constant(0.1 + 0.8 * predictions)) * direction)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@each_loss
def test_the_value_in_an_evaluation_is_that_of_the_loss(loss):
    labels, predictions = made_up(videos=20, classes=70)
    predictions[:, :20] = predictions[:, :20] > 0.5  # certain, and often wrong
    batch = {"labels": ids(labels), "predictions": predictions}
    assert value_of(loss)(**batch) == pytest.approx(float(loss(**batch)), rel=1e-5)


@each_loss
def test_a_loss_is_the_mean_over_videos(loss):
    labels, predictions = made_up()
    alone = [loss(ids(labels[n : n + 1]), predictions[n : n + 1]) for n in range(8)]
    np.testing.assert_allclose(loss(ids(labels), predictions), np.mean(alone), rtol=1e-6)


@each_loss
def test_the_order_of_classes_changes_nothing(loss):
    labels, predictions = made_up()
    value = loss(ids(labels[:, ::-1]), predictions[:, ::-1].copy())
    np.testing.assert_allclose(value, loss(ids(labels), predictions), rtol=1e-6)


@each_loss
def test_a_video_without_labels_has_a_finite_loss(loss):
    _, predictions = made_up()
    assert np.isfinite(loss(ids(np.zeros_like(predictions)), predictions))


@each_loss
def test_whole_shares_change_nothing(loss):
    labels, predictions = made_up()
    batch = {"labels": ids(labels)[:, :-1], "predictions": predictions}  # without repeated labels
    whole = np.ones(batch["labels"].shape, np.float32)
    for rated in ({}, {"rated": ids(labels + np.eye(8, 5))}):
        expected = loss(**batch, **rated)
        np.testing.assert_allclose(loss(**batch, shares=whole, **rated), expected, rtol=1e-6)


@pytest.mark.parametrize("linear", [cross_entropy, hinge])
@pytest.mark.parametrize("rated", [{}, {"rated": np.array([[2, 0, 1]])}], ids=["all", "rated"])
def test_shares_count_in_proportion_and_those_of_a_class_add_up(linear, rated):
    predictions = np.array([[0.2, 0.7, 0.4]], "f")

    def value(labels, shares):
        return float(
            linear(np.array([labels]), predictions, shares=np.array([shares], "f"), **rated)
        )

    def gradient(labels, shares):
        with tf.GradientTape() as tape:
            tape.watch(x := tf.constant(predictions))
            found = linear(np.array([labels]), x, shares=np.array([shares], "f"), **rated)
        return tape.gradient(found, x)

    whole, none = value([1, -1], [1, 1]), value([1, -1], [0, 1])
    assert value([1, -1], [0.3, 1]) == pytest.approx(0.3 * whole + 0.7 * none, rel=1e-5)
    assert value([1, 1], [0.1, 0.2]) == pytest.approx(value([1, -1], [0.3, 0]), rel=1e-5)
    np.testing.assert_allclose(
        gradient([1, 1], [0.1, 0.2]), gradient([1, -1], [0.3, 0]), rtol=1e-5, atol=1e-6
    )


def test_cross_entropy_of_shares_by_hand():
    value = cross_entropy(
        np.array([[0, 1]]), np.array([[0.25, 0.5]], "f"), shares=np.array([[0.5, 0]]), epsilon=0.0
    )
    expected = 0.5 * np.log(4) + 0.5 * np.log(4 / 3) + np.log(2)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_cross_entropy_by_hand():
    value = cross_entropy(ids([[1, 0]]), np.array([[0.25, 0.5]], "f"), epsilon=0.0)
    np.testing.assert_allclose(value, np.log(4) + np.log(2), rtol=1e-6)


def test_a_certain_mistake_costs_the_logarithm_of_epsilon():
    for epsilon in (1e-5, 1e-3):
        value = cross_entropy(ids([[1]]), np.array([[0.0]], "f"), epsilon=epsilon)
        np.testing.assert_allclose(value, -np.log(epsilon), rtol=1e-5)


def test_hinge_by_hand():
    labels, scores = ids([[1, 0, 1]]), np.array([[0.25, 0.5, 3]], "f")
    np.testing.assert_allclose(hinge(labels, scores), 0.75 + 1.5 + 0)
    np.testing.assert_allclose(hinge(labels, scores, margin=0.0), 0 + 0.5 + 0)


def test_softmax_by_hand():
    labels, scores = ids([[1, 1, 0]]), np.array([[1, 2, 3]], "f")
    shares = np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum()
    expected = -(np.log(shares[0]) + np.log(shares[1])) / 2
    np.testing.assert_allclose(softmax(labels, scores), expected, rtol=1e-6)


def test_softmax_of_a_video_without_labels_is_zero():
    assert softmax(ids([[0, 0, 0]]), np.ones((1, 3), "f")) == 0


@pytest.mark.parametrize("case", RATED)
def test_weights_of_zero_and_one_are_the_starter_codes(case):
    predictions = ARRAYS[f"pred_{case.split('/')[1]}"]
    value = cross_entropy(ids(ARRAYS["labels"]), predictions, rated=ids(ARRAYS["label_weights"]))
    np.testing.assert_allclose(value, RATED[case], rtol=1e-6)


def weighted(loss, labels, predictions, weights):
    """The loss by its definition, float64: each class by itself is one that is rated alone."""
    if loss.func is softmax:
        shares = labels / np.maximum(labels.sum(axis=1, keepdims=True), 1e-7)
        logs = predictions - np.log(np.exp(predictions).sum(axis=1, keepdims=True))
        return -np.sum(weights * shares * logs) / len(labels)
    videos, classes = labels.shape
    each = [
        float(loss(ids(labels[v : v + 1]), predictions[v : v + 1], rated=np.array([[c]])))
        for v in range(videos)
        for c in range(classes)
    ]
    return np.sum(weights * np.reshape(each, labels.shape)) / videos


@pytest.mark.parametrize("of", ["classes", "classes of each video"])
@each_loss
def test_label_weights_multiply_what_each_class_costs(loss, of):
    labels, predictions = made_up()
    rng = np.random.default_rng(3)
    weights = rng.random(labels.shape if of != "classes" else labels.shape[1]).astype(np.float32)
    counted = partial(loss, label_weights=3 * weights)
    batch = {"labels": ids(labels), "predictions": predictions}
    expected = weighted(loss, labels, predictions, 3 * weights)
    np.testing.assert_allclose(counted(**batch), expected, rtol=1e-5)
    assert value_of(counted)(**batch) == pytest.approx(expected, rel=1e-5)
    everything = ids(np.ones_like(labels))
    np.testing.assert_allclose(counted(**batch, rated=everything), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
@each_loss
def test_the_gradient_is_that_of_the_weighted_value(loss, jit_compile):
    labels, predictions = made_up()
    weights = np.array([0.0, 0.5, 1.0, 2.0, 7.5], np.float32)
    labels_of, direction = ids(labels), np.random.default_rng(2).normal(size=labels.shape)

    def value(step):
        moved = 0.1 + 0.8 * predictions + step * direction
        return weighted(loss, labels, moved, weights)

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            cost = loss(labels_of, x, label_weights=weights)
        return tape.gradient(cost, x)

    found = gradient(tf.constant(0.1 + 0.8 * predictions)).numpy()
    expected = (value(1e-3) - value(-1e-3)) / 2e-3
    np.testing.assert_allclose(np.sum(found * direction), expected, rtol=2e-3)
    if loss.func is not softmax:
        assert (found[:, 0] == 0).all()


@each_loss
def test_weights_of_one_change_nothing(loss):
    labels, predictions = made_up()
    value = loss(ids(labels), predictions, label_weights=np.ones(5))
    np.testing.assert_allclose(value, loss(ids(labels), predictions), rtol=1e-6)


@each_loss
def test_all_classes_rated_is_as_none_unknown(loss):
    labels, predictions = made_up()
    value = loss(ids(labels), predictions, rated=ids(np.ones_like(labels)))
    np.testing.assert_allclose(value, loss(ids(labels), predictions), rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@each_loss
def test_only_rated_classes_have_a_gradient(loss, jit_compile):
    labels, predictions = made_up(classes=12)
    known = np.random.default_rng(1).random(labels.shape) < 0.4
    known[0] = False  # a segment of which nothing is known
    rated = ids(known)

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(ids(labels), x, rated=rated)
        return tape.gradient(value, x)

    result = gradient(tf.constant(predictions)).numpy()
    assert (result[~known] == 0).all()
    moved = np.where(known, predictions, 1 - predictions)
    value = loss(ids(labels), moved, rated=rated)
    assert value == loss(ids(labels), predictions, rated=rated)
    if loss.func is cross_entropy:
        assert (result[known] != 0).all()


@each_loss
def test_a_loss_over_rated_classes_is_that_of_a_data_set_of_them_alone(loss):
    labels, predictions = made_up(classes=9)
    value = loss(ids(labels), predictions, rated=np.tile([7, 2, 4, 4, -1], (8, 1)))
    chosen = [2, 4, 7]
    alone = loss(ids(labels[:, chosen]), predictions[:, chosen])
    np.testing.assert_allclose(value, alone, rtol=1e-6)


def test_the_asymmetric_loss_by_hand():
    labels, chances = np.array([[1, -1]]), np.array([[0.25, 0.6, 0.5]], "f")
    found = asymmetric(labels, chances, absent_focus=2.0, present_focus=1.0, epsilon=0.0)
    absent = -(0.25**2) * np.log(0.75) - 0.5**2 * np.log(0.5)
    np.testing.assert_allclose(found, absent - 0.4 * np.log(0.6), rtol=1e-6)


def test_without_a_focus_the_asymmetric_loss_is_the_cross_entropy():
    labels, predictions = made_up()
    found = asymmetric(ids(labels), predictions, absent_focus=0.0, present_focus=0.0)
    np.testing.assert_allclose(found, cross_entropy(ids(labels), predictions), rtol=1e-6)


def test_rated_losses_by_hand():
    # Classes 0 (present) and 2 (absent) are rated; 1 and 3 are not, though 1 is a label.
    labels, rated = np.array([[0, 1]]), np.array([[2, 0, -1]])
    scores = np.array([[0.25, 0.9, 0.5, 0.1]], "f")
    value = cross_entropy(labels, scores, rated=rated, epsilon=0.0)
    np.testing.assert_allclose(value, np.log(4) + np.log(2), rtol=1e-6)
    np.testing.assert_allclose(hinge(labels, scores, rated=rated), 0.75 + 1.5)
    share = np.exp(0.25) / (np.exp(0.25) + np.exp(0.5))
    np.testing.assert_allclose(softmax(labels, scores, rated=rated), -np.log(share), rtol=1e-6)
