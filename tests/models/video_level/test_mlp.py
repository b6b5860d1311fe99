import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured
from yt8m_exp.models import auxiliary

FEATURES = {"rgb": 3, "audio": 2}
RNG = np.random.default_rng(0)
VIDEOS = {"rgb": RNG.normal(size=(4, 3)), "audio": RNG.normal(size=(4, 2))}


def build(*overrides):
    fixed = ("normalize=none", "units=4", "activation=relu")
    return configured.build("mlp", FEATURES, 5, *fixed, *overrides)


def test_the_probabilities_are_those_of_the_formula():
    configured.seed(0)
    model = build("layers=2")
    for variable in model.weights:
        variable.assign(RNG.normal(size=variable.shape))
    weights = {layer.name: [np.asarray(w) for w in layer.weights] for layer in model.layers}
    h = np.concatenate([VIDEOS["rgb"], VIDEOS["audio"]], axis=1)
    for number in (1, 2):
        kernel, bias = weights[f"layer_{number}"]
        gamma, beta = weights[f"norm_{number}"]
        x = h @ kernel + bias
        centered = x - x.mean(axis=1, keepdims=True)
        scale = np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-3)
        h = np.maximum(centered / scale * gamma + beta, 0)
    kernel, bias = weights["classifier"]
    expected = 1 / (1 + np.exp(-(h @ kernel + bias)))
    np.testing.assert_allclose(model.predict_on_batch(VIDEOS), expected, atol=1e-5)


@pytest.mark.parametrize("dropped", ["dropout=0.9", "input_dropout=0.9"])
def test_dropout_is_for_training_alone(dropped):
    configured.seed(0)
    model = build("dropout=0", "input_dropout=0", dropped)
    calls = [np.asarray(model(VIDEOS, training=training)) for training in (False, False, True)]
    assert np.array_equal(calls[0], calls[1])
    assert not np.allclose(calls[0], calls[2])


def test_branches_learn_apart_and_predict_together():
    configured.seed(0)
    model = build("branches=3", "dropout=0", "input_dropout=0")
    trained, weights = auxiliary.supervised(model)
    assert weights == [0.0, 1.0, 1.0, 1.0]
    mean, *apart = (np.asarray(p) for p in trained(VIDEOS))
    logits = [np.log(p / (1 - p)) for p in apart]
    np.testing.assert_allclose(np.log(mean / (1 - mean)), np.mean(logits, axis=0), rtol=1e-4)
    assert np.ptp(logits, axis=0).min() > 0
    assert model.count_params() == 3 * build("branches=1").count_params()


@pytest.mark.parametrize("wrong", ["layers=0", "units=0", "branches=0"])
def test_a_network_without_units_is_refused(wrong):
    with pytest.raises(InstantiationException, match=">= 1` must hold"):
        build(wrong)


@pytest.mark.parametrize("model", ["mlp", "resnet_mlp"])
def test_an_activation_that_is_not_offered_is_refused(model):
    sentence = "`activation` must be relu or gelu, but got 'sigmoid'"
    with pytest.raises(InstantiationException, match=sentence):
        configured.build_small(model, {"x": 3}, 2, "activation=sigmoid")
