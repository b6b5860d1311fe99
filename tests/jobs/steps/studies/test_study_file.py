import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from yt8m_exp.jobs.steps.studies import study_file
from yt8m_exp.spec import InputError

GOOD = {
    "name": "study",
    "overrides": ["model=moe"],
    "objectives": {"val/gap": "maximize"},
    "trials": 3,
    "constraints": ["parameters < 100", "epochs < 5"],
    "space": {
        "learning_rate": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        "epochs": {"type": "int", "low": 1, "high": "batch_size", "step": 2, "when": "seed=0"},
        "seed": {"type": "categorical", "choices": [0, 1]},
    },
    "hours": 1.5,
    "retries": 1,
    "sampler": {"_target_": "optuna.samplers.RandomSampler"},
    "pruner": None,
}
SETTINGS = {"learning_rate": 0.01, "epochs": 3, "seed": 0, "batch_size": 64}
NOT_GIVEN = {"train": None, "validate": None, "fixed": [], "trials": None, "name": None}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["${nope}", "${name}", "a +", "a.b(", "model=[a", "'%q' % 1", "1 % 0", "9**9"]),
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(SCALARS, SCALARS, max_size=2)
)


def refusal(path):
    """What is said of a study's file that cannot be used, None where it can."""
    try:
        study_file.read(str(path), NOT_GIVEN).search_space(lambda params: SETTINGS | params)
    except InputError as error:
        return str(error)
    return None


def changed(values, path, value):
    """Values with another one at a path of keys."""
    key, *rest = path
    return {**values, key: changed(values[key], rest, value) if rest else value}


PATHS = [
    *([key] for key in GOOD),
    *(["space", key] for key in GOOD["space"]),
    *(["space", key, field] for key, entry in GOOD["space"].items() for field in entry),
    *(["space", "seed", field] for field in ("low", "log", "when")),
    *([["space", "model.dropout"], ["other"], ["objectives", "a"]]),
]


@given(path=st.sampled_from(PATHS), value=VALUES)
def test_a_study_with_any_value_is_read_or_refused(tmp_path, path, value):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(changed(GOOD, path, value), allow_unicode=True), "utf-8")
    refusal(file)


@given(data=st.data())
def test_a_file_of_any_text_is_read_or_refused(tmp_path, data):
    file, known = tmp_path / "study.yaml", yaml.safe_dump(GOOD)
    place = data.draw(st.integers(0, len(known)))
    inside = data.draw(st.one_of(st.text(max_size=8), st.sampled_from(["\x00", "&a", "*a", "!!x"])))
    file.write_bytes((known[:place] + inside + known[place:]).encode())
    refusal(file)
    file.write_bytes(data.draw(st.binary(max_size=20)))
    assert refusal(file)


def test_the_study_that_is_changed_is_a_good_one(tmp_path):
    good = changed(GOOD, ["space"], dict(reversed(GOOD["space"].items())))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(good, sort_keys=False))
    assert refusal(tmp_path / "study.yaml") is None


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["overrides"], "model=moe", "`overrides` must be a list"),
        (["space"], [], "`space` must be a dictionary"),
        (["space", "seed"], 3, "`seed` must have a `type` of float, int, categorical"),
        (["trials"], True, "`trials` must be an integer"),
        (["hours"], "1", "`hours` must be a number"),
        (["space", "epochs", "step"], 0, "`space.epochs: step >= 1` must hold"),
        (["space", "epochs", "low"], 1.5, "`space.epochs: low` must be an integer"),
        (["space", "learning_rate", "log"], "yes", "`space.learning_rate: log` must be a boolean"),
        (["sampler"], "optuna.samplers.RandomSampler", "`sampler` must be a dictionary"),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path, path, value, sentence):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(changed(GOOD, path, value)))
    assert re.search(re.escape(sentence), refusal(file)), refusal(file)
