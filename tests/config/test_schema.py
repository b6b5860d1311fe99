import math
import re

import pytest

from yt8m_exp.__main__ import verbs
from yt8m_exp.config import compose, schema


def built(values, prefix=""):
    """The groups that Hydra builds, whose keys are checked by what is built."""
    for key, value in values.items():
        if isinstance(value, dict):
            if "_target_" in value:
                yield f"{prefix}{key}."
            yield from built(value, f"{prefix}{key}.")


@pytest.mark.parametrize("verb", sorted(schema.TYPES))
def test_every_key_has_a_type(verb):
    values = compose.plain(compose.compose(verb))
    checked = (*built(values), *(f"{key}." for key in schema.TYPES[verb]))
    for key in compose.leaves(values):
        assert key in schema.TYPES[verb] or key.startswith(checked), key


@pytest.mark.parametrize("verb", sorted(schema.TYPES))
def test_the_defaults_are_of_their_types(verb):
    values = compose.plain(compose.compose(verb))
    for key, value in compose.leaves(values).items():
        if value == "???":
            *groups, last = key.split(".")
            holder = values
            for group in groups:
                holder = holder[group]
            holder[last] = "given"
    schema.check(verb, values)


def test_every_verb_has_types():
    assert schema.TYPES.keys() == verbs().keys()


@pytest.mark.parametrize(
    ("verb", "key", "value", "sentence"),
    [
        ("inference", "batch_size", -5, "`batch_size >= 1` must hold"),
        ("inference", "batch_size", 2.5, "`batch_size` must be an integer"),
        ("inference", "top_k", 2.5, "`top_k` must be an integer, but got top_k=2.5."),
        ("inference", "top_k", None, "`top_k` must be an integer, but got top_k=None."),
        ("inference", "shards", 123, "`shards` must be"),
        ("inference", "shards", [], "`shards` must not be empty"),
        ("inference", "shards", "", "`shards` must not be empty"),
        ("train", "evaluate_every", 0, "`evaluate_every >= 1` must hold"),
        ("train", "log_every", 0, "`log_every >= 1` must hold"),
        ("train", "ema_half_life", 0, "`ema_half_life > 0` must hold"),
        ("train", "patience", 1.5, "`patience` must be an integer"),
        ("train", "batch_size", True, "`batch_size` must be an integer, but got batch_size=True."),
        ("train", "epochs", math.nan, "`epochs` must be a finite number"),
        ("train", "learning_rate", math.inf, "`learning_rate` must be a finite number"),
        ("train", "register", "a/b", "`register` must be a name without '/' and ':'"),
        ("train", "register", "a:b", "`register` must be a name without '/' and ':'"),
        ("train", "register", "..", "`register` must be a name without '/' and ':'"),
        ("train", "register", 2024, "`register` must be text"),
        ("train", "data.features", {"rgb": 0}, "`data.features >= 1` must hold"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(verb, key, value, sentence):
    values = value
    for part in reversed(key.split(".")):
        values = {part: values}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        schema.check(verb, values)


@pytest.mark.parametrize("value", [0.5, 3, 1e9])
def test_numbers_in_range_pass(value):
    schema.check("train", {"epochs": value})


def test_missing_keys_pass():
    schema.check("train", {"data": {"level": "video"}})
