import pytest

from tests.data.doctor.shards import examine, frames, released, video
from tests.data.examples import example, floats, integers, lists, rows, text
from yt8m_exp import spec
from yt8m_exp.data.doctor.detection import schema_of

VIDEO = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}
FRAME = {"rgb": spec.RGB, "audio": spec.AUDIO}


def told(*records, **asked):
    schema = schema_of(records, **asked)
    return schema.level, dict(schema.features), schema.classes


def test_each_level_and_release_is_told():
    assert told(video()) == ("video", VIDEO, spec.CLASSES)
    old = video(id=None, video_id=text(b"v"))
    assert told(old) == ("video", VIDEO, spec.CLASSES_2017)
    assert told(frames()) == ("frame", FRAME, spec.CLASSES)
    rated = frames(segment_start_times=integers(0))
    assert told(rated) == ("segment", FRAME, spec.CLASSES)
    sound = example(video_id=text(b"v")) + lists(audio_embedding=rows([bytes(spec.AUDIO)]))
    assert told(sound) == ("frame", {"audio_embedding": spec.AUDIO}, spec.CLASSES_AUDIOSET)


def test_features_of_ones_own_are_taken_as_they_are():
    own = example(id=text(b"v"), depth=floats([1, 2, 3]), labels=integers(1))
    assert told(own) == ("video", {"depth": 3}, spec.CLASSES)


def test_features_of_the_release_must_have_its_sizes():
    assert told(video(mean_rgb=floats([1.0])))[1] == VIDEO


def test_nothing_tells_nothing():
    assert told() == told(b"\xff\xff") == ("video", VIDEO, spec.CLASSES)


def test_a_key_can_say_it():
    assert told(video(), level="frame", classes=9) == ("frame", FRAME, 9)


@pytest.mark.parametrize(
    ("name", "level", "classes"),
    [
        ("test/test0z.tfrecord", "video", spec.CLASSES),
        ("v1/validatea0.tfrecord", "video", spec.CLASSES_2017),
        ("odd/malformed_float_frames.tfrecord", "frame", spec.CLASSES),
    ],
)
def test_real_shards_are_told(name, level, classes):
    schema = examine(released(name)).schema
    assert (schema.level, schema.classes) == (level, classes)
