import pytest

from yt8m_exp.config import compose
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.jobs.steps.checks import teacher_check
from yt8m_exp.spec import InputError

VIDEO = Schema({"mean_rgb": 1024}, 3862)
FRAME = Schema({"rgb": 1024}, 3862, "frame")


def required(schema: Schema, *words: str) -> None:
    teacher_check.require(compose.compose("train", list(words)), "models:/m/1", schema)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (VIDEO, ()),
        (FRAME, ("data=frame",)),
        (FRAME, ("data=segment", "data.train=a", "data.validate=b")),
        (FRAME, ("distillation.shards=frames",)),
        (VIDEO, ("distillation.online=true",)),
    ],
)
def test_a_teacher_that_is_given_what_it_takes_may_teach(schema, words):
    required(schema, *words)


@pytest.mark.parametrize(
    ("schema", "words", "sentence"),
    [
        (Schema({"mean_rgb": 1024}, 4716), (), "has 4716 and data.classes is 3862"),
        (FRAME, (), "takes features of level frame, but data.train has level video"),
        (VIDEO, ("data=frame",), "takes features of level video, but data.train has level frame"),
        (
            FRAME,
            ("distillation.online=true", "distillation.shards=frames"),
            "models:/m/1 takes rgb",
        ),
    ],
)
def test_a_teacher_that_cannot_teach_is_named(schema, words, sentence):
    with pytest.raises(InputError, match=sentence):
        required(schema, *words)
