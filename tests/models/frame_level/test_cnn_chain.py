import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp.models.auxiliary import supervised

COUNT = np.array([5, 2, 1], np.int32)


def built(*words):
    return configured.build("cnn_chain", {"x": 4}, 3, "units=2", "head.units=2", *words)


def answers(model, x, stage, padded):
    """The largest answers of filters, worked by NumPy: each sees its frame, then those before."""
    found = []
    for length in (1, 2, 3):
        kernel = model.get_layer(f"stage_{stage}_filters_{length}").kernel.numpy()[::-1]
        before = [np.pad(x, ((0, 0), (n, 0), (0, 0)))[:, : x.shape[1]] for n in range(length)]
        found.append(np.einsum("lbtd,ldk->btk", before, kernel))
    found = np.concatenate(found, axis=-1)
    rows = [video[: x.shape[1] if padded else n] for video, n in zip(found, COUNT, strict=True)]
    largest = np.stack([video.max(axis=0) for video in rows])
    return largest / np.linalg.norm(largest, axis=1, keepdims=True)


@pytest.mark.parametrize("padded", [False, True])
def test_a_stage_sees_the_largest_answers_of_its_own_filters(padded):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 5, 4), np.uint8)
    model = built(f"padded={padded}")
    features = model.get_layer("features").output
    seen = [model.get_layer(f"stage_{n}_answers").output for n in (0, 1)]
    rows, *found = keras.Model(model.input, [features, *seen])({"x": x, "frames": COUNT})
    for stage in (0, 1):
        expected = answers(model, np.asarray(rows), stage, padded)
        np.testing.assert_allclose(found[stage], expected, atol=1e-5)


def test_stages_see_the_mean_answers_its_summary_and_the_stages_before():
    model = built("head.stages=3")
    names = [*(f"stage_{n}_experts" for n in range(3)), "experts"]
    widths = [model.get_layer(name).kernel.shape[0] for name in names]
    assert widths == [8, 4 + 8 + 2 + 2, 4 + 8 + 2 + 4, 4 + 8 + 2 + 6]
    assert supervised(model).weights == [0.95, 0.05, 0.05, 0.05]


def test_another_head_sees_what_a_later_stage_does():
    model = configured.build("cnn_chain", {"x": 4}, 3, "units=2", "head=logistic")
    assert model.get_layer("classifier").kernel.shape == (4 + 8 + 2, 3)
