import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured
from yt8m_exp.models import auxiliary

FEATURES = {"rgb": 3, "audio": 2}
RNG = np.random.default_rng(0)
VIDEOS = {"rgb": RNG.normal(size=(4, 3)), "audio": RNG.normal(size=(4, 2))}


def build(*overrides):
    return configured.build("resnet_mlp", FEATURES, 5, "units=4", "dropout=0", *overrides)


def prepared(x, weights):
    """relu(norm(x)), https://arxiv.org/abs/1607.06450, eq. 3."""
    gamma, beta = weights
    centered = x - x.mean(axis=1, keepdims=True)
    scale = np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-3)
    return np.maximum(centered / scale * gamma + beta, 0)


def test_the_probabilities_are_those_of_the_formula():
    configured.seed(0)
    model = build("layers=2")
    for variable in model.weights:
        variable.assign(RNG.normal(size=variable.shape))
    weights = {layer.name: [np.asarray(w) for w in layer.weights] for layer in model.layers}
    parts = [
        VIDEOS[name] / np.linalg.norm(VIDEOS[name], axis=1, keepdims=True) for name in FEATURES
    ]
    kernel, bias = weights["stem"]
    h = np.concatenate(parts, axis=1) @ kernel + bias
    for number in (1, 2):
        kernel, bias = weights[f"layer_{number}"]
        h = h + prepared(h, weights[f"norm_{number}"]) @ kernel + bias
    kernel, bias = weights["classifier"]
    logits = prepared(h, weights["norm_3"]) @ kernel + bias
    np.testing.assert_allclose(model.predict_on_batch(VIDEOS), 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_gradients_reach_the_first_layer_past_the_others():
    model = build("layers=6")
    for number in range(1, 7):
        for weight in model.get_layer(f"layer_{number}").weights:
            weight.assign(np.zeros(weight.shape))
    before = model.predict_on_batch(VIDEOS)
    stem = model.get_layer("stem")
    stem.kernel.assign(2 * RNG.normal(size=stem.kernel.shape))
    assert np.abs(model.predict_on_batch(VIDEOS) - before).max() > 1e-5


def test_branches_learn_apart_and_predict_together():
    configured.seed(0)
    model = build("branches=2")
    trained, weights = auxiliary.supervised(model)
    assert weights == [0.0, 1.0, 1.0]
    mean, *apart = (np.asarray(p) for p in trained(VIDEOS))
    logits = [np.log(p / (1 - p)) for p in apart]
    np.testing.assert_allclose(np.log(mean / (1 - mean)), np.mean(logits, axis=0), rtol=1e-4)
    assert np.ptp(logits, axis=0).min() > 0
    assert model.count_params() == 2 * build("branches=1").count_params()


@pytest.mark.parametrize("dropped", ["dropout=0.9", "input_dropout=0.9"])
def test_dropout_is_for_training_alone(dropped):
    model = build(dropped)
    calls = [np.asarray(model(VIDEOS, training=training)) for training in (False, False, True)]
    assert np.array_equal(calls[0], calls[1])
    assert not np.allclose(calls[0], calls[2])


def test_the_head_may_be_a_mixture():
    assert build("head=moe", "head.experts=3").get_layer("experts").units == 15


@pytest.mark.parametrize("wrong", ["layers=0", "units=0", "branches=0"])
def test_a_network_without_units_is_refused(wrong):
    with pytest.raises(InstantiationException, match=">= 1` must hold"):
        build(wrong)
