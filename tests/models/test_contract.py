"""What every model of `conf/model/` keeps to, whatever it computes."""

import inspect
from itertools import chain, combinations
from pathlib import Path

import keras
import numpy as np
import pytest
from hydra.utils import get_method

from yt8m_exp import command, spec
from yt8m_exp.data import shards
from yt8m_exp.data.pipeline import ordered_batches

MODELS = sorted(path.stem for path in Path(command.CONF, "model").glob("*.yaml"))
FEATURES = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}
SUBSETS = [*chain(*(combinations(FEATURES, count) for count in range(1, len(FEATURES) + 1)))]
CLASSES = 30
pytestmark = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def videos(sample):
    one = shards.Manifest(sample.source, sample.shards[:1], sample.schema)
    return {key: rows[:16] for key, rows in next(ordered_batches(one, 64)).items()}


@pytest.fixture
def mixed_bfloat16():
    before = keras.config.dtype_policy()
    yield lambda: keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_dtype_policy(before)


def build(name, features=FEATURES, **other):
    """The model as its file in `conf/model/` describes it, with weights that tell videos apart."""
    options = dict(command.compose("train", [f"model={name}"]).model) | other
    make = get_method(options.pop("_target_"))
    keras.utils.set_random_seed(0)
    model = make(features=features, classes=CLASSES, **options)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def predict(model, videos):
    return np.asarray(model({key: videos[key] for key in model.input}, training=False))


def test_a_model_has_the_name_of_its_file(name):
    assert build(name).name == name


def test_every_setting_is_in_the_file_and_every_option_is_a_setting(name):
    options = dict(command.compose("train", [f"model={name}"]).model)
    parameters = inspect.signature(get_method(options.pop("_target_"))).parameters
    assert set(options) == set(parameters) - {"features", "classes"}


def test_inputs_are_the_features_by_name(name):
    model = build(name)
    assert {key: tensor.shape for key, tensor in model.input.items()} == {
        key: (None, size) for key, size in FEATURES.items()
    }
    assert model.output.shape == (None, CLASSES)


def test_predictions_are_probabilities_that_differ(name, videos):
    predictions = predict(build(name), videos)
    assert predictions.dtype == np.float32
    assert predictions.shape == (16, CLASSES)
    assert predictions.min() >= 0
    assert predictions.max() <= 1
    assert predictions.std(axis=0).min() > 1e-4


def test_saving_changes_nothing(name, videos, tmp_path):
    model = build(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert np.array_equal(predict(model, videos), predict(loaded, videos))
    assert [v.path for v in model.variables] == [v.path for v in loaded.variables]


def test_the_order_of_videos_changes_nothing(name, videos):
    model = build(name)
    order = np.random.default_rng(1).permutation(16)
    moved = predict(model, {key: rows[order] for key, rows in videos.items()})
    np.testing.assert_allclose(moved, predict(model, videos)[order], atol=1e-6)


def test_a_video_is_judged_by_itself(name, videos):
    model = build(name)
    alone = [predict(model, {k: rows[n : n + 1] for k, rows in videos.items()}) for n in range(16)]
    np.testing.assert_allclose(np.concatenate(alone), predict(model, videos), atol=1e-6)


def test_the_order_in_which_features_are_given_changes_nothing(name, videos):
    model = build(name)
    given = {key: videos[key] for key in reversed(list(model.input))}
    assert np.array_equal(np.asarray(model(given)), predict(model, videos))


def test_the_order_in_which_features_are_configured_changes_nothing(name, videos):
    one, other = build(name), build(name, dict(reversed(FEATURES.items())))
    assert np.array_equal(predict(one, videos), predict(other, videos))


@pytest.mark.parametrize("features", SUBSETS)
@pytest.mark.parametrize("normalize", ["each", "joint", "none"])
def test_any_subset_of_the_features_works(name, videos, features, normalize):
    model = build(name, {key: FEATURES[key] for key in features}, normalize=normalize)
    assert set(model.input) == set(features)
    predictions = predict(model, videos)
    assert np.isfinite(predictions).all()
    assert predictions.shape == (16, CLASSES)


def test_half_precision_moves_probabilities_little(name, videos, mixed_bfloat16, tmp_path):
    exact = build(name)
    mixed_bfloat16()
    mixed = build(name)
    assert {weight.dtype for weight in mixed.trainable_variables} == {"float32"}
    predictions = predict(mixed, videos)
    assert predictions.dtype == np.float32
    assert predictions.min() >= 0
    assert predictions.max() <= 1
    np.testing.assert_allclose(predictions, predict(exact, videos), atol=0.02)
    mixed.save(tmp_path / "mixed.keras")
    loaded = keras.saving.load_model(tmp_path / "mixed.keras", compile=False)
    assert np.array_equal(predict(loaded, videos), predictions)


def test_the_seed_decides_the_first_weights(name):
    options = dict(command.compose("train", [f"model={name}"]).model)
    make = get_method(options.pop("_target_"))
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(make(features=FEATURES, classes=CLASSES, **options).get_weights())
    same, other = weights[1:]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], other, strict=True))


def test_an_unknown_way_to_normalize_is_refused(name):
    with pytest.raises(ValueError, match="`normalize` must be each, joint or none, but got 'l1'"):
        build(name, normalize="l1")


def test_a_misspelt_setting_is_refused(name):
    with pytest.raises(TypeError, match="droput"):
        build(name, droput=0.5)
