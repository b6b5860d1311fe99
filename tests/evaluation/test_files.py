import json
from pathlib import Path

import numpy as np
import pytest

from yt8m_exp.evaluation.files import gather_labels, read_labels, score_predictions
from yt8m_exp.serving.predictions import PredictionsWriter, read_predictions

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"


def golden(case):
    arrays = np.load(GOLDEN / f"{case}.npz")
    expected = json.loads((GOLDEN / f"{case}.head.json").read_text())
    labels = {f"v{n}": np.flatnonzero(row) for n, row in enumerate(arrays["labels"])}
    return arrays["predictions"], labels, expected


@pytest.mark.parametrize("k", [5, 20])
@pytest.mark.parametrize("case", ["mid", "empty"])
def test_a_file_of_predictions_scores_as_the_starter_code_says(case, k, tmp_path):
    predictions, labels, expected = golden(case)
    order = np.argsort(-predictions, axis=1, kind="stable")[:, :20]
    with PredictionsWriter(tmp_path / "all.csv") as file:
        file.write(list(labels), order, np.take_along_axis(predictions, order, axis=1))
    found = score_predictions(
        read_predictions(tmp_path / "all.csv"), labels, predictions.shape[1], top_k=k, top_n=[10]
    )
    assert (found.missing, found.unknown) == (0, 0)
    assert found.ranked.gap == pytest.approx(expected["gap"][str(k)], abs=1e-5)
    assert found.ranked.hit_at_1 == pytest.approx(expected["hit_at_one"], abs=1e-12)
    assert found.ranked.perr == pytest.approx(expected["perr"], abs=1e-5)
    one = expected["one_batch" if k == 20 else "one_batch_top_k5"]
    assert found.ranked.map == pytest.approx(one["mean_ap_reported"], abs=1e-5)
    if k == 20:
        at_10 = expected["one_batch_top_n10"]["mean_ap_reported"]
        assert found.ranked.map_at(10) == pytest.approx(at_10, abs=1e-5)


def row(video, *pairs):
    class_ids, scores = zip(*pairs, strict=True) if pairs else ((), ())
    return video, np.array(class_ids, np.int32), np.array(scores, np.float32)


LABELS = {"a": np.array([3, 4]), "b": np.array([1]), "c": np.array([2])}


def test_by_hand_with_videos_that_are_missing_or_unknown():
    # Scores rise in "a", "b" lists nothing, "c" is missing, and nobody knows "z".
    rows = [row("a", (3, 0.2), (1, 0.5), (4, 0.9)), row("b"), row("z", (1, 0.99))]
    found = score_predictions(rows, LABELS, 5)
    assert (found.missing, found.unknown, found.ranked.videos) == (1, 1, 3)
    assert found.ranked.hit_at_1 == pytest.approx(1 / 3)
    assert found.ranked.perr == pytest.approx((1 / 2) / 3)
    assert found.ranked.gap == pytest.approx((1 + 2 / 3) / 4)
    assert found.ranked.map == pytest.approx((1 + 1 + 0 + 0) / 4)


def test_the_order_of_lines_and_of_pairs_changes_nothing():
    predictions, labels, _ = golden("mid")
    rng = np.random.default_rng(0)
    rows = [row(v, *enumerate(p)) for v, p in zip(labels, predictions, strict=True)]
    once = score_predictions(rows, labels, predictions.shape[1]).ranked
    mixed = [(v, ids[order], p[order]) for v, ids, p in rows for order in [rng.permutation(len(p))]]
    rng.shuffle(mixed)
    again = score_predictions(mixed, labels, predictions.shape[1]).ranked
    assert (again.gap, again.perr, again.map) == (once.gap, once.perr, once.map)


def test_more_predictions_than_classes_are_all_classes():
    rows = [row("a", (3, 0.2), (1, 0.5))]
    assert score_predictions(rows, LABELS, 5, top_k=10**9).ranked.gap == pytest.approx(
        score_predictions(rows, LABELS, 5, top_k=5).ranked.gap
    )


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([row("a", (1, 0.5)), row("a", (2, 0.5))], "'a' has two"),
        ([row("a", (1, 0.5), (1, 0.4))], "'a' repeats one"),
        ([row("a", (9, 0.5))], r"Class ids must lie in \[-1, 5\)"),
        ([row("a", (1, -0.5))], "got -0.5"),
        ([row("a", (1, np.nan))], "got nan"),
        ([row("z", (1, 0.5))], "None of the 1 videos of the file is among the 3 labelled ones"),
        ([], "None of the 0 videos"),
    ],
)
def test_what_cannot_be_scored_is_refused(rows, sentence):
    with pytest.raises(ValueError, match=sentence):
        score_predictions(rows, LABELS, 5)


def test_labels_are_gathered_from_batches():
    batch = {"id": np.array([b"a", b"b"], object), "labels": np.array([[3, -1], [-1, -1]])}
    found = gather_labels([batch])
    assert {video: labels.tolist() for video, labels in found.items()} == {"a": [3], "b": []}


def test_labels_are_read_from_a_csv(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("\ufeffid,labels\na,3 4\nb,\n", encoding="utf-8")
    found = read_labels(path)
    assert {video: labels.tolist() for video, labels in found.items()} == {"a": [3, 4], "b": []}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,3\n", "expected the header"),
        ("id,labels\na,3\nb,x\n", "line 3: expected `id,class class ...`, but got 'b,x'"),
        ("id,labels\na,3,4\n", "line 2: expected"),
        ("id,labels\na,3\na,4\n", "line 3: 'a' has labels already"),
        ("id,labels\na,\n", "at least one video must have a label"),
    ],
)
def test_labels_of_another_format_are_refused(tmp_path, text, sentence):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_labels(path)
