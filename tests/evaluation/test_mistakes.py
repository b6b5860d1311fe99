from dataclasses import replace

import numpy as np
import pytest

from yt8m_exp.evaluation import mistakes
from yt8m_exp.evaluation.precision import average_precision
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.sample import Predicted

RNG = np.random.default_rng(0)
CLASSES = 30


def predicted(class_ids, labels, scores=None, frames=None):
    class_ids = np.array(class_ids, np.int32)
    width = max(map(len, labels))
    padded = [[-1] * (width - len(row)) + sorted(row) for row in labels]
    if scores is None:
        scores = np.tile(np.linspace(0.9, 0.1, class_ids.shape[1]), (len(class_ids), 1))
    ids = np.array([b"%d" % n for n in range(len(class_ids))], object)
    frames = None if frames is None else np.array(frames, np.int32)
    labels = np.array(padded, np.int32).reshape(len(ids), width)
    return Predicted(ids, class_ids, np.array(scores, np.float32), labels, frames, len(ids))


def drawn(videos=400):
    """Predictions that are right more often than not; some videos have no label."""
    order = np.argsort(RNG.random((videos, CLASSES)), axis=1)[:, :20]
    scores = -np.sort(-RNG.random((videos, 20)).round(2))
    labels = [
        RNG.permutation(np.append(row[:4], RNG.integers(CLASSES)))[: RNG.integers(0, 5)]
        for row in order
    ]
    return predicted(order, [np.unique(row).tolist() for row in labels], scores)


def gap(found, used):
    """GAP of some videos, by the ranking of an evaluation."""
    ranking = Ranking(CLASSES, top_k=20)
    ranking.update(found.scores[used], found.class_ids[used], found.labels[used])
    return ranking.result().gap


def pooled_gap(found, used):
    """GAP of some predictions, in a loop; all labels of their classes count."""
    ranked = sorted(zip(found.scores[used].round(6), ~found.hits[used], strict=True), reverse=True)
    scores, hits = np.array(ranked).T
    hits = 1 - hits
    positives = np.isin(found.labels, found.class_ids[used]).sum()
    return average_precision(scores, hits) * hits.sum() / positives


def test_average_precision_is_worked_by_hand():
    found = predicted([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]], [[1, 3], [9], []])
    ap = mistakes.average_precision(found)
    assert ap[:2].tolist() == [(1 + 2 / 3) / 2, 0]
    assert np.isnan(ap[2])


def test_the_worst_video_comes_first_and_of_equal_ones_the_surest_mistake():
    scores = [[0.9, 0.1], [0.3, 0.2], [0.8, 0.7], [0.5, 0.1]]
    found = predicted([[1, 2]] * 4, [[1], [9], [9], []], scores)
    assert mistakes.order(found).tolist() == [2, 1, 0, 3]


def test_without_labels_the_least_sure_video_comes_first():
    found = predicted([[1, 2]] * 3, [[]] * 3, [[0.9, 0.1], [0.3, 0.2], [0.8, 0.7]])
    assert mistakes.order(found).tolist() == [1, 2, 0]


def test_a_confusion_is_a_missed_class_with_one_among_the_first_that_is_wrong():
    found = predicted([[1, 2, 3], [1, 2, 3], [4, 1, 2]], [[2, 9], [9], [4]])
    pairs = mistakes.confusions(found)
    rows = list(zip(pairs.missed, pairs.instead, pairs.videos, strict=True))
    assert rows == [(9, 1, 2)]  # of the first video, 2 is among the first two; the third is right
    assert pairs.lift.tolist() == [1.0]


def test_confusions_are_those_of_a_loop_over_videos():
    found = drawn()
    counts = {}
    for class_ids, labels in zip(found.class_ids, found.labels, strict=True):
        right = set(labels[labels >= 0].tolist())
        first = class_ids[: len(right)].tolist()
        for missed in right - set(first):
            for instead in set(first) - right:
                counts[missed, instead] = counts.get((missed, instead), 0) + 1
    pairs = mistakes.confusions(found)
    assert dict(zip(zip(*pairs[:2], strict=True), pairs.videos, strict=True)) == counts
    assert pairs.videos.tolist() == sorted(pairs.videos, reverse=True)
    assert len(mistakes.confusions(found, most=3).missed) == 3
    often = mistakes.confusions(found, least=2)
    assert often.videos.tolist() == [videos for videos in pairs.videos if videos >= 2]


def test_gap_by_labels_is_that_of_the_videos_with_as_many():
    found = drawn()
    counts = (found.labels >= 0).sum(axis=1)
    bins = mistakes.by_labels(found)
    assert [part.first for part in bins] == [1, 2, 3, 4]
    for part in bins:
        assert part.size == (counts == part.first).sum()
        assert part.gap == pytest.approx(gap(found, counts == part.first), abs=1e-6)


def test_gap_by_frames_is_that_of_the_videos_of_this_length():
    found = drawn()
    assert mistakes.by_frames(found) == []
    frames = RNG.integers(1, 301, len(found.ids)).astype(np.int32)
    bins = mistakes.by_frames(replace(found, frames=frames))
    assert sum(part.size for part in bins) == 400
    last = bins[-1]
    assert (last.first, last.last) == (300, None)
    assert bins[0].last == 59
    assert bins[0].gap == pytest.approx(gap(found, frames < 60), abs=1e-6)


def test_gap_by_frequency_is_over_the_predictions_of_these_classes():
    found = drawn()
    frequency = np.where(np.arange(CLASSES) < 10, 50, 5000)
    few, many = mistakes.by_frequency(found, frequency)
    assert (few.first, few.last, few.size) == (30, 99, 10)
    assert (many.first, many.last, many.size) == (3000, 9999, 20)
    assert few.gap == pytest.approx(pooled_gap(found, found.class_ids < 10), abs=1e-6)


def test_a_pass_without_videos_has_no_mistakes():
    none = drawn().take(np.arange(0))
    assert mistakes.order(none).size == mistakes.confusions(none).videos.size == 0
    assert mistakes.by_labels(none) == mistakes.by_frequency(none, np.ones(CLASSES)) == []
