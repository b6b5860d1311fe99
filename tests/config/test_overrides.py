import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from yt8m_exp.config import compose
from yt8m_exp.config.overrides import MARK, SHORT, from_mlproject, in_full, override
from yt8m_exp.spec import InputError

AWKWARD = [
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
    "[shard].tfrecord",
    "[a",
    "{a",
    "{a: 1}",
    "'a'",
    '"a"',
    "${x}",
    r"\${x}",
    "${spec:CLASSES}",
    "null",
    "True",
    "1e3",
    "007",
    "inf",
    " a ",
    "a\tb",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
NUMBERS = st.integers() | st.floats(allow_nan=False)
VALUES = st.recursive(
    TEXT | NUMBERS | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=6,
)


def seen(words):
    """A configuration with these overrides, as the verb's work would see it."""
    cfg = compose.compose("rollback", words)
    return compose.plain(compose.from_plain(compose.plain(cfg)))


def composed(words):
    """The value of `reason`, a key that may have any."""
    return seen(words)["reason"]


def added(values):
    """Overrides that add each value under a key of its own."""
    return [override(f"+new{place}", value) for place, value in enumerate(values)]


@settings(max_examples=25, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12))
def test_any_value_reaches_the_configuration_as_it_is(values):
    found = seen(added(values))
    assert [found[f"new{place}"] for place in range(len(values))] == values


@pytest.mark.parametrize("value", AWKWARD)
def test_awkward_text_reaches_the_configuration_as_it_is(value):
    assert composed([override("reason", value)]) == value


@pytest.mark.parametrize("value", [value for value in AWKWARD if value != "null"])
def test_a_parameter_of_text_is_that_text(value):
    assert composed(from_mlproject(["--parameters", "--reason", value], text=["reason"])) == value


@settings(max_examples=20, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=12))
def test_text_within_the_free_overrides_is_that_text(values):
    free = shlex.join(added(values))
    found = seen(from_mlproject(["--parameters", "--overrides", free], text=["reason"]))
    assert [found[f"new{place}"] for place in range(len(values))] == values


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_a_value_survives_a_resume(value):
    cfg = compose.from_plain({"reason": None})
    compose.update(cfg, "reason", value)
    again = compose.from_plain(compose.plain(cfg))
    assert compose.plain(again)["reason"] == value
    if isinstance(value, str):
        assert again.reason == value
    assert OmegaConf.is_config(again)


def test_a_parameter_that_is_empty_is_left_out_and_null_is_null():
    words = ["--parameters", "--model", "moe", "--epochs", "", "--shards", "null"]
    assert from_mlproject(words, lists=["shards"]) == ["model=moe", "shards=null"]


def test_defaults_stand_before_the_parameters_and_short_names_are_replaced():
    words = ["seed=1", "--parameters", "--train", "a b", "--seed", "2"]
    names = SHORT["train"]
    found = in_full(from_mlproject(words, lists=["data.train"], names=names), "train")
    assert found == ["seed=1", "data.train='a b'", "seed=2"]
    assert compose.compose("train", found).seed == 2


def test_an_empty_pattern_is_kept_to_be_refused():
    words = ["--parameters", "--train", ""]
    assert from_mlproject(words, lists=["data.train"], names=SHORT["train"]) == ["data.train=''"]


@pytest.mark.parametrize("words", [["train=data.train", "--train", "a"], ["a=1", "b"], ["--a"]])
def test_words_that_are_no_parameters_are_refused(words):
    with pytest.raises(InputError, match="MLflow adds `--key value`, but got"):
        from_mlproject(["--parameters", *words])


def test_a_word_without_a_value_is_no_short_name():
    assert in_full(["train", "model=moe", "train=a"], "train") == [
        "train",
        "model=moe",
        "data.train=a",
    ]
    assert in_full(["model=moe"], "import_checkpoint") == ["kind=moe"]


@pytest.mark.parametrize("given", ["model=moe epochs=2", ' ["model=moe","epochs=2"]'])
def test_overrides_of_another_verb_are_a_list(given):
    words = from_mlproject(["--parameters", "--overrides", given], free=False)
    assert compose.compose("submit", words).overrides == ["model=moe", "epochs=2"]


def test_numbers_stay_numbers():
    words = ["--parameters", "--epochs", "3", "--learning_rate", "1e-3"]
    cfg = compose.compose("train", from_mlproject(words))
    assert (cfg.epochs, cfg.learning_rate) == (3, 0.001)


def test_words_without_parameters_are_hydras_own():
    words = ["model=moe", "run_name=", "--cfg", "job"]
    assert from_mlproject(words) == words


def test_overrides_are_split_as_a_shell_does():
    free = "epochs=2 ~data.features.mean_rgb 'tracking.run_name=a b'"
    words = ["--parameters", "--overrides", free, "--model", "moe"]
    expected = ["model=moe", "epochs=2", "~data.features.mean_rgb", "tracking.run_name=a b"]
    assert from_mlproject(words) == expected


@pytest.mark.parametrize("value", ["[a.tfrecord,b.tfrecord]", "['a.tfrecord',b.tfrecord]"])
def test_a_list_of_patterns_stays_a_list(value):
    words = from_mlproject(["--parameters", "--data.train", value], lists=["data.train"])
    assert compose.compose("train", words).data.train == ["a.tfrecord", "b.tfrecord"]


def test_a_pattern_that_begins_as_a_list_but_is_none_is_text():
    words = from_mlproject(["--parameters", "--data.train", "[a].t*"], lists=["data.train"])
    assert compose.compose("train", words).data.train == "[a].t*"


@pytest.mark.parametrize("option", ["--config-dir=x", "-cn", "--experimental-rerun", "-m"])
def test_free_overrides_hold_no_options(option):
    words = [MARK, "--overrides", f"epochs=2 {option}"]
    with pytest.raises(ValueError, match=f"`overrides` holds no options, but got '{option}'"):
        from_mlproject(words)
