import keras
import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured
from yt8m_exp import spec
from yt8m_exp.models.frames import Dequantize

FEATURES = {"rgb": 4, "audio": 3}
FRAMES = np.array([6, 2, 1, 0], np.int32)


@pytest.fixture
def videos():
    rng = np.random.default_rng(0)
    parts = {name: rng.integers(0, 256, (4, 6, size), np.uint8) for name, size in FEATURES.items()}
    return parts | {"frames": FRAMES}


def statistics(videos, *words):
    model = configured.build("frame_statistics", FEATURES, 5, *words)
    inside = keras.Model(model.input, model.get_layer("statistics").output)
    return np.asarray(inside(videos))


def by_hand(videos, video, top):
    """Means, deviations and largest values of a video, rgb before audio in each."""
    count = FRAMES[video]
    parts = [videos[name][video, :count] * spec.BYTE_SCALE + spec.BYTE_OFFSET for name in FEATURES]
    if not count:
        return [np.zeros(size) for _ in range(2 + top) for size in FEATURES.values()]
    ranked = [np.sort(part, axis=0)[::-1] for part in parts]
    ranks = [rows[min(rank, count - 1)] for rank in range(top) for rows in ranked]
    return [part.mean(axis=0) for part in parts] + [part.std(axis=0) for part in parts] + ranks


def test_they_are_those_worked_by_numpy(videos):
    found = statistics(videos, "normalize=none", "top=3")
    for video, count in enumerate(FRAMES):
        expected = np.concatenate([*by_hand(videos, video, 3), [(count - 151) / 300]])
        np.testing.assert_allclose(found[video], expected, atol=1e-5)


def test_each_statistic_of_each_feature_or_all_together_have_length_one(videos):
    each = statistics(videos, "top=2", "count=false")[0]
    sizes = [4, 3] * 4
    lengths = [np.linalg.norm(part) for part in np.split(each, np.cumsum(sizes)[:-1])]
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    joint = statistics(videos, "normalize=joint", "top=2", "count=false")
    np.testing.assert_allclose(np.linalg.norm(joint, axis=1), [1, 1, 1, 0], rtol=1e-5)


def test_un_whitened_statistics_are_those_of_un_whitened_frames():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (1, 6, spec.RGB), np.uint8)
    words = ("normalize=unwhiten", "top=0", "count=false")
    model = configured.build("frame_statistics", {"rgb": spec.RGB}, 5, *words)
    inside = keras.Model(model.input, model.get_layer("statistics").output)
    frames = np.array([6], np.int32)
    x = np.asarray(Dequantize("unwhiten")([rgb], frames))[0]
    expected = np.concatenate([x.mean(axis=0), x.std(axis=0)])
    np.testing.assert_allclose(inside({"rgb": rgb, "frames": frames})[0], expected, atol=1e-5)


def test_they_are_as_many_as_are_chosen(videos):
    chosen = {
        ("std=false", "top=0", "count=false"): 7,
        ("std=true", "top=0", "count=true"): 15,
        ("std=false", "top=5", "count=false"): 42,
    }
    for words, size in chosen.items():
        assert statistics(videos, *words).shape == (4, size)


def test_a_negative_number_of_largest_values_is_refused():
    with pytest.raises(InstantiationException, match="`top >= 0` must hold, but got top=-1"):
        configured.build("frame_statistics", FEATURES, 5, "top=-1")
