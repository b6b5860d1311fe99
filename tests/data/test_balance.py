import numpy as np
import pytest

from yt8m_exp.data import balance
from yt8m_exp.data.videos import Videos


def made(*labels):
    splits = np.cumsum([0, *map(len, labels)])
    flat = np.array([label for row in labels for label in row], np.int32)
    ids = np.array([b"%d" % number for number in range(len(labels))], object)
    rows = np.arange(len(labels))
    return Videos(ids, {}, flat, splits, rows >= 0, rows)


FOUR = made([0], [0], [0, 1], [])


def test_a_video_counts_by_its_rarest_label():
    assert balance.rarest(FOUR).tolist() == [3, 3, 1, 3]


def test_only_classes_that_are_present_in_a_segment_count():
    present = np.array([1, 0, 1, 0], np.int32)
    assert balance.rarest(FOUR._replace(present=present)).tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(("power", "expected"), [(0, [1, 1, 1, 1]), (1, [2 / 3, 2 / 3, 2, 2 / 3])])
def test_videos_are_drawn_as_often_as_expected(power, expected):
    draws = [balance.drawn(FOUR, power, np.random.default_rng(seed)) for seed in range(600)]
    counts = np.stack([np.bincount(rows, minlength=4) for rows in draws])
    assert (np.abs(counts - expected) < 1).all()
    np.testing.assert_allclose(counts.mean(axis=0), expected, atol=0.07)
    assert len({tuple(rows) for rows in draws}) > 10


def test_a_draw_is_a_function_of_its_generator():
    one, other = (balance.drawn(FOUR, 0.5, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one, other)
