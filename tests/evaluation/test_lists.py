import numpy as np
import pytest

from yt8m_exp.evaluation.lists import RankedLists


def made_up(*, segments=400, classes=6, levels=None, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.random((segments, classes), dtype=np.float32)
    if levels:
        scores = np.floor(scores * levels) / np.float32(levels)
    return np.array([b"v%d:%d" % divmod(number, 7) for number in range(segments)]), scores


def listed(names, class_ids, scores, *, most, sizes=(), allowed=range(6)):
    lists = RankedLists(allowed, most=most)
    for part in np.split(np.arange(len(names)), np.cumsum(sizes).astype(int)):
        ids = class_ids if class_ids.ndim == 1 else class_ids[part]
        lists.add(list(names[part]), ids, scores[part])
    return {class_id: best.tolist() for class_id, best in lists.lists()}


def slow(names, scores, most):
    pairs = [sorted(zip(-column, names, strict=True)) for column in scores.T]
    return {class_id: [name for _, name in best[:most]] for class_id, best in enumerate(pairs)}


@pytest.mark.parametrize("levels", [None, 1, 4])
@pytest.mark.parametrize("most", [1, 50, 1000])
def test_lists_are_the_best_by_score_then_by_name(levels, most):
    names, scores = made_up(levels=levels)
    assert listed(names, np.arange(6), scores, most=most) == slow(names.tolist(), scores, most)


@pytest.mark.parametrize("levels", [None, 1, 4])
def test_neither_order_nor_batches_change_a_list_that_was_cut_many_times(levels):
    names, scores = made_up(segments=30_000, classes=2, levels=levels)
    expected = slow(names.tolist(), scores, 100)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(names))
        got = listed(names[order], np.arange(2), scores[order], most=100, sizes=[1, 0, 9000, 8000])
        assert got == expected


def test_each_segment_may_have_its_own_classes():
    names, scores = made_up()
    order = np.argsort(-scores, axis=1)
    got = listed(names, order, np.take_along_axis(scores, order, 1), most=50)
    assert got == slow(names.tolist(), scores, 50)


def test_other_classes_are_ignored_and_classes_without_segments_have_no_list():
    names, scores = made_up(classes=4)
    got = listed(names, np.array([9, 3, 0, 8]), scores, most=50, allowed=[8, 3, 5, 3])
    expected = slow(names.tolist(), scores, 50)
    assert got == {3: expected[1], 8: expected[3]}


def test_a_score_of_minus_zero_is_zero():
    scores = np.array([[0.0], [-0.0]], np.float32)
    assert listed(np.array([b"b:0", b"a:0"]), np.array([0]), scores, most=2) == {
        0: [b"a:0", b"b:0"]
    }


def test_nothing_added_gives_no_lists():
    assert dict(RankedLists([1]).lists()) == {}


@pytest.mark.parametrize(
    ("class_ids", "scores", "sentence"),
    [
        ([[0, 1]], [[0.5, -0.25]], "got -0.25"),
        ([[0, 1]], [[0.5, np.nan]], "got nan"),
        ([[0, 1, 2]], [[0.5, 0.25]], r"shapes \(1, 3\), \(1, 2\)"),
        ([[0], [1]], [[0.5], [0.25]], "1 names"),
    ],
)
def test_wrong_input_is_refused_with_its_evidence(class_ids, scores, sentence):
    with pytest.raises(ValueError, match=sentence):
        RankedLists(range(3)).add([b"a:0"], class_ids, scores)


def test_lists_of_nothing_are_refused():
    with pytest.raises(ValueError, match="0 classes"):
        RankedLists([])
    with pytest.raises(ValueError, match="most=0"):
        RankedLists([1], most=0)
