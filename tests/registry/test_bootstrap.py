import numpy as np
import pytest

from benchmarks.promotion import CLASSES, measured, repeated, simulated, true_gain
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.registry import bootstrap
from yt8m_exp.registry.bootstrap import Predictions, Ranked


@pytest.fixture(scope="module")
def pair():
    return simulated(np.random.default_rng(0), 300, 0.3)


def ranked(predictions: Predictions, rows) -> Ranking:
    ranking = Ranking(CLASSES)
    ranking.update(predictions.scores[rows], predictions.class_ids[rows], predictions.labels[rows])
    return ranking


def rounded(predictions: Predictions, digits: int) -> Predictions:
    return Predictions(
        np.round(predictions.scores, digits), predictions.class_ids, predictions.labels
    )


def test_each_video_once_gives_gap_and_average_precision(pair):
    for predictions in pair:
        metrics, once = measured(predictions).ranked, np.ones(300, int)
        assert bootstrap.gap(predictions, once) == pytest.approx(metrics.gap, abs=1e-12)
        sums = Ranked(predictions, np.arange(CLASSES)).precision_sums(once)
        np.testing.assert_allclose(sums / metrics.positives, metrics.ap, atol=1e-12)


def test_a_draw_counts_as_if_its_videos_were_repeated(pair):
    rows = np.random.default_rng(1).integers(0, 300, 300)
    weights = np.bincount(rows, minlength=300)
    metrics = ranked(pair[0], rows).result()
    assert bootstrap.gap(pair[0], weights) == pytest.approx(metrics.gap, abs=1e-5)
    sums = Ranked(pair[0], np.arange(CLASSES)).precision_sums(weights)
    np.testing.assert_allclose(sums / metrics.positives, metrics.ap, atol=1e-2)


def test_ties_count_as_the_metrics_have_them(pair):
    tied = rounded(pair[0], 2)
    assert bootstrap.gap(tied, np.ones(300, int)) == pytest.approx(
        measured(tied).ranked.gap, abs=5e-4
    )


def test_neither_the_order_of_videos_nor_of_ties_matters(pair):
    tied, order = rounded(pair[0], 1), np.random.default_rng(0).permutation(300)
    turned = Predictions(tied.scores[order], tied.class_ids[order], tied.labels[order])
    weights = np.random.default_rng(1).integers(0, 4, 300)
    assert bootstrap.gap(turned, weights[order]) == pytest.approx(bootstrap.gap(tied, weights))


def test_worked_by_hand():
    predictions = Predictions(
        np.array([[0.9, 0.5], [0.8, 0.1]], np.float32),
        np.array([[1, 2], [3, 1]], np.int32),
        np.array([[2], [3]], np.int32),
    )
    # 0.9 miss, 0.8 hit (1/2), 0.5 hit (2/3), of two positives
    assert bootstrap.gap(predictions, np.array([1, 1])) == pytest.approx((1 / 2 + 2 / 3) / 2)
    # The second video alone: 0.8 hit, 0.1 miss.
    assert bootstrap.gap(predictions, np.array([0, 1])) == 1
    assert bootstrap.gap(predictions, np.array([0, 0])) == 0


def test_a_model_does_not_differ_from_itself(pair):
    draws = bootstrap.draw(pair[0], pair[0], classes=range(CLASSES), resamples=100)
    assert draws.interval() == (0, 0)
    assert not draws.ap_error.any()


def test_the_sides_of_a_comparison_are_mirrored(pair):
    first, second = bootstrap.draw(*pair, resamples=100), bootstrap.draw(*pair[::-1], resamples=100)
    np.testing.assert_array_equal(first.gap, -second.gap)
    assert first.interval(0.9) == pytest.approx([-end for end in second.interval(0.9)[::-1]])


def test_the_same_seed_gives_the_same_draws_and_another_others(pair):
    one, again, other = (
        bootstrap.draw(*pair, classes=[0, 3], resamples=100, seed=seed) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one.gap, again.gap)
    assert (one.gap != other.gap).any()


def test_a_higher_confidence_makes_a_wider_interval(pair):
    draws = bootstrap.draw(*pair, resamples=400)
    narrow, wide = draws.interval(0.5), draws.interval(0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_models_of_other_videos_are_not_compared(pair):
    others = Predictions(pair[1].scores, pair[1].class_ids, pair[1].labels[::-1])
    with pytest.raises(ValueError, match="must predict the same labelled videos"):
        bootstrap.draw(pair[0], others)


def test_classes_that_nobody_predicts_have_no_error(pair):
    labels = np.pad(pair[0].labels, ((0, 0), (1, 0)), constant_values=CLASSES)
    models = [Predictions(model.scores, model.class_ids, labels) for model in pair]
    draws = bootstrap.draw(*models, classes=[0, CLASSES], resamples=100)
    assert draws.ap_error[0] > 0
    assert draws.ap_error[1] == 0


@pytest.mark.slow
def test_the_interval_holds_a_known_difference_and_the_gate_lets_only_better_ones_pass():
    """What `benchmarks.promotion` shows in full, with room for the chance of few repetitions."""
    truth = true_gain(0.6, videos=50_000)
    better = repeated(0.6, range(40), videos=300, resamples=300)
    equal = repeated(0.0, range(40), videos=300, resamples=300)
    covered = [low <= truth <= high for _, (low, high), _ in better]
    covered += [low <= 0 <= high for _, (low, high), _ in equal]
    assert 70 <= sum(covered) <= 80  # 76 are expected; fewer than 70 are once in 90 tries
    assert sum(passed for *_, passed in equal) <= 4  # one is expected
    assert sum(passed for *_, passed in better) >= 39
