import json
from pathlib import Path

import numpy as np
import pytest

from yt8m_exp.evaluation.segments import cut, evaluate_lists, gather_ratings
from yt8m_exp.serving.segment_files import read_ratings, read_segments

GOLDEN = Path(__file__).parents[1] / "golden" / "csv"


@pytest.fixture(scope="module")
def golden():
    lists = dict(read_segments(GOLDEN / "segment_submission.csv"))
    return lists, read_ratings(GOLDEN / "segment_labels.csv")


def videos(*frames, longest=20, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "rgb": rng.integers(0, 256, (len(frames), longest, 3), np.uint8),
        "audio": rng.integers(0, 256, (len(frames), longest, 2), np.uint8),
        "frames": np.array(frames, np.int32),
        "id": np.array([b"v%d" % number for number in range(len(frames))], object),
    }


@pytest.mark.parametrize("n", ["0", "5", "20", "100000"])
def test_golden_map(golden, n):
    lists, ratings = golden
    expected = json.loads((GOLDEN / "segment_eval.head.json").read_text())
    metrics = evaluate_lists(lists.items(), ratings, n=int(n) or None)
    known = {class_id: ap for class_id, ap in metrics.ap.items() if not np.isnan(ap)}
    assert len(known) == expected["map"][n]["classes"]
    assert len(known) == expected["classes_with_positives"]
    assert sum(map(len, ratings.values())) == expected["segments_labelled"]
    assert metrics.map == pytest.approx(expected["map"][n]["mAP"], abs=1e-12)
    assert metrics.map_over(1000) == pytest.approx(sum(known.values()) / 1000, abs=1e-12)
    if n == "100000":
        by_class = {int(key): value for key, value in expected["ap_by_class"].items()}
        assert known == pytest.approx(by_class, abs=1e-12)


def test_numbers_by_hand():
    ratings = {
        0: {"a:0": True, "a:5": False, "b:0": True, "b:5": True},
        1: {"a:0": True},
        2: {"a:0": False},
        3: {"a:0": True},
    }
    lists = {
        # Unrated ones drop out: present, absent, present, and b:5 is not listed.
        # (1/1 + 2/3) / 3 = 5/9.
        0: ["x:0", "a:0", "x:5", "a:5", "x:10", "b:0"],
        1: ["x:0", "x:5", "a:0"],  # the first among the rated ones: 1
        2: ["a:0"],  # no positive: no precision
        4: ["a:0"],  # nothing rated
    }
    metrics = evaluate_lists(lists.items(), ratings)
    assert metrics.ap == pytest.approx({0: 5 / 9, 1: 1, 2: np.nan, 4: np.nan}, nan_ok=True)
    assert metrics.map == pytest.approx((5 / 9 + 1) / 2)
    assert metrics.map_over(4) == pytest.approx((5 / 9 + 1) / 4)  # class 3 has no list: 0
    # The cut comes before unrated ones are dropped: of the first two of class 0, a:0 is left,
    # 1/1 over three; class 1 loses its only one.
    first = evaluate_lists(lists.items(), ratings, n=2)
    assert first.ap[0] == pytest.approx(1 / 3)
    assert first.ap[1] == 0
    assert first.map == pytest.approx(1 / 6)


def test_a_segment_that_is_listed_again_counts_once_but_takes_a_place():
    ratings = {0: {"a:0": True, "b:0": False, "b:5": True}}
    lists = [(0, ["a:0", "a:0", "b:0", "b:5"])]
    assert evaluate_lists(lists, ratings).ap[0] == pytest.approx((1 + 2 / 3) / 2)
    assert evaluate_lists(lists, ratings, n=3).ap[0] == pytest.approx(1 / 2)


def test_no_class_with_positives_gives_zero():
    metrics = evaluate_lists([(0, ["a:0"])], {})
    assert np.isnan(metrics.map)
    assert metrics.map_over() == 0


def test_the_order_of_classes_changes_nothing(golden):
    lists, ratings = golden
    backwards = evaluate_lists(reversed(lists.items()), ratings, n=20)
    assert backwards.map == pytest.approx(evaluate_lists(lists.items(), ratings, n=20).map)


def test_two_lists_of_a_class_are_refused():
    with pytest.raises(ValueError, match="class 7 has two"):
        evaluate_lists([(7, ["a:0"]), (7, ["b:0"])], {})


def test_ratings_are_gathered_from_batches():
    batches = [
        {
            "id": np.array([b"a:0", b"a:5"], object),
            "rated": np.array([[3, 1], [3, -1]]),
            "labels": np.array([[1], [-1]]),
        },
        {"id": np.array([b"b:0"], object), "rated": np.array([[3]]), "labels": np.array([[3]])},
    ]
    expected = {3: {"a:0": False, "a:5": False, "b:0": True}, 1: {"a:0": True}}
    assert gather_ratings(batches) == expected


def test_golden_segments_of_whole_videos():
    golden = np.load(GOLDEN / "get_segments.npz")
    ids = np.array([b"v0", b"v1", b"v2"], object)
    pieces = cut({"x": golden["batch_video_mtx"], "frames": golden["batch_num_frames"], "id": ids})
    np.testing.assert_array_equal(pieces["x"], golden["video_batch"])
    np.testing.assert_array_equal(pieces["frames"], golden["num_frames_batch"])
    expected = [b"v%d:%d" % tuple(pair) for pair in golden["video_segment_ids"].tolist()]
    assert pieces["id"].tolist() == expected


@pytest.mark.parametrize("longest", [13, 15, 20])
def test_segments_hold_each_frame_once_in_order(longest):
    batch = videos(13, 0, 5, 1, 11, longest=longest)
    pieces = cut(batch)
    assert {name: rows.dtype for name, rows in pieces.items() if name in batch} == {
        name: rows.dtype for name, rows in batch.items()
    }
    for name in ("rgb", "audio"):
        held = np.arange(5) < pieces["frames"][:, None]
        every = np.arange(longest) < batch["frames"][:, None]
        np.testing.assert_array_equal(pieces[name][held], batch[name][every])
    starts = [b"v0:0", b"v0:5", b"v0:10", b"v2:0", b"v3:0", b"v4:0", b"v4:5", b"v4:10"]
    assert pieces["id"].tolist() == starts
    assert (pieces["labels"] == -1).all()


def test_videos_without_frames_have_no_segments():
    pieces = cut(videos(0, 0))
    assert pieces["rgb"].shape == (0, 5, 3)
    assert len(pieces["id"]) == len(pieces["frames"]) == 0
