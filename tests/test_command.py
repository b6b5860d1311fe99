import json
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from tests.verbs import PROJECT, SMALL
from yt8m_exp import command

SHOWS_MODULES = """
import atexit, runpy, sys
heavy = {"tensorflow", "keras", "mlflow"}
atexit.register(lambda: print("loaded:", sorted(heavy & sys.modules.keys()), file=sys.stderr))
runpy.run_module("yt8m_exp." + sys.argv.pop(1), run_name="__main__")
"""


def test_parameters_that_were_not_given_are_left_out():
    words = ["model=moe", "epochs=", "data.train=", "--overrides", ""]
    assert command.arguments(words) == ["model=moe"]


def test_words_without_overrides_are_hydras_own():
    words = ["model=moe", "run_name=", "--cfg", "job"]
    assert command.arguments(words) == words


def test_overrides_are_split_as_a_shell_does():
    words = ["model=moe", "--overrides", "epochs=2 ~data.features.mean_rgb 'tracking.run_name=a b'"]
    expected = ["model=moe", "epochs=2", "~data.features.mean_rgb", "tracking.run_name=a b"]
    assert command.arguments(words) == expected


@pytest.mark.parametrize(
    "value",
    [
        "a b.tfrecord",
        "a=b,c",
        "it's",
        r"back\slash",
        "100%",
        "(x)",
        "gs://a/b-??.tfrecord",
        "a#b",
        "$HOME",
        "a:b",
        "x;y",
        "Zürich",
        "end\\",
        r"quote\'s",
    ],
)
def test_any_value_of_a_parameter_reaches_the_configuration_as_it_is(value):
    overrides = command.arguments([f"data.train={value}", "--overrides", ""])
    assert command.compose("train", overrides).data.train == value


@pytest.mark.parametrize("value", ["[a.tfrecord,b.tfrecord]", "['a b.tfrecord',b.tfrecord]"])
def test_a_list_stays_a_list(value):
    overrides = command.arguments([f"data.train={value}", "--overrides", ""])
    first, second = command.compose("train", overrides).data.train
    assert (first.replace(" ", ""), second) in [
        ("a.tfrecord", "b.tfrecord"),
        ("ab.tfrecord", "b.tfrecord"),
    ]


def test_changes_are_the_values_that_differ_from_the_defaults():
    cfg = command.compose("train", ["epochs=3", "model=moe", "~data.features.mean_rgb"])
    changes = command.changes("train", cfg)
    assert changes["epochs"] == 3
    assert changes["model"]._target_ == "yt8m_exp.models.moe.build"
    assert "batch_size" not in changes
    assert "data.features.mean_audio" not in changes


def test_another_choice_of_a_group_changes_it_as_a_whole():
    changes = command.changes("train", command.compose("train", ["optimizer=sgd", "loss=hinge"]))
    assert set(changes) == {"optimizer", "loss"}
    assert "beta_1" not in changes["optimizer"]
    assert "epsilon" not in changes["loss"]


def test_a_value_of_a_group_changes_alone():
    cfg = command.compose("train", ["optimizer.beta_1=0.8", "clip.norm=1"])
    assert command.changes("train", cfg) == {"optimizer.beta_1": 0.8, "clip.norm": 1}


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (PROJECT / "conf" / "experiment").glob("*.yaml"))
)
def test_every_experiment_composes_and_resolves(name):
    cfg = command.compose("train", [f"experiment={name}"])
    OmegaConf.resolve(cfg)
    assert cfg != command.compose("train")


@pytest.mark.parametrize("verb", ["train", "eval", "inference", "sweep"])
def test_every_configuration_composes_and_resolves(verb):
    cfg = command.compose(verb)
    OmegaConf.resolve(cfg)
    assert cfg.tracking.experiment == "yt8m"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("epoch=3",), "Key 'epoch' is not in struct"),
        (("model=nothing",), "Could not find 'model/nothing'"),
        (("epochs=0",), "`epochs` must be a number above 0, but got 0."),
        (("epochs=many",), "`epochs` must be a number above 0, but got 'many'."),
        (("batch_size=0",), "`batch_size` must be a number above 0"),
        (("precision=float8",), "`precision` must be float32 or mixed_bfloat16"),
        (("clip.by=row",), "`clip.by` must be variable or global"),
        (("data.train=nowhere/*.tfrecord",), "No shard matches 'nowhere/*.tfrecord'"),
        (("data.on_bad_record=hide",), "`on_bad_record` must be stop or skip"),
        (("model.normalize=some",), "`normalize` must be each, joint or none"),
        (("model=moe", "model.head.experts=0"), "`experts >= 1` must hold, but got experts=0."),
        (("+model.experts=2",), "unexpected keyword argument 'experts'"),
        (("resume=nothing",), "has no run 'nothing'"),
    ],
)
def test_bad_usage_ends_with_2_and_a_sentence_and_no_output(store, words, sentence):
    outcome = store.run("train", *SMALL[:2], "tracking.system_metrics=false", *words)
    assert outcome.status == 2, outcome.err
    assert sentence in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def test_a_mandatory_value_must_be_given(store):
    outcome = store.run("train", "data=video_2017")
    assert outcome.status == 2
    assert outcome.sentence == "ValueError: data.train must be given: data.train=..."


def test_a_result_is_one_line_of_json_and_all_else_is_on_standard_error(store):
    outcome = store.run("train", *SMALL, "epochs=1")
    assert outcome.status == 0
    (line,) = outcome.out.splitlines()
    assert json.loads(line)["run_id"] in outcome.err
    assert "WARNING mlflow" not in outcome.err


@pytest.mark.parametrize("verb", ["train", "eval", "inference", "sweep"])
@pytest.mark.parametrize(("word", "status"), [("--help", 0), ("--cfg=job", 0), ("wrong=1", 2)])
def test_help_and_mistakes_answer_without_tensorflow_or_mlflow(verb, word, status):
    outcome = subprocess.run(
        [sys.executable, "-c", SHOWS_MODULES, verb, word],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == status, outcome.stderr
    assert outcome.stderr.splitlines()[-1] == "loaded: []"
    assert bool(outcome.stdout) == (status == 0)
