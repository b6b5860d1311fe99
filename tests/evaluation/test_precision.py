from fractions import Fraction

import numpy as np
import pytest

from yt8m_exp.evaluation.precision import best_f1, expected_sum, pack, precision_sums


def test_keys_rise_with_class_then_score_then_hit():
    scores = np.array([[0.0, 1e-30, 0.5, 0.5, 1.0, 0.25]], np.float32)
    class_ids = np.array([[3, 3, 3, 3, 3, 4]])
    keys = pack(scores, class_ids, np.array([[1, 0, 0, 1, 0, 0]], bool))
    assert (np.diff(keys.astype(object)) > 0).all()
    assert (keys >> 32).tolist() == class_ids[0].tolist()


def test_lists_do_not_touch_each_other():
    rng = np.random.default_rng(0)
    shape = (400, 5)
    scores = (rng.integers(0, 50, shape) / 50).astype(np.float32)
    class_ids, hits = np.tile(np.arange(5), (400, 1)), rng.random(shape) < 0.3
    keys = np.sort(pack(scores, class_ids, hits))
    together = precision_sums(keys, np.arange(400, 2001, 400))
    for c in range(5):
        alone = precision_sums(keys[400 * c : 400 * (c + 1)], np.array([400]))
        np.testing.assert_array_equal(together[:, [c]], alone)


def test_long_lists_are_summed_in_blocks_without_a_seam():
    rng = np.random.default_rng(0)
    scores = (rng.integers(0, 1000, (1, 600_000)) / 1000).astype(np.float32)
    hits = rng.random(scores.shape) < 0.6
    keys = np.sort(pack(scores, np.zeros(scores.shape, int), hits))
    right = (keys[::-1] & 1).astype(float)
    best = np.sum(right * np.cumsum(right) / np.arange(1, right.size + 1))
    mean, low, high = precision_sums(keys, np.array([keys.size]))[:, 0]
    assert high == pytest.approx(best, rel=1e-12)
    assert low < mean < high


@pytest.mark.parametrize("before", [0, 1, 31, 32, 1000, 20_000_000])
def test_the_closed_form_is_the_sum_to_the_last_digits(before):
    for size, hits, taken in (1, 1, 1), (2, 1, 2), (5, 3, 5), (40, 40, 40), (60, 7, 13):
        hits_before = before // 3
        terms = (
            Fraction(hits, size)
            * (hits_before + 1 + Fraction((i - 1) * (hits - 1), max(size - 1, 1)))
            / (before + i)
            for i in range(1, taken + 1)
        )
        arrays = (np.array([value]) for value in (hits, size, before, hits_before, taken))
        assert expected_sum(*arrays)[0] == pytest.approx(float(sum(terms)), rel=1e-13)


def test_the_threshold_of_a_class_is_that_of_its_best_f1():
    rng = np.random.default_rng(1)
    scores = rng.random((500, 4)).round(1).astype(np.float32)  # with ties
    hits = rng.random((500, 4)) < scores**2
    hits[:, 3] = False
    positives = hits.sum(axis=0) + np.array([0, 30, 0, 5])
    keys = np.sort(pack(scores, np.tile(np.arange(4), (500, 1)), hits))
    ends = np.searchsorted(keys, np.arange(1, 5, dtype=np.uint64) << 32)
    found = best_f1(keys, ends, positives)
    for row in range(3):
        f1 = {}
        for threshold in np.unique(scores[:, row]):
            taken = scores[:, row] >= threshold
            right = (hits[:, row] & taken).sum()
            f1[threshold] = 2 * right / (taken.sum() + positives[row])
        best = max(f1, key=f1.get)
        taken = scores[:, row] >= best
        assert found.threshold[row] == best
        assert found.precision[row] == hits[taken, row].mean()
        assert found.recall[row] == hits[taken, row].sum() / positives[row]
    assert np.isnan(found.threshold[3])  # no hit
