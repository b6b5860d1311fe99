import numpy as np
import pytest

from yt8m_exp.evaluation import selection
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.top_k import top_k

CLASSES, VIDEOS = 60, 400


def mean(scores, weights):
    return scores @ weights


@pytest.fixture(scope="module")
def labelled():
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(-1, CLASSES, (VIDEOS, 3)), axis=1).astype(np.int32)
    labels[:, 1:][labels[:, 1:] == labels[:, :-1]] = -1
    truth = np.zeros((VIDEOS, CLASSES))
    for row, own in enumerate(labels):
        truth[row, own[own >= 0]] = 1

    def member(noise):
        return np.clip(0.5 * truth + noise * rng.random(truth.shape), 0, 1).astype(np.float32)

    return labels, np.stack([member(0.6), member(0.6), np.float32(rng.random(truth.shape))], -1)


@pytest.fixture(scope="module")
def candidates(labelled):
    labels, predictions = labelled
    batches = [{"labels": labels[:300], "rows": 0}, {"labels": labels[300:], "rows": 300}]
    return selection.gathered(
        lambda batch: predictions[batch["rows"] :][: len(batch["labels"])], batches
    )


def gap(labelled, weights):
    labels, predictions = labelled
    ranking = Ranking(CLASSES)
    mixed = (predictions @ np.array(weights)).astype(np.float32)
    ranking.update(*top_k(mixed, 20), labels)
    return ranking.result().gap


def test_equal_weights_have_the_gap_of_the_mean(labelled, candidates):
    found = selection.select(candidates, mean)
    assert found.gap_equal == pytest.approx(gap(labelled, [1 / 3] * 3), abs=1e-6)


def test_a_member_of_noise_is_left_out_and_the_others_count_alike(labelled, candidates):
    found = selection.select(candidates, mean)
    assert sum(found.weights) == pytest.approx(1)
    assert found.weights[2] < 0.05
    assert min(found.weights[:2]) > 0.3
    assert found.gap > found.gap_equal + 0.02
    assert gap(labelled, found.weights) == pytest.approx(found.gap, abs=1e-3)
