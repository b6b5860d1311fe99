import hashlib

import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp import spec
from yt8m_exp.models import inputs, normalization
from yt8m_exp.spec import InputError

SCALED = ["unwhiten_each", "unwhiten_unit", "part_unwhiten_each", "part_unwhiten_unit"]
UNWHITENING = ["unwhiten", *SCALED]
RNG = np.random.default_rng(0)
VIDEOS = {
    "mean_rgb": RNG.normal(size=(3, spec.RGB)).astype("f"),
    "mean_audio": RNG.normal(size=(3, spec.AUDIO)).astype("f"),
}
SIZES = {name: rows.shape[1] for name, rows in VIDEOS.items()}


def features(normalize):
    named = inputs.named(SIZES)
    return keras.Model(named, inputs.joined(named, normalize))


def test_the_eigenvalues_are_those_of_the_public_pca():
    assert (
        hashlib.sha256(normalization.EIGENVALUES.read_bytes()).hexdigest() == normalization.DIGEST
    )
    values = np.load(normalization.EIGENVALUES)
    assert values.shape == (spec.RGB,)
    np.testing.assert_allclose(
        values[[0, 1, 2, -1]], [14.738506, 8.340394, 7.033165, 0.015358], 1e-4
    )
    assert (np.diff(values) <= 0).all()


def test_videos_are_unwhitened_then_scaled_by_their_sizes():
    x = np.asarray(features("unwhiten_each")(VIDEOS))
    rgb = VIDEOS["mean_rgb"] * np.sqrt(np.load(normalization.EIGENVALUES) + 1e-4)
    for part, unscaled, size in (
        (x[:, :1024], rgb, 1024),
        (x[:, 1024:], VIDEOS["mean_audio"], 128),
    ):
        lengths = np.linalg.norm(unscaled, axis=1, keepdims=True)
        np.testing.assert_allclose(part, unscaled / lengths * np.sqrt(size), rtol=1e-4, atol=1e-6)


def test_rgb_may_be_unwhitened_in_part():
    x = np.asarray(features("part_unwhiten_each")(VIDEOS))
    rgb = VIDEOS["mean_rgb"] * (np.load(normalization.EIGENVALUES) + 1e-4) ** 0.3
    lengths = np.linalg.norm(rgb, axis=1, keepdims=True)
    np.testing.assert_allclose(x[:, :1024], rgb / lengths * 32, rtol=1e-4, atol=1e-6)
    assert np.array_equal(x[:, 1024:], np.asarray(features("unwhiten_each")(VIDEOS))[:, 1024:])


@pytest.mark.parametrize("name", ["unwhiten", "part_unwhiten"])
def test_the_same_may_have_the_length_that_each_gives_rgb(name):
    x, larger = (np.asarray(features(f"{name}_{length}")(VIDEOS)) for length in ("unit", "each"))
    np.testing.assert_allclose(x, larger / 32, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(x[:, :1024], axis=1), 1, rtol=1e-5)


def test_nextvlads_way_leaves_lengths_and_audio():
    x = np.asarray(features("unwhiten")(VIDEOS))
    deviations = np.sqrt(np.load(normalization.EIGENVALUES)) + 1e-4
    np.testing.assert_allclose(
        x[:, :1024], (VIDEOS["mean_rgb"] - 0.0078125) * deviations, 1e-4, 1e-6
    )
    assert np.array_equal(x[:, 1024:], VIDEOS["mean_audio"])


@pytest.mark.parametrize("normalize", UNWHITENING)
def test_it_is_saved_and_no_weight(normalize, tmp_path):
    model = features(normalize)
    assert not model.variables
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert np.array_equal(loaded(VIDEOS), model(VIDEOS))


@pytest.mark.parametrize("name", SCALED)
def test_audio_alone_is_only_scaled(name):
    named = inputs.named({"mean_audio": 128})
    x = keras.Model(named, inputs.joined(named, name))({"mean_audio": VIDEOS["mean_audio"]})
    assert np.array_equal(x, np.asarray(features(name)(VIDEOS))[:, 1024:])


@pytest.mark.parametrize("normalize", UNWHITENING)
@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("logistic", {"mean_rgb": 4, "mean_audio": 2}),
        ("logistic", {"words": 1024, "mean_rgb": 1024}),
        ("frame_logistic", {"audio_embedding": 128}),
        ("lstm", {"audio_embedding": 128}),
    ],
)
def test_features_without_eigenvalues_are_refused(normalize, model, sizes):
    sentence = (
        f"`normalize={normalize}` un-whitens rgb of 1024 values beside audio, but the features"
    )
    with pytest.raises(Exception, match=sentence) as error:
        configured.build(model, sizes, 5, f"normalize={normalize}")
    assert isinstance(error.value.__cause__, InputError)
