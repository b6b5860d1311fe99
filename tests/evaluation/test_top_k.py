import numpy as np
import pytest
import tensorflow as tf

from yt8m_exp.evaluation.top_k import top_k


@pytest.mark.parametrize("k", [1, 20, 64, 200, 300])
@pytest.mark.parametrize("levels", [2, 30, 1 << 24])  # few levels: many ties
def test_the_best_are_those_of_tensorflow(k, levels):
    rng = np.random.default_rng(k)
    scores = (rng.integers(0, levels, (50, 300)) / levels).astype(np.float32)
    expected = tf.math.top_k(scores, k)
    best, class_ids = top_k(scores, k)
    np.testing.assert_array_equal(best, expected.values)
    np.testing.assert_array_equal(class_ids, expected.indices)


@pytest.mark.parametrize("places", [[0], [7], [99], [3, 70], [0, 1, 2, 3]])
def test_nan_comes_first_wherever_it_stands(places):
    every = np.random.default_rng(0).random((1, 1000), np.float32)
    every[0, places] = np.nan
    assert top_k(every, 1000)[1][0, : len(places)].tolist() == places
    scores = np.random.default_rng(0).random((2, 100), np.float32)
    scores[1, places] = np.nan
    best, class_ids = top_k(scores, 3)
    np.testing.assert_array_equal(best[0], np.sort(scores[0])[:-4:-1])
    found = min(len(places), 3)
    assert class_ids[1, :found].tolist() == places[:found]
    assert np.isnan(best[1, :found]).all()
    np.testing.assert_array_equal(
        best[1, found:], np.sort(np.delete(scores[1], places))[::-1][: 3 - found]
    )
