import numpy as np
import pytest

from tests.data.examples import decoded
from tests.made_segments import frame_records
from tests.verbs import sample_records
from yt8m_exp import spec
from yt8m_exp.data.tfrecords.messages import Example, SequenceExample
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.writing import serialized
from yt8m_exp.data.writing.serialized import Rating
from yt8m_exp.spec import InputError

VIDEO = "sample/video/train/validate0017.tfrecord"
FEATURES = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}


def test_a_video_of_the_release_is_written_as_it_was():
    record = sample_records(VIDEO)[0]
    features = Example.FromString(record).features.feature
    values = {name: np.array(features[name].float_list.value, np.float32) for name in FEATURES}
    name = features["id"].bytes_list.value[0].decode()
    again = serialized.video(name, values, features["labels"].int64_list.value)
    # The release ends each record with an empty list of frames, which is no part of an Example.
    assert Example.FromString(again).features == Example.FromString(record).features


def test_frames_of_the_release_are_written_as_they_were():
    record = next(iter(frame_records().values()))
    found = SequenceExample.FromString(record)
    context, lists = found.context.feature, found.feature_lists.feature_list
    rows = {
        name: np.array([list(step.bytes_list.value[0]) for step in lists[name].feature], np.uint8)
        for name in ("rgb", "audio")
    }
    again = serialized.frames(
        context["id"].bytes_list.value[0].decode(), rows, context["labels"].int64_list.value
    )
    assert SequenceExample.FromString(again) == found


def test_what_is_written_is_read():
    rng = np.random.default_rng(0)
    schema = Schema({"rgb": 5, "audio": 3}, classes=9, level="frame", max_frames=4)
    rows = {
        name: rng.integers(0, 256, (3, size), np.uint8) for name, size in (("rgb", 5), ("audio", 3))
    }
    videos, problems = decoded([serialized.frames("é", rows, [7, 2])], schema)
    assert not problems
    batch = videos.batch(np.array([0]))
    assert batch["id"].tolist() == ["é".encode()]
    assert batch["labels"][0, :2].tolist() == [2, 7]
    assert (batch["rgb"][0, :3] == rows["rgb"]).all()
    videos, problems = decoded(
        [serialized.video("a", {"mean_rgb": rng.normal(size=4)}, None)],
        Schema({"mean_rgb": 4}, classes=9),
    )
    assert (len(videos.ids), problems) == (1, [])


def test_rated_segments_are_five_seconds():
    rows = {"rgb": np.zeros((10, 4), np.uint8)}
    record = serialized.frames("a", rows, [1], [Rating(5, 1, 1.0), Rating(0, 3, 0.0)])
    context = SequenceExample.FromString(record).context.feature
    assert context["segment_start_times"].int64_list.value == [5, 0]
    assert context["segment_end_times"].int64_list.value == [10, 5]
    assert context["segment_labels"].int64_list.value == [1, 3]
    assert context["segment_scores"].float_list.value == [1.0, 0.0]
    schema = Schema({"rgb": 4}, classes=9, level="segment")
    videos, problems = decoded([record], schema)
    assert (len(videos.ids), problems) == (2, [])


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (
            {"rgb": np.zeros((3, 4), np.uint8), "audio": np.zeros((2, 4), np.uint8)},
            "as many frames",
        ),
        ({"rgb": np.zeros((3, 4), np.float32)}, "must be uint8"),
        ({"rgb": np.zeros(4, np.uint8)}, "must be uint8"),
    ],
)
def test_frames_of_another_form_are_refused(features, words):
    with pytest.raises(InputError, match=words):
        serialized.frames("a", features, [])


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="finite"):
        serialized.video("a", {"mean_rgb": np.array([np.nan])}, [])
