import numpy as np
import pytest

from yt8m_exp.models.batch_norm import BatchNorm

X = np.random.default_rng(0).normal(3, 2, (2, 5, 4)).astype("f")
WEIGHTS = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)


@pytest.mark.parametrize("unbiased", [True, False])
def test_rows_that_count_are_normalised_and_averaged(unbiased):
    norm = BatchNorm(decay=0.5, unbiased=unbiased)
    found = np.array(norm(X, WEIGHTS, training=True))
    rows = X[WEIGHTS]
    expected = (X - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-3)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(norm.moving_mean, rows.mean(axis=0) / 2, rtol=1e-5)
    variance = rows.var(axis=0, ddof=1 if unbiased else 0)
    np.testing.assert_allclose(norm.moving_variance, (1 + variance) / 2, rtol=1e-4)


def test_a_frozen_norm_keeps_to_its_averages():
    norm = BatchNorm()
    inferred = np.array(norm(X))
    norm.trainable = False
    assert np.array_equal(norm(X, training=True), inferred)
    assert (np.array(norm.moving_mean) == 0).all()
