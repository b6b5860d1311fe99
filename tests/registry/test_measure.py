import numpy as np
import pytest

from yt8m_exp import spec
from yt8m_exp.evaluation import metrics, ranking
from yt8m_exp.evaluation.metrics import Evaluation
from yt8m_exp.evaluation.scoring import best
from yt8m_exp.registry import measure
from yt8m_exp.registry.bootstrap import Predictions

CLASSES = 50


def batches(sizes=(7, 5, 1), seed=0):
    rng = np.random.default_rng(seed)
    for size in sizes:
        width = int(rng.integers(1, 25))
        yield {
            "mean_rgb": rng.random((size, 4), np.float32),
            "labels": rng.integers(-1, CLASSES, (size, width)).astype(np.int32),
        }


def predict(batch):
    """Predicts by a fixed matrix, as a model would."""
    weights = np.random.default_rng(1).random((4, CLASSES), np.float32)
    return batch["mean_rgb"] @ weights / 4


def test_metrics_are_those_of_a_ranking_and_predictions_are_kept_in_order():
    done = []
    measured = measure.measure(predict, batches(), CLASSES, advance=done.append)
    whole = ranking.Ranking(CLASSES)
    for batch in batches():
        found = best(batch, predict(batch), CLASSES)
        whole.update(found.scores, found.class_ids, batch["labels"])
    expected = metrics.values(Evaluation(whole.result()))
    assert metrics.values(Evaluation(measured.ranked)) == expected
    assert done == [7, 12, 13]
    assert measured.predictions.scores.shape == (13, spec.TOP_K)
    batch = next(batches())
    first = best(batch, predict(batch), spec.TOP_K)
    np.testing.assert_array_equal(measured.predictions.class_ids[:7], first.class_ids)
    assert measured.latency_milliseconds > 0


def test_labels_of_all_widths_are_joined_and_each_is_kept_once():
    labels = measure.distinct([np.array([[3, 1, 3, -1]]), np.array([[-1], [2]])])
    assert [sorted(set(row.tolist()) - {-1}) for row in labels] == [[1, 3], [], [2]]
    assert (labels >= 0).sum(axis=1).tolist() == [2, 0, 1]


def test_latency_takes_seconds_at_the_most(monkeypatch):
    monkeypatch.setattr(measure, "REQUEST_SECONDS", 0.05)
    calls = []

    def slow(video):
        calls.append(video)
        end = measure.time.perf_counter() + 0.02
        while measure.time.perf_counter() < end:
            pass
        return np.zeros((1, CLASSES), np.float32)

    assert measure.latency(slow, {}) >= 20
    assert len(calls) < 10


def test_scores_that_are_shares_of_hits_are_calibrated():
    rng = np.random.default_rng(0)
    scores = np.sort(rng.random((5000, 20), np.float32), axis=1)[:, ::-1]
    ids = np.tile(np.arange(20, dtype=np.int32), (5000, 1))
    labels = np.where(rng.random(scores.shape) < scores, ids, -1)
    assert measure.calibration_error(Predictions(scores, ids, labels)) < 0.01
    assert measure.calibration_error(Predictions(scores / 2, ids, labels)) == pytest.approx(
        0.25, abs=0.01
    )


def test_calibration_worked_by_hand():
    predictions = Predictions(
        np.array([[0.75, 0.25]], np.float32), np.array([[4, 5]], np.int32), np.array([[4]])
    )
    assert measure.calibration_error(predictions) == pytest.approx((0.25 + 0.25) / 2)
