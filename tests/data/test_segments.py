import re
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import (
    FRAME_SCHEMA,
    decoded,
    floats,
    frame_video,
    integers,
    pixels,
    text,
)
from yt8m_exp.data import shards
from yt8m_exp.data.pipeline import Shuffle, ordered_batches, training_batches
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.tfrecords.records import Schema

GOLDEN = Path(__file__).parents[1] / "golden" / "readers"
SCHEMA = Schema(FRAME_SCHEMA.features, 20, "segment")


def ratings(starts, classes, scores):
    return {
        "segment_start_times": integers(*starts),
        "segment_end_times": integers(*(start + 5 for start in starts)),
        "segment_labels": integers(*classes),
        "segment_scores": floats(scores),
    }


def test_each_rated_segment_is_an_example():
    context = ratings([10, 0, 10, 10], [3, 7, 5, 4], [1, 1, 0, 1])
    videos, problems = decoded([frame_video(1, 18, **context)], SCHEMA)
    assert not problems
    batch = videos.batch(np.arange(2))
    assert batch["id"].tolist() == [b"v001:0", b"v001:10"]
    assert batch["rated"].tolist() == [[7, -1, -1], [3, 4, 5]]
    assert batch["labels"].tolist() == [[7, -1, -1], [3, 4, -1]]
    assert batch["frames"].tolist() == [5, 5]
    assert np.array_equal(batch["rgb"], pixels(1, 18, 6)[[range(5), range(10, 15)]])


def test_shards_are_without_ratings_only_if_all_records_were_read(tmp_path):
    tfrecord.write(tmp_path / "a.tfrecord", [frame_video(1, 8)])
    with pytest.raises(ValueError, match=f"No record of shards={tmp_path} has rated segments"):
        shards.scan(str(tmp_path), SCHEMA)
    (tmp_path / "b.tfrecord").touch()
    with pytest.raises(ValueError, match=f"No usable record is left in shards={tmp_path}"):
        shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip")


def test_a_segment_ends_with_its_video():
    videos, _ = decoded([frame_video(1, 8, **ratings([5], [3], [1]))], SCHEMA)
    batch = videos.batch(np.array([0]))
    assert batch["frames"].tolist() == [3]
    assert np.array_equal(batch["rgb"][0, :3], pixels(1, 8, 6)[5:])
    assert not batch["rgb"][0, 3:].any()


def test_a_segment_without_any_class_that_is_there_still_counts():
    videos, _ = decoded([frame_video(1, 8, **ratings([0], [3], [0]))], SCHEMA)
    assert videos.batch(np.array([0]))["labels"].tolist() == [[-1]]
    assert videos.labelled.all()


def test_a_class_rated_twice_counts_once_and_is_there_if_it_once_was():
    videos, _ = decoded([frame_video(1, 8, **ratings([0, 0, 0], [3, 3, 2], [0, 1, 0]))], SCHEMA)
    batch = videos.batch(np.array([0]))
    assert batch["rated"].tolist() == [[2, 3]]
    assert batch["labels"].tolist() == [[-1, 3]]


def test_a_video_without_ratings_gives_no_segment():
    rated = frame_video(2, 8, **ratings([0], [3], [1]))
    videos, problems = decoded([frame_video(1, 8), rated, frame_video(3, 8)], SCHEMA)
    assert not problems
    assert videos.ids.tolist() == [b"v002:0"]
    assert videos.records.tolist() == [1]


BAD = {
    "as many": ratings([0, 5], [3], [1, 1]),
    r"but got 2, 2, 1": ratings([0, 5], [3, 4], [1]),
    r"segment_labels in \[0, 20\), but got 20": ratings([0], [20], [1]),
    r"within the video's 8 frames, but got 8": ratings([8], [3], [1]),
    r"within the video's 8 frames, but got -1": ratings([-5], [3], [1]),
    "as many of": ratings([0], [3], [1]) | {"segment_scores": text(b"1")},
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_record_is_named_and_the_others_are_kept(message):
    good = ratings([0], [3], [1])
    records = [frame_video(n, 8, **context) for n, context in enumerate([good, BAD[message], good])]
    videos, [problem] = decoded(records, SCHEMA)
    assert problem.record == 1
    assert re.search(message, problem.text)
    assert videos.ids.tolist() == [b"v000:0", b"v002:0"]


def test_the_reader_of_the_starter_code_agrees():
    expected = np.load(GOLDEN / "expected.head.npz")
    [batch] = ordered_batches(shards.scan(str(GOLDEN / "segment.head.tfrecord"), SCHEMA), 8)
    theirs = [0, 1, 2, 4, 3]  # the last video's segments come in the order of their ratings
    expected = {name: expected[name][theirs] for name in expected if name.startswith("segment")}
    assert [i.partition(b":")[0] for i in batch["id"]] == expected["segment:video_ids"].tolist()
    assert batch["frames"].tolist() == expected["segment:num_frames"].tolist()
    matrix = np.concatenate([batch["rgb"], batch["audio"]], axis=-1)
    values = matrix * (4 / 255) + (4 / 512 - 2)
    np.testing.assert_allclose(values, expected["segment:video_matrix"], atol=1e-6)
    for key, name in ("labels", "labels"), ("rated", "label_weights"):
        dense = np.zeros((len(batch[key]), 21))
        dense[np.arange(len(dense))[:, None], batch[key]] = 1  # -1 goes to the last column
        assert np.array_equal(dense[:, :20], expected[f"segment:{name}"])


def test_segments_are_counted_cut_and_shuffled_as_examples(tmp_path):
    for shard in range(3):
        records = [
            frame_video(
                10 * shard + n,
                20,
                **ratings([0, 5, 10][: n % 4], [n, 1, 2][: n % 4], [1, 0, 1][: n % 4]),
            )
            for n in range(8)
        ]
        tfrecord.write(tmp_path / f"{shard}.tfrecord", records)
    manifest = shards.scan(str(tmp_path), SCHEMA)
    assert manifest.records == 3 * 12
    assert manifest.class_counts()[1] == 3  # only where class 1 is there
    ordered = [video for batch in ordered_batches(manifest, 7) for video in batch["id"]]
    assert len(set(ordered)) == 36
    batches = training_batches(manifest, 12, Shuffle(0, group_bytes=1500))
    epoch = [video for _ in range(3) for video in next(batches)["id"]]
    batches.close()
    assert sorted(epoch) == sorted(ordered)
    assert epoch != ordered
