"""What the golden metrics hold beside the totals: batches, averages over them, other cuts."""

import json

import numpy as np
import pytest

from tests.evaluation.test_ranking import CASES, GOLDEN, UNTIED, ranked


def read(case):
    arrays = np.load(GOLDEN / f"{case.split('.')[0]}.npz")
    return arrays, json.loads((GOLDEN / f"{case}.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_each_batch_by_itself_has_the_golden_metrics(case):
    arrays, expected = read(case)
    assert expected["shape"] == list(arrays["predictions"].shape)
    assert expected["batched"]["batch_sizes"] == arrays["batch_sizes"].tolist()
    for split in ("one_batch", "batched"):
        start, sums = 0, np.zeros(2)
        for size, batch in zip(
            expected[split]["batch_sizes"], expected[split]["per_batch"], strict=True
        ):
            rows = slice(start, start + size)
            start += size
            metrics = ranked(arrays["predictions"][rows], arrays["labels"][rows]).result()
            assert metrics.hit_at_1 == pytest.approx(batch["hit_at_one"], abs=1e-12)
            if case in UNTIED:
                assert metrics.perr == pytest.approx(batch["perr"], abs=1e-12)
            sums += np.array([metrics.hit_at_1, metrics.perr]) * size
        assert start == len(arrays["predictions"])
        assert sums[0] / start == pytest.approx(expected[split]["avg_hit_at_one"], abs=1e-12)
        if case in UNTIED:
            assert sums[1] / start == pytest.approx(expected[split]["avg_perr"], abs=1e-12)


@pytest.mark.parametrize("case", UNTIED)
def test_each_video_by_itself_has_the_golden_perr(case):
    arrays, expected = read(case)
    for row, perr in enumerate(expected["perr_by_video"]):
        rows = slice(row, row + 1)
        metrics = ranked(arrays["predictions"][rows], arrays["labels"][rows]).result()
        assert metrics.perr == pytest.approx(perr, abs=1e-12)


@pytest.mark.parametrize("case", UNTIED)
def test_another_cut_of_videos_has_the_golden_metrics(case):
    arrays, expected = read(case)
    for split, top_k in (("one_batch", 20), ("one_batch_top_k5", 5)):
        found = expected.get(split)
        if found:
            metrics = ranked(arrays["predictions"], arrays["labels"], top_k=top_k).result()
            assert metrics.gap == pytest.approx(found["gap"], abs=1e-12)
            np.testing.assert_array_equal(metrics.positives, found["num_positives_by_class"])
    close = expected["float32_labels_numpy2"]
    metrics = ranked(arrays["predictions"], arrays["labels"]).result()
    assert metrics.hit_at_1 == pytest.approx(close["avg_hit_at_one"], abs=1e-6)
    assert metrics.perr == pytest.approx(close["avg_perr"], abs=1e-6)
    assert metrics.gap == pytest.approx(close["gap"], abs=1e-6)
