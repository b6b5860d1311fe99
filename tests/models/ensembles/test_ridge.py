import keras
import numpy as np
import pytest

from yt8m_exp.models.ensembles import compact, ridge
from yt8m_exp.models.ensembles.ridge import Fit
from yt8m_exp.spec import InputError

CLASSES = 5
FIT = Fit(width=1.0, ridge=0.1, normalize="each")


@pytest.fixture(scope="module")
def known():
    rng = np.random.default_rng(0)
    features = {"mean_rgb": rng.normal(size=(40, 6)), "mean_audio": rng.normal(size=(40, 3))}
    labels = np.sort(rng.integers(-1, CLASSES, (40, 2)), axis=1)
    labels[labels[:, 0] == labels[:, 1], 0] = -1
    return {name: x.astype(np.float32) for name, x in features.items()}, labels.astype(np.int32)


def by_hand(features, labels, videos):
    """The regression in float64, on vectors that are not rounded."""

    def vectors(rows):
        parts = [rows[name] for name in ("mean_rgb", "mean_audio")]
        return np.hstack([x / np.linalg.norm(x, axis=1, keepdims=True) for x in parts])

    x, z = vectors(features).astype(float), vectors(videos).astype(float)
    targets = np.array([[c in row for c in range(CLASSES)] for row in labels], float)

    def distances(a, b):
        return np.square(a[:, None] - b).sum(axis=2)

    apart = distances(x, x)
    scale = 2 * np.median(apart[apart > 1e-6])
    matrix = np.exp(-apart / scale) + 0.1 * np.eye(len(x))
    coefficients = np.linalg.solve(matrix, targets - targets.mean(axis=0))
    values = np.exp(-distances(z, x) / scale) @ coefficients + targets.mean(axis=0)
    return np.clip(values, 0, 1)


def test_it_is_the_regression_of_its_formula(known):
    rng = np.random.default_rng(1)
    videos = {"mean_rgb": rng.normal(size=(9, 6)), "mean_audio": rng.normal(size=(9, 3))}
    model = ridge.build(*known, CLASSES, fit=FIT)
    # Vectors are kept in 127 steps, so that values differ by a few hundredths.
    np.testing.assert_allclose(model(videos), by_hand(*known, videos), atol=0.03)


def test_a_small_penalty_repeats_the_labels_of_known_videos(known):
    features, labels = known
    found = np.asarray(ridge.build(features, labels, CLASSES, fit=Fit(0.3, 1e-4, "each"))(features))
    for row, own in zip(found, labels, strict=True):
        assert sorted(np.flatnonzero(row > 0.5)) == sorted(own[own >= 0])


def test_it_is_saved_and_its_coefficients_are_never_rounded(known, tmp_path):
    features, labels = known
    model = ridge.build(features, labels, CLASSES, fit=FIT)
    small = compact.build(model, "int8")
    small.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(features), model(features), atol=1e-6)
    assert not model.trainable_variables


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [((0.0, 0.1, "each"), "`width > 0` and `ridge > 0`"), ((1, 0, "each"), "`width > 0`")],
)
def test_a_fit_out_of_its_range_is_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        Fit(*settings)


def test_too_few_or_too_many_known_videos_are_refused(known, monkeypatch):
    features, labels = known
    with pytest.raises(InputError, match="but got 1"):
        ridge.build({name: x[:1] for name, x in features.items()}, labels[:1], CLASSES, fit=FIT)
    monkeypatch.setattr(ridge, "MOST", 39)
    with pytest.raises(InputError, match="`2 <= videos <= 39`"):
        ridge.build(features, labels, CLASSES, fit=FIT)
