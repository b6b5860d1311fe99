import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from yt8m_exp.evaluation.precision import average_precision
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.top_k import top_k as best_of

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
SHARED = Path(__file__).parents[2].parent / "shared" / "golden" / "metrics"
CASES = sorted(path.name.removesuffix(".json") for path in GOLDEN.glob("*.*.json"))
UNTIED = [case for case in CASES if not case.startswith("ties")]


def padded(dense):
    """Label ids padded with -1, (B, L), of a dense (B, C)."""
    width = max(int(dense.sum(axis=1).max(initial=0)), 1)
    order = np.argsort(dense == 0, axis=1, kind="stable")[:, :width]
    return np.where(np.take_along_axis(dense, order, axis=1) > 0, order, -1).astype(np.int32)


def ranked(scores, dense, *, sizes=None, top_k=20):
    ranking = Ranking(scores.shape[1], top_k=top_k)
    ends = np.cumsum(sizes or [len(scores)])
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        labels = padded(dense[begin:end])
        width = max(top_k, labels.shape[1])
        ranking.update(*best_of(scores[begin:end], width), labels)
    return ranking


def made_up(*, videos=60, classes=40, levels=None, seed=0):
    """Scores, on a few `levels` so that they tie, and labels that they tell something about."""
    rng = np.random.default_rng(seed)
    scores = rng.random((videos, classes), dtype=np.float32)
    dense = rng.random(scores.shape) < 0.2 * scores**2
    if levels:
        scores = np.floor(scores * levels) / np.float32(levels)
    return scores, dense


def assert_equal(one, other):
    for name, value in vars(one).items():
        assert np.array_equal(value, vars(other)[name], equal_nan=True), name


def slow_ap(scores, hits):
    """Sum of precisions over the average of all orders of tied scores, by definition."""
    sums = []
    for order in permutations(range(len(scores))):
        if np.all(np.diff(np.asarray(scores)[list(order)]) <= 0):
            right = np.asarray(hits)[list(order)]
            sums.append(np.sum(right * np.cumsum(right) / np.arange(1, len(right) + 1)))
    return np.mean(sums), np.min(sums), np.max(sums)


def slow_metrics(scores, dense, top_k):
    """The definitions in loops, for scores without ties."""
    pool, by_class, right, perr = [], [[] for _ in dense[0]], 0, 0.0
    for video, labels in zip(scores, dense, strict=True):
        order = sorted(range(len(video)), key=lambda class_id: -video[class_id])
        right += labels[order[0]]
        count = labels.sum()
        perr += sum(labels[c] and video[c] > 0 for c in order[:count]) / max(count, 1)
        for c in order[:top_k]:
            pool.append((video[c], labels[c]))
            by_class[c].append((video[c], labels[c]))

    def summed(pairs):
        found = 0
        total = 0.0
        for rank, (_, hit) in enumerate(sorted(pairs, key=lambda pair: -pair[0]), 1):
            found += hit
            total += hit * found / rank
        return total

    positives = dense.sum(axis=0)
    aps = [summed(p) / n for p, n in zip(by_class, positives, strict=True) if n]
    return summed(pool) / dense.sum(), right / len(scores), perr / len(scores), np.mean(aps)


@pytest.fixture(params=CASES)
def golden(request):
    arrays = np.load(GOLDEN / f"{request.param.split('.')[0]}.npz")
    expected = json.loads((GOLDEN / f"{request.param}.json").read_text())
    return arrays["predictions"], arrays["labels"], expected, request.param


def test_golden_copies_are_the_reference_values():
    if not SHARED.is_dir():
        pytest.skip("The reference values are not beside the checkout; the copies are used.")
    for path in GOLDEN.iterdir():
        assert path.read_bytes() == (SHARED / path.name).read_bytes(), path.name


@pytest.mark.parametrize("split", ["one_batch", "batched"])
def test_golden_metrics(golden, split):
    scores, labels, expected, case = golden
    metrics = ranked(scores, labels, sizes=expected[split]["batch_sizes"]).result()
    assert metrics.hit_at_1 == pytest.approx(expected["hit_at_one"], abs=1e-12)
    assert metrics.videos_without_labels == expected["videos_without_labels"]
    assert metrics.classes_with_positives == labels.shape[1] - expected["classes_without_positives"]
    np.testing.assert_array_equal(metrics.positives, expected[split]["num_positives_by_class"])
    low, high = expected["gap20_tie_bounds"]
    assert low - 1e-12 <= metrics.gap <= high + 1e-12
    if case in UNTIED:
        assert (metrics.gap_low, metrics.gap_high) == pytest.approx((low, high), abs=1e-12)
        assert metrics.gap == pytest.approx(expected["gap"]["20"], abs=1e-12)
        assert metrics.perr == pytest.approx(expected["perr"], abs=1e-12)
        aps = np.array(expected[split]["ap_by_class"], float)
        np.testing.assert_allclose(metrics.ap, aps, atol=1e-12)
        mean = metrics.map if "head" in case else metrics.map_2017
        assert mean == pytest.approx(expected[split]["mean_ap_reported"], abs=1e-12)
    else:  # the starter code also cuts a video's list at random within a tie
        assert metrics.gap_low < metrics.gap < metrics.gap_high


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("case", UNTIED)
def test_golden_gap_at_k(case, k):
    arrays = np.load(GOLDEN / f"{case.split('.')[0]}.npz")
    expected = json.loads((GOLDEN / f"{case}.json").read_text())
    metrics = ranked(arrays["predictions"], arrays["labels"], top_k=k).result()
    assert metrics.gap == pytest.approx(expected["gap"][str(k)], abs=1e-12)
    if k == 5:
        aps = np.array(expected["one_batch_top_k5"]["ap_by_class"], float)
        np.testing.assert_allclose(metrics.ap, aps, atol=1e-12)


@pytest.mark.parametrize("case", [case for case in UNTIED if "head" in case])
def test_golden_average_precision_at_n(case):
    arrays = np.load(GOLDEN / f"{case.split('.')[0]}.npz")
    expected = json.loads((GOLDEN / f"{case}.json").read_text())["one_batch_top_n10"]
    ranking = ranked(arrays["predictions"], arrays["labels"])
    found = ranking.result(top_n=[10, 10_000])
    np.testing.assert_allclose(found.ap_at[0], np.array(expected["ap_by_class"], float), atol=1e-12)
    assert found.map_at(10) == pytest.approx(expected["mean_ap_reported"], abs=1e-12)
    assert found.map_at(10_000) == pytest.approx(found.map, abs=1e-12)
    assert found.gap == ranking.result().gap == pytest.approx(expected["gap"], abs=1e-12)


def test_golden_average_precision_examples():
    for example in json.loads((GOLDEN / "ap_examples.json").read_text()):
        value = average_precision(
            example["predictions"],
            example["actuals"],
            n=example["n"],
            positives=example["total_num_positives"],
        )
        assert value == pytest.approx(example["ap"], abs=1e-12)


@pytest.mark.parametrize("case", ["tiny.head", "mid.head", "mid.seed"])
def test_golden_average_precision_of_a_class(case):
    arrays = np.load(GOLDEN / f"{case.split('.')[0]}.npz")
    expected = json.loads((GOLDEN / f"{case}.json").read_text())
    column = arrays["predictions"][:, 0], arrays["labels"][:, 0]
    for n, value in expected["ap_calculator_class0"].items():
        n = None if n == "None" else int(n)
        assert average_precision(*column, n=n) == pytest.approx(value, abs=1e-12)
    value = average_precision(*column, n=20, positives=5)
    assert value == pytest.approx(expected["ap_calculator_class0_total5"], abs=1e-12)


def test_random_videos_give_what_the_definitions_say():
    for seed in range(5):
        scores, dense = made_up(seed=seed)
        metrics = ranked(scores, dense, top_k=7).result()
        values = metrics.gap, metrics.hit_at_1, metrics.perr, metrics.map
        assert values == pytest.approx(slow_metrics(scores, dense, 7), abs=1e-12)
        assert metrics.gap_low == metrics.gap == metrics.gap_high


@pytest.mark.parametrize("levels", [None, 4, 64])
def test_order_and_split_of_the_videos_change_no_bit(levels):
    scores, dense = made_up(videos=200, levels=levels)
    once = ranked(scores, dense).result()
    shuffled = np.random.default_rng(1).permutation(len(scores))
    assert_equal(once, ranked(scores[shuffled], dense[shuffled], sizes=[1, 0, 99, 100]).result())


def test_merging_parts_is_one_pass():
    scores, dense = made_up(levels=8)
    parts = [ranked(scores[part], dense[part]) for part in (slice(0, 23), slice(23, None))]
    parts[0].result()
    total = Ranking.from_state(parts[1].state())
    total.merge(parts[0])
    total.merge(Ranking(scores.shape[1]))
    assert_equal(total.result(), ranked(scores, dense).result())


def test_a_result_does_not_end_the_pass():
    scores, dense = made_up()
    ranking = ranked(scores[:30], dense[:30])
    first = ranking.result()
    assert_equal(first, ranking.result())
    ranking.merge(ranked(scores[30:], dense[30:]))
    assert_equal(ranking.result(), ranked(scores, dense).result())


def test_numbers_by_hand():
    ranking = Ranking(4, top_k=2)
    # The second video's class 3 is outside the top 2, the third video has no label.
    scores = [[0.9, 0.8, 0.3], [0.7, 0.6, 0.5], [0.4, 0.2, 0.1]]
    class_ids = [[0, 1, 2], [2, 0, 3], [0, 1, 2]]
    ranking.update(scores, class_ids, [[0, 2, 0], [3, 0, 2], [-1, -1, -1]])
    metrics = ranking.result()
    assert metrics.hit_at_1 == pytest.approx(2 / 3)
    assert metrics.perr == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert metrics.gap == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 5)
    np.testing.assert_allclose(metrics.ap, [1.0, np.nan, 0.5, 0.0])
    assert metrics.map == pytest.approx(0.5)
    assert metrics.map_2017 == pytest.approx(1.5 / 4)
    assert (metrics.videos, metrics.videos_without_labels) == (3, 1)
    assert metrics.positives.tolist() == [2, 0, 2, 1]


def test_a_score_of_zero_is_ranked_but_is_no_hit_in_perr():
    ranking = Ranking(3)
    ranking.update([[0.5, 0.0, -0.0]], [[1, 0, 2]], [[0, 1]])
    metrics = ranking.result()
    assert metrics.perr == 0.5
    assert metrics.gap == pytest.approx((1 + 2 * (1 / 2 + 1 / 3) / 2) / 2)


def test_more_labels_than_top_k_count_in_full():
    scores, _ = made_up(videos=3, classes=40)
    dense = np.zeros(scores.shape, bool)
    dense[:, :25] = True
    metrics = ranked(scores, dense).result()
    assert metrics.perr == pytest.approx(slow_metrics(scores, dense, 20)[2], abs=1e-12)
    assert metrics.positives.sum() == 75


def test_tied_scores_count_by_the_average_of_their_orders():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores = np.sort(rng.integers(0, 3, 7) / np.float32(4))[::-1]
        hits = rng.random(7) < 0.5
        expected, low, high = slow_ap(scores, hits)
        ranking = Ranking(1)
        ranking.update(scores[:, None], np.zeros((7, 1), int), np.where(hits, 0, -1)[:, None])
        metrics, total = ranking.result(), max(hits.sum(), 1)
        values = metrics.gap, metrics.gap_low, metrics.gap_high
        assert values == pytest.approx(np.array([expected, low, high]) / total, abs=1e-12)
        assert metrics.map == pytest.approx(
            expected / (hits.sum() or np.nan), abs=1e-12, nan_ok=True
        )
        assert average_precision(scores, hits) == pytest.approx(expected / total, abs=1e-12)


def test_average_precision_may_end_inside_a_tie():
    # Each of the two orders has the one hit first or second, and only the first item counts.
    assert average_precision([0.5, 0.5], [1, 0], n=1) == pytest.approx(0.5)


def test_constant_predictions_give_the_share_of_hits():
    scores = np.full((1000, 1), 0.5, np.float32)
    labels = np.where(np.arange(1000) < 300, 0, -1)[:, None]
    ranking = Ranking(1)
    ranking.update(scores, np.zeros_like(labels), labels)
    # With i - 1 of 999 others before it, a hit at rank i sees 1 + (i - 1) * 299 / 999 hits.
    rank = np.arange(1, 1001)
    expected = np.mean((1 + (rank - 1) * 299 / 999) / rank)
    assert ranking.result().gap == pytest.approx(expected, abs=1e-12)


def test_no_positive_at_all_gives_zero_and_no_map():
    ranking = Ranking(5)
    ranking.update(np.full((2, 5), 0.5), np.tile(np.arange(5), (2, 1)), np.full((2, 0), -1))
    metrics = ranking.result()
    assert (metrics.gap, metrics.map_2017, metrics.perr, metrics.hit_at_1) == (0, 0, 0, 0)
    assert np.isnan(metrics.map)
    assert np.isnan(metrics.ap).all()


def test_the_curve_has_gap_as_its_area():
    scores, dense = made_up(videos=300)
    metrics = ranked(scores, dense).result()
    precision, recall, threshold = metrics.curve
    assert len(precision) <= 501
    assert (np.diff(recall) >= 0).all()
    assert (np.diff(threshold) < 0).all()
    assert np.sum(np.diff(recall, prepend=0) * precision) == pytest.approx(metrics.gap, abs=0.01)
    chosen = best_of(scores, 20)[0] >= threshold[100]
    hits = np.take_along_axis(dense, best_of(scores, 20)[1], axis=1)
    assert precision[100] == pytest.approx(hits[chosen].mean())
    assert recall[100] == pytest.approx(hits[chosen].sum() / dense.sum())


def test_top_k_puts_the_lower_class_first_on_ties():
    scores, class_ids = best_of([[0.5, 0.7, 0.5, 0.7, 0.1]], 4)
    assert class_ids.tolist() == [[1, 3, 0, 2]]
    assert scores.tolist() == [[0.7, 0.7, 0.5, 0.5]]
    assert best_of(np.zeros((2, 3)), 20)[1].tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize(
    ("scores", "class_ids", "labels", "sentence"),
    [
        ([[0.5, -0.25, -0.5]], [[0, 1, 2]], [[0]], "got -0.25"),
        ([[0.5, np.nan, 0.1]], [[0, 1, 2]], [[0]], "got nan"),
        ([[0.5, 0.6, 0.1]], [[0, 1, 2]], [[0]], "got rising ones"),
        ([[0.5, 0.4, 0.1]], [[0, 1, 3]], [[0]], r"Class ids must lie in \[0, 3\)"),
        ([[0.5, 0.4, 0.1]], [[0, 1, 2]], [[3]], r"Labels must lie in \[-1, 3\)"),
        ([[0.5, 0.4]], [[0, 1]], [[0]], "here 3, but got 2"),
        ([[0.5, 0.4]], [[0, 1, 2]], [[0]], r"shapes \(1, 2\), \(1, 3\)"),
        ([[0.5, 0.4, 0.1]], [[0, 1, 2]], [0], r"shapes .* \(1,\)"),
    ],
)
def test_wrong_input_is_refused_with_its_evidence(scores, class_ids, labels, sentence):
    ranking = Ranking(3)
    with pytest.raises(ValueError, match=sentence):
        ranking.update(scores, class_ids, labels)
    with pytest.raises(ValueError, match="at least one video"):
        ranking.result()


def test_rankings_of_other_classes_do_not_merge():
    with pytest.raises(ValueError, match=r"\(3, 20\) != \(4, 20\)"):
        Ranking(3).merge(Ranking(4))
    with pytest.raises(ValueError, match="classes=0"):
        Ranking(0)


def rated_segments(seed=0, segments=50, classes=12):
    """Scores of a few rated classes of each segment, falling and padded, and the present ones."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.random((segments, 4), dtype=np.float32))[:, ::-1].copy()
    class_ids = np.argsort(rng.random((segments, classes)), axis=1)[:, :4]
    pads = np.arange(4) >= rng.integers(0, 5, (segments, 1))
    scores[pads], class_ids[pads] = 0, -1
    labels = np.where((rng.random(class_ids.shape) < scores) & ~pads, class_ids, -1)
    return scores, class_ids, labels


def ranked_segments(*parts, classes=12):
    ranking = Ranking(classes, top_k=None)
    for part in parts:
        ranking.update(*part)
    return ranking


def test_rated_pairs_alone_are_ranked():
    scores, class_ids, labels = rated_segments()
    metrics = ranked_segments((scores, class_ids, labels)).result()
    pairs = class_ids >= 0
    hits = pairs & (class_ids == labels)
    assert metrics.gap == pytest.approx(average_precision(scores[pairs], hits[pairs]), abs=1e-12)
    for class_id in range(12):
        rows = class_ids == class_id
        expected = average_precision(scores[rows], hits[rows]) if hits[rows].any() else np.nan
        assert metrics.ap[class_id] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert metrics.map == pytest.approx(np.nanmean(metrics.ap))
    assert metrics.hit_at_1 == hits[:, 0].mean()
    assert metrics.positives.sum() == hits.sum()


def test_rated_segments_by_hand():
    ranking = Ranking(5, top_k=None)
    # The second segment has one rated class, absent; the third was rated for nothing.
    scores = [[0.9, 0.8, 0.3], [0.85, 0, 0], [0, 0, 0]]
    class_ids = [[4, 1, 2], [1, -1, -1], [-1, -1, -1]]
    ranking.update(scores, class_ids, [[2, 4], [-1, -1], [-1, -1]])
    metrics = ranking.result()
    assert metrics.gap == pytest.approx((1 + 2 / 4) / 2)
    assert metrics.hit_at_1 == pytest.approx(1 / 3)
    assert metrics.perr == pytest.approx((1 / 2 + 0 + 0) / 3)
    np.testing.assert_allclose(metrics.ap, [np.nan, np.nan, 1, np.nan, 1])
    assert metrics.videos == 3
    assert metrics.hits_at[:3].tolist() == [1, 0, 1]


def test_order_split_and_merge_of_segments_change_no_bit():
    parts = rated_segments()
    once = ranked_segments(parts).result()
    order = np.random.default_rng(1).permutation(50)
    shuffled = [array[order] for array in parts]
    two = [
        ranked_segments([array[rows] for array in shuffled])
        for rows in (slice(0, 23), slice(23, None))
    ]
    total = Ranking.from_state(two[1].state())
    total.merge(two[0])
    assert_equal(once, total.result())


@pytest.mark.parametrize("labels", [[[2]], [[1, 2]]])
def test_labels_outside_the_rated_classes_are_refused(labels):
    with pytest.raises(ValueError, match=r"row 0 has \d labels and \d of them rated"):
        Ranking(5, top_k=None).update([[0.5, 0.0]], [[1, -1]], labels)


def test_segments_and_videos_do_not_merge():
    with pytest.raises(ValueError, match=r"\(5, None\) != \(5, 20\)"):
        Ranking(5, top_k=None).merge(Ranking(5))
