import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp import spec
from yt8m_exp.models import frames
from yt8m_exp.models.ensembles import ensemble
from yt8m_exp.models.ensembles.ensemble import WeightedMean
from yt8m_exp.spec import InputError

CLASSES = 7


@pytest.fixture(scope="module")
def by_video():
    return configured.build_small(
        "moe", {"mean_rgb": 8, "mean_audio": 4}, CLASSES, "normalize=each"
    )


@pytest.fixture(scope="module")
def by_frame():
    return configured.build_small("gru", {"rgb": 8, "audio": 4}, CLASSES, "normalize=each")


@pytest.fixture(scope="module")
def videos():
    rng = np.random.default_rng(0)
    parts = {"rgb": (4, 6, 8), "audio": (4, 6, 4)}
    made = {name: rng.integers(0, 256, shape, np.uint8) for name, shape in parts.items()}
    return made | {"frames": np.array([6, 3, 1, 0], np.int32)}


def means(videos):
    """The video-level features of frames, by NumPy."""
    found = {}
    for name in ("rgb", "audio"):
        numbers = videos[name] * (4 / 255) + (4 / 512 - 2)
        kept = [n[:count] for n, count in zip(numbers, videos["frames"], strict=True)]
        rows = [n.mean(axis=0) if len(n) else np.zeros(n.shape[1]) for n in kept]
        found[f"mean_{name}"] = np.array(rows, np.float32)
    return found


def predictions(by_video, by_frame, videos):
    return np.asarray(by_video(means(videos))), np.asarray(by_frame(videos))


@pytest.mark.parametrize("mean", ["logits", "probabilities"])
def test_members_of_both_levels_are_averaged(by_video, by_frame, videos, mean):
    one, other = predictions(by_video, by_frame, videos)
    expected = 0.3 * one + 0.7 * other
    if mean == "logits":
        odds = (one / (1 - one)) ** 0.3 * (other / (1 - other)) ** 0.7
        expected = odds / (1 + odds)
    both = ensemble.build([by_video, by_frame], [0.3, 0.7], mean=mean)
    assert list(both.input) == ["rgb", "audio", "frames"]
    np.testing.assert_allclose(both(videos), expected, rtol=1e-4, atol=1e-6)


def test_the_same_model_may_be_a_member_twice_and_an_ensemble_too(by_video, by_frame, videos):
    twice = ensemble.build([by_video, by_video], [0.5, 0.5], mean="probabilities")
    nested = ensemble.build([twice, by_frame], [0.5, 0.5], mean="probabilities")
    one, other = predictions(by_video, by_frame, videos)
    np.testing.assert_allclose(nested(videos), (one + other) / 2, rtol=1e-5, atol=1e-7)


def test_it_is_saved_in_one_file(by_video, by_frame, videos, tmp_path):
    both = ensemble.build([by_video, by_frame], [0.3, 0.7], mean="logits")
    both.save(tmp_path / "both.keras")
    loaded = keras.saving.load_model(tmp_path / "both.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(videos), both(videos))


def test_an_ensemble_of_means_takes_means(by_video, videos):
    twice = ensemble.build([by_video, by_video], [0.5, 0.5], mean="probabilities")
    assert list(twice.input) == ["mean_rgb", "mean_audio"]
    np.testing.assert_allclose(twice(means(videos)), by_video(means(videos)), rtol=1e-6)


def test_it_takes_as_many_frames_as_its_members(by_video, by_frame):
    assert frames.max_frames(by_frame) == 16
    alone = ensemble.build([by_frame, by_frame], [0.5, 0.5], mean="logits")
    assert frames.max_frames(alone) == 16
    both = ensemble.build([by_video, by_frame], [0.5, 0.5], mean="logits")
    assert frames.max_frames(both) == spec.MAX_FRAMES


def test_certain_members_leave_no_infinity():
    certain = [np.array([[0.0, 1.0]], np.float32), np.array([[0.0, 0.0]], np.float32)]
    mixed = np.asarray(WeightedMean([0.5, 0.5], "logits")(certain))
    assert np.isfinite(mixed).all()
    assert mixed[0, 0] < mixed[0, 1] < 0.5


def test_members_that_disagree_are_refused(by_video):
    other = configured.build_small(
        "moe", {"mean_rgb": 8, "mean_audio": 4}, CLASSES + 1, "normalize=each"
    )
    with pytest.raises(InputError, match=r"the same classes, but got \[7, 8\]"):
        ensemble.build([by_video, other], [0.5, 0.5], mean="logits")
    other = configured.build_small(
        "moe", {"mean_rgb": 9, "mean_audio": 4}, CLASSES, "normalize=each"
    )
    with pytest.raises(InputError, match="mean_rgb has 8 and 9"):
        ensemble.build([by_video, other], [0.5, 0.5], mean="logits")
    with pytest.raises(InputError, match="with a sum of 1"):
        ensemble.build([by_video, by_video], [0.5, 0.6], mean="logits")
