import json
import os
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from tests.verbs import PROJECT, SMALL
from yt8m_exp import cli
from yt8m_exp.config import groups

pytestmark = pytest.mark.slow
SHOWS_MODULES = """
import atexit, runpy, sys
heavy = {"tensorflow", "keras", "mlflow"}
atexit.register(lambda: print("loaded:", sorted(heavy & sys.modules.keys()), file=sys.stderr))
runpy.run_module("yt8m_exp." + sys.argv.pop(1), run_name="__main__")
"""
COUNTS_COMPOSITIONS = """
import atexit, runpy, sys
from hydra._internal.config_loader_impl import ConfigLoaderImpl
composed, load = [], ConfigLoaderImpl.load_configuration
ConfigLoaderImpl.load_configuration = lambda *given, **named: (
    composed.append(given), load(*given, **named)
)[1]
atexit.register(lambda: print("composed:", len(composed), file=sys.stderr))
runpy.run_module("yt8m_exp.train", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("epoch=3",), "`train` has no key `epoch`. Did you mean epochs?"),
        (("model=moee",), f"`model` must be one of {', '.join(groups.choices('model'))}, but got"),
        (("model=moee",), "but got 'moee'. Did you mean moe?"),
        (("epochs=0",), "`epochs > 0` must hold, but got epochs=0."),
        (("epochs=many",), "`epochs` must be a number, but got epochs='many'."),
        (("batch_size=0",), "`batch_size >= 1` must hold"),
        (("precision=float8",), "`precision` must be 'float32' or 'mixed_bfloat16'"),
        (("clip.by=row",), "`clip.by` must be 'variable' or 'global'"),
        (("data.train=nowhere/*.tfrecord",), "No shard matches 'nowhere/*.tfrecord'"),
        (("data.on_bad_record=hide",), "`data.on_bad_record` must be 'stop' or 'skip'"),
        (
            ("model.normalize=some",),
            "`model.normalize` must be 'each', 'joint', 'none', 'unwhiten'",
        ),
        (("model=moe", "model.head.experts=0"), "`model.head.experts >= 1` must hold"),
        (("+model.experts=2",), "unexpected keyword argument 'experts'"),
        (("resume=nothing",), "has no run 'nothing'"),
        (("++a.b.c=3",), "`train` has no key `a.b.c`"),
        (("hydra.callbacks={x: {_target_: os.abort}}",), "may not change Hydra itself"),
        (("loss._target_=os.abort",), "The _target_ of `loss` must be a function or class"),
        (("--experimental-rerun=x.pickle",), "There is no option --experimental-rerun"),
        (("-m", "epochs=1,2"), "`-m` is not offered: `train` runs once."),
        (("--multirun", "epochs=1,2"), "yt8m sweep sweep="),
        (("loss.label_weights=nowhere.csv",), "nowhere.csv cannot be read"),
    ],
)
def test_bad_usage_ends_with_2_and_a_sentence_and_no_output(store, words, sentence):
    outcome = store.run("train", *SMALL[:2], "tracking.system_metrics=false", *words)
    assert outcome.status == 2, outcome.err
    assert sentence in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("words", "key"), [((), "data.folder"), (("data.train=nowhere",), "data.train")]
)
def test_where_own_videos_lie_is_told_by_the_key_that_a_user_sets(store, words, key):
    outcome = store.run("train", "data=own_video", *words)
    assert f"Set {key} to where yours lie" in outcome.sentence


@pytest.mark.parametrize(
    ("verb", "words", "status", "sentence"),
    [
        ("train", ("data.train={text}",), 2, "text.csv, record 0"),
        ("train", ("data.vocabulary={text}",), 2, "expected the columns"),
        ("train", ("data.train={folder}",), 2, "Set data.train to where yours lie"),
        ("train", ("start_from=nothing",), 2, "No model at 'runs:/nothing/best'"),
        ("train", ("start_from={folder}/nothing",), 2, "no such folder"),
        ("train", ("tracking.runs=/proc/nothing",), 2, "cannot be made or written to"),
        ("train", ("epochs=${{nothing}}",), 2, "Interpolation key 'nothing' not found"),
        (
            "train",
            ("model._target_=nothing",),
            2,
            "The _target_ of `model` must be a function or class of yt8m_exp.models",
        ),
        ("train", ("~optimizer",), 2, "must be there"),
        ("inference", ("model_uri={folder}", "output=/proc/out.csv"), 2, "cannot be written"),
        ("eval", ("model_uri={folder}", "+loss.epsilon=1"), 2, "Name the loss first"),
        ("eval", ("predictions={text}",), 2, "expected the header"),
        ("inference", ("model_uri=nothing", "output={folder}/out.csv"), 2, "no such folder"),
        ("export", ("model_uri={folder}", "output=/proc/out"), 2, "cannot be made or written to"),
        ("sweep", ("sweep=moe", "storage={folder}"), 2, "is a folder. Set storage to a file"),
        ("sweep", ("sweep=moe", 'fixed=["epochs=nan"]'), 2, "`epochs` must be a finite number"),
        ("sweep", ("sweep=moe", 'fixed=["loss.epsilon=-1"]'), 2, "`loss.epsilon >= 0` must hold"),
    ],
)
def test_bad_input_leaves_no_run(store, tmp_path, verb, words, status, sentence):
    text = tmp_path / "folder" / "text.csv"
    text.parent.mkdir()
    text.write_text("no shard, and no table either")
    before = store.run_ids()
    given = [word.format(text=text, folder=text.parent) for word in words]
    outcome = store.run(verb, *given)
    assert outcome.status == status, outcome.err
    assert sentence in outcome.sentence
    assert store.run_ids() == before


def test_a_mandatory_value_must_be_given(store):
    outcome = store.run("train", "data=video_2017")
    assert outcome.status == 2
    assert outcome.sentence == "Error: data.train must be given: data.train=..."


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


@pytest.mark.parametrize(
    ("words", "times"), [(("epochs=0",), 1), (("epochs=0", "hydra.verbose=false"), 2)]
)
def test_a_verb_composes_its_configuration_once_unless_hydras_main_does(words, times):
    outcome = subprocess.run(
        [sys.executable, "-c", COUNTS_COMPOSITIONS, *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert outcome.stderr.splitlines()[-1] == f"composed: {times}"


@pytest.mark.parametrize(
    ("interrupt", "sentence"),
    [
        (KeyboardInterrupt(), "Stopped by Ctrl-C."),
        (KeyboardInterrupt("Stopped: 2 files."), "Stopped: 2 files."),
    ],
)
def test_an_interrupt_ends_with_130_and_a_sentence(monkeypatch, capsys, interrupt, sentence):
    def work(*given, **named):
        raise interrupt

    monkeypatch.setattr(cli, "_work", work)
    assert cli._status("train", OmegaConf.create(), tensorflow=False, wants_json=True) == 130
    assert capsys.readouterr() == ("", f"{sentence}\n")


@pytest.mark.parametrize("closed", ["2>&1 | true", ">&-"])
def test_whoever_stops_reading_stops_no_work(store, trained, closed):
    command = f"set -o pipefail; {sys.executable} -m yt8m_exp.history name=tagger {closed}"
    environment = os.environ | store.environment
    ended = subprocess.run(
        ["bash", "-c", command], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr


def test_a_terminal_that_is_gone_stops_no_work(store, trained):
    master, terminal = os.openpty()
    os.close(master)
    command = [sys.executable, "-m", "yt8m_exp.history", "name=tagger"]
    environment = os.environ | store.environment
    ended = subprocess.run(
        command, cwd=PROJECT, env=environment, stdout=terminal, stderr=terminal, check=False
    )
    os.close(terminal)
    assert ended.returncode == 0


def test_the_line_of_json_can_be_asked_of_an_entry_point(store, trained):
    for words in (("--json", "true"), ("--overrides", "json=true")):
        assert store.done("history", "--parameters", "--name", "tagger", *words)["name"] == "tagger"
