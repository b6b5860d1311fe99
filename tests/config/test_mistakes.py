import pytest
from hydra.errors import HydraException

from yt8m_exp.config import compose, mistakes
from yt8m_exp.spec import InputError


def sentence(verb, *words):
    with pytest.raises((HydraException, InputError)) as raised:
        compose.compose(verb, mistakes.corrected(verb, words))
    if isinstance(raised.value, InputError):
        return str(raised.value)
    return mistakes.explained(verb, words, raised.value)


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (("epoch=3",), "`train` has no key `epoch`. Did you mean epochs?"),
        (("modle=moe",), "`train` has no key `modle`. Did you mean model?"),
        (("~epoch",), "`train` has no key `epoch`. Did you mean epochs?"),
        (("model=moe", "exparts=4"), "Did you mean model.head.experts?"),
        (("nothing_like_it=1",), "`yt8m train --help` lists the keys."),
        (("model=moee",), "but got 'moee'. Did you mean moe?"),
        (("model.head=moee",), "but got 'moee'. Did you mean moe?"),
        (("loss=hing",), "but got 'hing'. Did you mean hinge?"),
        (("moe",), "A word must be key=value, but got 'moe'. Write model=moe."),
        (("--model=moe",), "There is no option --model. Write model=moe, without dashes."),
        (("--epohcs", "3"), "There is no option --epohcs. Did you mean epochs?"),
        (("epochs=[1",), """in quotes that reach the program: epochs="'[1'\""""),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(words, end):
    assert sentence("train", *words).endswith(end)


def test_a_list_of_overrides_is_shown_as_it_must_be_given():
    given = "fixed=[epochs=3, seed=1]"
    meant = """fixed='["epochs=3","seed=1"]'"""
    assert sentence("sweep", "sweep=moe", given).endswith(f"put each in quotes: {meant}")
    cfg = compose.compose("sweep", ["sweep=moe", meant.replace("'", "")])
    assert cfg.fixed == ["epochs=3", "seed=1"]


def test_a_key_that_a_verb_has_not_is_named_before_its_value_is_read():
    said = sentence("sweep", "sweep=moe", "overrides=[epochs=3]")
    assert said == "`sweep` has no key `overrides`. `yt8m sweep --help` lists the keys."


def test_a_pattern_that_the_shell_has_replaced_is_shown_in_quotes():
    said = sentence("check", "/data/a0.tfrecord", "/data/a1.tfrecord")
    assert said.endswith("Put the pattern in quotes: shards='/data/*.tfrecord'")
    assert "data.train='sample/" in sentence("train", "sample/a.tfrecord")


@pytest.mark.parametrize("pattern", ["a[0-9]*.tfrecord", "{a,b}*", "a b*", "a=b,[c"])
def test_a_pattern_needs_no_quotes_but_those_of_the_shell(pattern):
    (word,) = mistakes.corrected("train", [f"data.train={pattern}"])
    assert compose.compose("train", [word]).data.train == pattern


def test_right_words_and_options_of_hydra_pass():
    words = ["model=moe", "~data.features.mean_rgb", "+x=1", "data.train=[a,b]", "--cfg", "job"]
    assert mistakes.corrected("train", words) == words
