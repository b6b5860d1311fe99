"""What every model of `conf/model/` keeps to, whatever it computes."""

import inspect
from contextlib import contextmanager
from functools import cache

import keras
import numpy as np
import pytest
from hydra.errors import ConfigCompositionException, InstantiationException
from hydra.utils import get_method

from tests.models import configured
from tests.models.configured import FRAME_LEVEL, LARGEST, MODELS
from yt8m_exp import spec
from yt8m_exp.config import groups
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.models.batch_norm import BatchNorm

HEADS, SAMPLERS = groups.choices("head"), groups.choices("sampling")
VIDEO_FEATURES = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}
FRAME_FEATURES = {"rgb": 96, "audio": 32}
"""Small ones, for models that take the rgb of any size."""
CLASSES, VIDEOS, FRAMES = 30, 8, 6
every_model = pytest.mark.parametrize("name", MODELS)
frame_level = pytest.mark.parametrize("name", FRAME_LEVEL)


@pytest.fixture(scope="module")
def video_level(sample):
    one = Manifest(sample.source, sample.shards[:1], sample.schema)
    return {key: rows[:VIDEOS] for key, rows in next(ordered_batches(one, 64)).items()}


@pytest.fixture
def videos(name, video_level):
    """Videos: of the sample for means, made up for frames, one of them without any."""
    return frames_of(features_of(name)) if configured.is_frame_level(name) else video_level


def frames_of(features):
    rng = np.random.default_rng(0)
    ordered = sorted(features.items(), reverse=True)
    rows = {key: rng.integers(0, 256, (VIDEOS, FRAMES, size), "u1") for key, size in ordered}
    count = np.array([FRAMES, 3, 1, 0, 5, 2, FRAMES, 4], np.int32)
    for key in rows:
        rows[key] = rows[key] * (np.arange(FRAMES) < count[:, None])[:, :, None].astype("u1")
    return rows | {"frames": count}


@pytest.fixture
def mixed_bfloat16():
    before = keras.config.dtype_policy()
    yield lambda: keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_dtype_policy(before)


def features_of(name):
    if not configured.is_frame_level(name):
        return VIDEO_FEATURES
    unwhitens = "unwhiten" in configured.config(name).normalize
    return FRAME_FEATURES | ({"rgb": spec.RGB} if unwhitens else {})


def make(name, *overrides, features=None):
    """The model as its file in `conf/model/` describes it, in a small size."""
    return configured.build_small(name, features or features_of(name), CLASSES, *overrides)


def build(name, *overrides, features=None):
    """That model with weights that tell videos apart."""
    configured.seed(0)
    model = make(name, *overrides, features=features)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if "recurrent_kernel" in variable.path:
            continue  # at random, states would be chaos: the least rounding changes them
        value = rng.standard_normal(variable.shape, np.float32)
        if len(variable.shape) > 1:  # keeps the size of numbers, on which rounding depends
            value /= np.float32(len(value) ** 0.5)
        variable.assign(np.abs(value) if "variance" in variable.path else value)
    take_moments(model)
    return model


def alike(name, *overrides):
    """Another model with the weights of the one that `build` makes; overrides change no shape."""
    configured.seed(0)
    model = make(name, *overrides)
    for variable, value in zip(model.weights, built(name).weights, strict=True):
        variable.assign(value)
    return model


def built(name, *overrides):
    """The model that `build` makes, built once, for tests that leave it as it is.

    An override that repeats the file's own choice makes no other model.
    """
    return _alike(name, *overrides) if _changes(name, *overrides) else _build(name)


@cache
def _changes(name, *overrides):
    return configured.config(name, *overrides) != configured.config(name)


_build, _alike = cache(build), cache(alike)


@pytest.fixture(scope="module")
def known():
    """Predictions by the models that `built` keeps."""
    return {}


@pytest.fixture
def predicted(name, videos, known):
    """Returns what the model that `built` makes predicts of the videos, computed once."""

    def predictions(*overrides):
        model = built(name, *overrides)
        if id(model) not in known:
            known[id(model)] = predict(model, videos)
        return known[id(model)]

    return predictions


@contextmanager
def put_back(model):
    """Gives a model the state it had, once it has been called in training."""
    before = [variable.numpy() for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)


def take_moments(model):
    """Makes the moving averages those of some frames: with others, norms would drown videos."""
    layers = list(model._flatten_layers())
    norms = [layer for layer in layers if isinstance(layer, BatchNorm)]
    if not norms:
        return
    still = [(norm, "decay", 0.0) for norm in norms]
    still += [(x, "rate", 0.0) for x in layers if isinstance(x, keras.layers.Dropout)]
    with pytest.MonkeyPatch.context() as patch:
        for change in still:
            patch.setattr(*change)
        features = {key: x.shape[-1] for key, x in model.input.items() if key != "frames"}
        model(frames_of(features), training=True)


def predict(model, videos):
    return np.asarray(model({key: videos[key] for key in model.input}, training=False))


def require_specs(model, videos):
    """Fails if a layer returns another shape or type than it says when a model is built."""
    said = [x for layer in model.layers for x in keras.tree.flatten(layer.output)]
    found = keras.Model(model.input, said)({key: videos[key] for key in model.input})
    for promised, x in zip(said, found, strict=True):
        assert keras.backend.standardize_dtype(x.dtype) == promised.dtype, promised
        assert len(x.shape) == len(promised.shape), promised
        assert all(b in (None, a) for a, b in zip(x.shape, promised.shape, strict=True)), promised


@every_model
def test_layers_return_what_they_say(name, videos):
    require_specs(built(name), videos)


@every_model
def test_a_model_has_the_name_of_its_file(name):
    assert built(name).name == name


@every_model
def test_every_setting_is_in_the_file_and_every_option_is_a_setting(name):
    config = configured.config(name)
    parameters = inspect.signature(get_method(config["_target_"])).parameters
    assert set(config) - {"_target_"} == set(parameters) - {"features", "classes"}
    assert not [key for key, given in parameters.items() if given.default is not given.empty]


@every_model
def test_inputs_are_the_features_by_name(name):
    model = built(name)
    rows, more = (
        ((None, None), {"frames": (None,)}) if configured.is_frame_level(name) else ((None,), {})
    )
    expected = {key: (*rows, size) for key, size in features_of(name).items()} | more
    assert {key: tensor.shape for key, tensor in model.input.items()} == expected
    assert model.output.shape == (None, CLASSES)


@every_model
def test_predictions_are_probabilities_that_differ(predicted):
    predictions = predicted()
    assert predictions.dtype == np.float32
    assert predictions.shape == (VIDEOS, CLASSES)
    assert predictions.min() >= 0
    assert predictions.max() <= 1
    assert predictions.std(axis=0).min() > 1e-4


@every_model
def test_saving_changes_nothing(name, videos, predicted, tmp_path):
    model = built(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert np.array_equal(predict(loaded, videos), predicted())
    assert [v.path for v in model.weights] == [v.path for v in loaded.weights]
    for one, other in zip(model.weights, loaded.weights, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


@every_model
def test_the_order_of_videos_changes_nothing(name, videos, predicted):
    order = np.random.default_rng(1).permutation(VIDEOS)
    moved = predict(built(name), {key: rows[order] for key, rows in videos.items()})
    np.testing.assert_allclose(moved, predicted()[order], atol=1e-6)


@pytest.mark.slow
@every_model
def test_a_video_is_judged_by_itself(name, videos, predicted):
    one_by_one = [{k: rows[n : n + 1] for k, rows in videos.items()} for n in range(VIDEOS)]
    alone = [predict(built(name), video) for video in one_by_one]
    np.testing.assert_allclose(  # rounded otherwise, as products of other sizes are
        np.concatenate(alone), predicted(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
@every_model
def test_the_order_in_which_features_are_given_changes_nothing(name, videos, predicted):
    model = built(name)
    given = {key: videos[key] for key in reversed(list(model.input))}
    assert np.array_equal(np.asarray(model(given)), predicted())


@pytest.mark.slow
@every_model
def test_the_order_in_which_features_are_configured_changes_nothing(name, videos, predicted):
    other = build(name, features=dict(reversed(features_of(name).items())))
    assert np.array_equal(predict(other, videos), predicted())


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("subset", [([0], "each"), ([1], "joint"), ([0, 1], "none")])
def test_any_subset_of_the_features_works(name, videos, subset):
    places, normalize = subset
    features = dict(list(features_of(name).items())[place] for place in places)
    model = build(name, f"normalize={normalize}", features=features)
    assert set(model.input) - {"frames"} == set(features)
    predictions = predict(model, videos)
    assert np.isfinite(predictions).all()
    assert predictions.shape == (VIDEOS, CLASSES)


@pytest.mark.slow
@every_model
def test_half_precision_moves_probabilities_little(
    name, videos, predicted, mixed_bfloat16, tmp_path
):
    exact = predicted()
    mixed_bfloat16()
    mixed = alike(name)
    assert {weight.dtype for weight in mixed.trainable_variables} == {"float32"}
    require_specs(mixed, videos)
    predictions = predict(mixed, videos)
    assert predictions.dtype == np.float32
    assert predictions.min() >= 0
    assert predictions.max() <= 1
    np.testing.assert_allclose(predictions, exact, atol=0.02)
    mixed.save(tmp_path / "mixed.keras")
    loaded = keras.saving.load_model(tmp_path / "mixed.keras", compile=False)
    assert np.array_equal(predict(loaded, videos), predictions)


@pytest.mark.slow
@every_model
def test_the_seed_decides_the_first_weights(name):
    weights = []
    for seed in (1, 1, 2):
        configured.seed(seed)
        weights.append([variable.numpy() for variable in make(name).variables])
    same, other = weights[1:]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], other, strict=True))


@pytest.mark.slow
@every_model
def test_an_unknown_way_to_normalize_is_refused(name):
    sentence = "`normalize` must be each, joint, .* or part_unwhiten_unit, but got 'l1'"
    with pytest.raises(InstantiationException, match=sentence):
        build(name, "normalize=l1")


@pytest.mark.slow
@every_model
def test_a_misspelt_setting_is_refused(name):
    with pytest.raises(ConfigCompositionException, match="droput"):
        build(name, "droput=0.5")


@pytest.mark.slow
@frame_level
def test_padding_changes_nothing(name, videos, predicted):
    longer = {
        key: np.pad(rows, ((0, 0), (0, 5), (0, 0)), constant_values=99)
        for key, rows in videos.items()
        if key in FRAME_FEATURES
    }
    for sampling in SAMPLERS:
        model = built(name, f"sampling={sampling}")
        padded = predict(model, longer | {"frames": videos["frames"]})
        np.testing.assert_allclose(padded, predicted(f"sampling={sampling}"), atol=1e-6)


@pytest.mark.slow
@frame_level
def test_more_frames_than_the_limit_equal_the_cut_video(name, videos):
    assert configured.config(name).sampling.max_frames > LARGEST  # so it is that in a small size
    longer = {key: np.concatenate([videos[key]] * 3, axis=1) for key in FRAME_FEATURES}
    longer |= {"frames": videos["frames"] * 3}
    cut = {key: longer[key][:, :LARGEST] for key in FRAME_FEATURES}
    cut |= {"frames": np.minimum(longer["frames"], LARGEST)}
    assert (longer["frames"] > LARGEST).any()
    for sampling in SAMPLERS:
        model = built(name, f"sampling={sampling}")
        np.testing.assert_allclose(predict(model, longer), predict(model, cut), atol=1e-6)


@frame_level
def test_frames_that_are_seen_matter(name, videos, predicted):
    changed = videos | {"rgb": videos["rgb"] // 2}
    seen = videos["frames"] > 0
    difference = np.abs(predict(built(name), changed) - predicted()).max(axis=1)
    assert (difference[seen] > 1e-4).all()
    assert (difference[~seen] == 0).all()


@pytest.mark.slow
@frame_level
@pytest.mark.parametrize("sampling", SAMPLERS)
def test_videos_without_frames_get_finite_predictions(name, videos, sampling, predicted):
    empty = {key: rows[:, :1] for key, rows in videos.items() if key != "frames"}
    empty |= {"frames": np.zeros(VIDEOS, np.int32)}
    model = built(name, f"sampling={sampling}")
    assert np.isfinite(predicted(f"sampling={sampling}")).all()
    with put_back(model):
        for batch, training in (empty, False), (empty, True), (videos, True):
            assert np.isfinite(model(batch, training=training)).all()
        assert all(np.isfinite(variable.numpy()).all() for variable in model.weights)


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("head", HEADS)
def test_any_head_fits(name, videos, head):
    model = make(name, f"head={head}")
    assert model.name == name
    if head in ("logistic", "moe"):
        assert any(("gates" in variable.path) == (head == "moe") for variable in model.weights)
    assert predict(model, videos).shape == (VIDEOS, CLASSES)


@every_model
def test_an_unknown_head_is_refused(name):
    with pytest.raises(ValueError, match=r"`model.head` must be one of .*, but got 'svm'"):
        build(name, "head=svm")


@pytest.mark.slow
@frame_level
@pytest.mark.parametrize("sampling", ["random", "run"])
def test_the_state_of_chance_is_among_the_variables(name, videos, sampling):
    model = built(name, f"sampling={sampling}")
    with put_back(model):
        first, second = (np.asarray(model(videos, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    with put_back(model):
        assert np.array_equal(np.asarray(model(videos, training=True)), first)
    assert np.array_equal(predict(model, videos), predict(model, videos))
