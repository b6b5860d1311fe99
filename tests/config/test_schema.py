import math
import re
from copy import deepcopy
from functools import cache

import pytest

from yt8m_exp.config import compose, groups, key_types, parts, schema
from yt8m_exp.config.doors import verbs


def configurations():
    """Each verb by default, and with each choice of each group."""
    yield from ((verb, []) for verb in sorted(key_types.TYPES))
    for group in ("model", "loss", "optimizer", "schedule", "data", "experiment"):
        yield from (("train", [f"{group}={choice}"]) for choice in groups.choices(group))
    for model, part in ("dbof", "sampling"), ("moe", "head"):
        choices = groups.choices(part)
        yield from (("train", [f"model={model}", f"model.{part}={choice}"]) for choice in choices)
    yield from (("sweep", [f"launcher={choice}"]) for choice in groups.choices("launcher"))


NO_NAME = "must be a name without '/', ':' and '@', which does not end in .decisions, but got"
CONFIGURATIONS = [" ".join((verb, *overrides)) for verb, overrides in configurations()]


def composition(words):
    """The verb of one of them, and its values."""
    return words.partition(" ")[0], deepcopy(composed(words))


@cache
def composed(words):
    verb, *overrides = words.split()
    return compose.plain(compose.compose(verb, overrides))


@pytest.mark.parametrize("words", CONFIGURATIONS)
def test_every_key_has_a_type(words):
    verb, values = composition(words)
    checked = {*key_types.TYPES[verb], *(key for key, _ in parts.keys(values))}
    inside = (*parts.built(values), *(f"{known}." for known in checked))
    for key in compose.leaves(values):
        assert key in checked or key.startswith(inside), key


def test_keys_inside_the_groups_that_are_shipped_are_checked_too():
    values = compose.plain(compose.compose("train", ["model=dbof", "optimizer=adamw"]))
    assert {"model.dropout", "model.head.l2", "optimizer.weight_decay"} <= {
        key for key, _ in parts.keys(values)
    }


@pytest.mark.parametrize("words", CONFIGURATIONS)
def test_the_defaults_are_of_their_types(words):
    verb, values = composition(words)
    for key, value in compose.leaves(values).items():
        if value == "???":
            *groups, last = key.split(".")
            holder = values
            for group in groups:
                holder = holder[group]
            holder[last] = "given"
    schema.check(verb, values)


def test_every_verb_has_types():
    assert key_types.TYPES.keys() == verbs().keys()


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
        ("train", "epochs", 1e300, "`epochs <= 1e+06` must hold"),
        ("train", "epochs", math.nan, "`epochs` must be a finite number"),
        ("train", "learning_rate", math.inf, "`learning_rate` must be a finite number"),
        ("train", "register", "a/b", NO_NAME),
        ("train", "register", "a:b", NO_NAME),
        ("train", "register", "..", NO_NAME),
        ("train", "register", "a@champion", NO_NAME),
        ("promote", "name", "a.decisions", NO_NAME),
        ("train", "register", 2024, "`register` must be text"),
        ("train", "model", {"_target_": "x", "dropout": -0.5}, "`model.dropout >= 0` must hold"),
        ("train", "model", {"_target_": "x", "dropout": 1}, "`model.dropout < 1` must hold"),
        ("train", "model", {"_target_": "x", "dropout": True}, "`model.dropout` must be a number"),
        (
            "train",
            "model",
            {"_target_": "x", "head": {"_target_": "y", "l2": math.nan}},
            "`model.head.l2` must be a finite number",
        ),
        ("train", "optimizer", {"_target_": "x", "beta_2": 1}, "`optimizer.beta_2 < 1` must hold"),
        ("sweep", "launcher", {"_target_": "x", "devices": 0}, "`launcher.devices` must be a list"),
        ("train", "batch_size", 2**31, "`batch_size < 2147483648` must hold"),
        ("train", "data.features", {}, "`data.features` must not be empty"),
        ("train", "data.features", {"rgb": 0}, "`data.features >= 1` must hold"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(verb, key, value, sentence):
    values = value
    for part in reversed(key.split(".")):
        values = {part: values}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        schema.check(verb, values)


@pytest.mark.parametrize("value", [0.5, 3, 1e6])
def test_numbers_in_range_pass(value):
    schema.check("train", {"epochs": value})


def test_missing_keys_pass():
    schema.check("train", {"data": {"level": "video"}})


@pytest.mark.parametrize(
    ("verb", "word", "key"),
    [
        ("train", "++a.b.c=3", "a.b.c"),
        ("train", "+epoch=3", "epoch"),
        ("train", "++clip.norn=1", "clip.norn"),
        ("train", "++data.shuffle={a: 1}", "data.shuffle.a"),
        ("eval", "+top_m={}", "top_m"),
    ],
)
def test_a_key_that_is_added_must_be_one_of_the_verb(verb, word, key):
    values = compose.plain(compose.compose(verb, [word]))
    with pytest.raises(ValueError, match=f"`{verb}` has no key `{key}`"):
        schema.check(verb, values)


@pytest.mark.parametrize(
    ("verb", "word"),
    [
        ("train", "++epochs=3"),
        ("train", "+model.mine=3"),
        ("train", "++optimizer.clipnorm=1"),
        ("train", "+data.features.more=7"),
        ("sweep", "+launcher.resources={GPU: 1}"),
    ],
)
def test_a_known_key_and_one_of_what_is_built_may_be_added(verb, word):
    schema.check(verb, compose.plain(compose.compose(verb, [word])))


@pytest.mark.parametrize("overrides", [["~clip"], ["clip=null"], ["~loss"], ["~data.classes"]])
def test_a_key_that_is_left_out_is_named(overrides):
    values = compose.plain(compose.compose("train", overrides))
    with pytest.raises(ValueError, match=f"`{overrides[0].strip('~').split('=')[0]}.* must be"):
        schema.require_keys("train", values)


@pytest.mark.parametrize("words", CONFIGURATIONS)
def test_each_choice_has_the_keys_that_its_verb_needs(words):
    schema.require_keys(*composition(words))
