from types import SimpleNamespace

import pytest

from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import naming


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "logistic · 23,091 videos · lr 0.02"),
        (
            ["model=moe", "head@model.head=moe", "learning_rate=0.009"],
            "moe · 23,091 videos · lr 0.009 · head moe",
        ),
        (
            ["learning_rate=0.0012345", "model.dropout=0.3", "loss=hinge", "register=yt8m"],
            "logistic · 23,091 videos · lr 0.00123 · dropout 0.3 · loss hinge",
        ),
        (["data.on_bad_record=skip", "tracking.runs=x"], "logistic · 23,091 videos · lr 0.02"),
    ],
)
def test_the_name_of_a_training_tells_it_from_others(words, name):
    train = SimpleNamespace(is_read=True, records=23_091)
    assert naming.of_training(compose.compose("train", words), train, words) == name


def test_a_command_leaves_out_where_a_run_is_logged():
    words = ["model=moe", "tracking.runs=/x", "data.train=/a b/*.tfrecord", "resume=0123"]
    assert compose.command("train", words) == "yt8m train model=moe 'data.train=/a b/*.tfrecord'"
