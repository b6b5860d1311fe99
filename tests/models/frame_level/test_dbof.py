import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured
from tests.models.starter_code import CLASSES, FEATURES, GOLDEN, Golden, behind
from yt8m_exp.models.frame_level import dbof

NORMS = {
    "bag/input_norm": "input_bn",
    "bag/cluster_norm": "cluster_bn",
    "hidden_norm": "hidden1_bn",
}
NAMES = {
    "bag/kernel": "cluster_weights",
    "bag/bias": "cluster_biases",
    "hidden/kernel": "hidden1_weights",
    "hidden/bias": "hidden1_biases",
    "gates/kernel": "gates/weights",
    "experts/kernel": "experts/weights",
    "experts/bias": "experts/biases",
} | {
    f"{ours}/{part}": f"{theirs}/{part}"
    for ours, theirs in NORMS.items()
    for part in ("gamma", "beta", "moving_mean", "moving_variance")
}
CASES = {"dbof_bn": True, "dbof_nobn": False}


SIZES = ("sampling.samples=5", "clusters=9", "units=6", "normalize=joint")


def small(*overrides):
    return configured.build("dbof", FEATURES, CLASSES, *SIZES, *overrides)


@pytest.fixture(params=CASES)
def case(request):
    golden = Golden(request.param)
    model = small(f"batch_norm={CASES[request.param]}")
    for variable in model.weights:
        variable.assign(golden[f"var:tower/{NAMES[variable.path]}"])
    tail = behind(model, "features")
    count = np.full(6, 5, np.int32)
    return golden, model, lambda training: tail(golden["sampled_frames"], count, training)


def test_predictions_are_those_of_the_starter_code(case):
    golden, _, predict = case
    np.testing.assert_allclose(predict(False), golden["infer_predictions"], atol=1e-6)
    np.testing.assert_allclose(predict(True), golden["train_predictions"], atol=1e-6)


def test_loss_and_gradients_are_those_of_the_starter_code(case):
    golden, model, predict = case
    loss, penalty, raw, clipped = golden.gradients(model, lambda: predict(True))
    np.testing.assert_allclose(loss, golden["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(penalty, golden["train_regularization_loss"], rtol=1e-5)
    for variable, one, other in zip(model.trainable_variables, raw, clipped, strict=True):
        name = NAMES[variable.path]
        np.testing.assert_allclose(one, golden[f"grad:tower/{name}"], atol=1e-6)
        np.testing.assert_allclose(other, golden[f"grad_clipped_0.05:tower/{name}"], atol=1e-6)


def test_moving_averages_are_those_of_the_starter_code():
    golden = Golden("dbof_bn")
    model = small()
    for variable in model.weights:
        variable.assign(golden[f"var:tower/{NAMES[variable.path]}"])
    behind(model, "features")(golden["sampled_frames"], np.full(6, 5, np.int32), True)
    moving = [variable for variable in model.weights if "moving" in variable.path]
    assert len(moving) == 6
    for variable in moving:
        expected = golden[f"after_one_update:tower/{NAMES[variable.path]}"]
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6)


def test_frames_are_pooled_as_by_the_starter_code():
    golden = np.load(GOLDEN / "readers" / "functions.head.npz")
    x, count = golden["sample_in"], np.full(5, 9, np.int32)
    for pooling, below in (("max", 0.0), ("average", 10.0)):
        bag = dbof.Bag(3, "relu", pooling, batch_norm=False, padded=False)
        bag(x, count)
        bag.set_weights([np.eye(3, dtype="f"), np.full(3, below, "f")])
        expected = np.maximum(golden[f"pool_{pooling}"] + below, 0)
        np.testing.assert_allclose(bag(x, count), expected, atol=1e-5)


def test_a_frozen_bag_keeps_to_its_averages():
    rng = np.random.default_rng(0)
    bag = dbof.Bag(9, "sigmoid", "max", batch_norm=True, padded=False)
    x, count = rng.normal(size=(4, 5, 6)).astype("f"), np.array([5, 3, 1, 0], np.int32)
    inferred = np.array(bag(x, count))
    bag.trainable = False
    np.testing.assert_array_equal(bag(x, count, training=True), inferred)
    assert not bag.input_norm.moving_mean.numpy().any()


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("activation", ["sigmoid", "relu6", "relu"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_bag_is_that_of_its_formula(pooling, activation, batch_norm):
    """`pool_t activation(norm(norm(x_t) W))` by NumPy, with frames that do not count."""
    rng = np.random.default_rng(0)
    x, count = rng.normal(size=(5, 4, 6)).astype("f"), np.array([4, 2, 0, 1, 3], "i4")
    here = np.arange(4) < count[:, None]
    x[~here] = 0
    bag = dbof.Bag(7, activation, pooling, batch_norm=batch_norm, padded=True, name="bag")
    bag(x, count)
    weights = {variable.path: rng.normal(size=variable.shape) for variable in bag.weights}
    for variable in bag.weights:
        if "variance" in variable.path:
            weights[variable.path] **= 2
        variable.assign(weights[variable.path])

    def norm(values, name, training):
        def part(of):
            return weights[f"bag/{name}/{of}"] if of in ("gamma", "beta") else moving[of]

        moving = {key: weights[f"bag/{name}/moving_{key}"] for key in ("mean", "variance")}
        if training:
            moving = {"mean": values[here].mean(axis=0), "variance": values[here].var(axis=0)}
        y = (values - moving["mean"]) / np.sqrt(moving["variance"] + 1e-3)
        return y * part("gamma") + part("beta")

    for training in (False, True):
        y = x.astype(float)
        if batch_norm:
            y = norm(
                norm(y, "input_norm", training) @ weights["bag/kernel"], "cluster_norm", training
            )
        else:
            y = y @ weights["bag/kernel"] + weights["bag/bias"]
        y = {
            "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
            "relu6": lambda y: np.clip(y, 0, 6),
            "relu": lambda y: np.maximum(y, 0),
        }[activation](y)
        y = np.where(here[:, :, None], y, 0)
        expected = y.max(axis=1)
        if pooling == "average":
            expected = y.sum(axis=1) / np.maximum(count, 1)[:, None]
        np.testing.assert_allclose(bag(x, count, training=training), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("activation=tanh", "`activation` must be sigmoid, relu6 or relu, but got 'tanh'"),
        ("pooling=last", "`pooling` must be max or average, but got 'last'"),
        ("clusters=0", "`clusters >= 1` must hold, but got clusters=0"),
        ("head=svm", "`model.head` must be one of .*, but got 'svm'"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(override, message):
    with pytest.raises((ValueError, InstantiationException), match=message):
        small(override)
