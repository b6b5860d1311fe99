"""Journals of studies that a disk or another program has changed: read, or refused by line."""

import json

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.damage import damaged
from yt8m_exp.spec import InputError
from yt8m_exp.tuning.storage import open_storage

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 12), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[bytes]:
    """The journal of a study with a trial of each kind."""
    path = tmp_path_factory.mktemp("study") / "journal"
    study = optuna.create_study(storage=open_storage(str(path)).optuna, study_name="study")
    study.enqueue_trial({"x": 0.5})
    for value in (0.25, None):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("y", ["a", None, 1])
        trial.report(0.5, 64)
        trial.set_user_attr("run_id", "0" * 32)
        if value:
            study.tell(trial, value)
    return path.read_bytes().splitlines(keepends=True)


def refusal(path):
    """What is said of a journal that cannot be read, None where its study can go on."""
    try:
        storage = open_storage(str(path)).optuna
    except InputError as error:
        return str(error)
    if "study" in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name="study", storage=storage)
        before = {trial.number for trial in study.get_trials() if trial.state.is_finished()}
        assert study.ask().number not in before
    return None


@given(data=st.data())
def test_a_journal_of_any_bytes_is_used_or_refused_by_its_line(tmp_path, lines, data):
    path = tmp_path / "journal"
    path.write_bytes(data.draw(damaged(b"".join(lines))))
    said = refusal(path)
    assert said is None or f"{path}, line " in said


@given(data=st.data())
def test_a_journal_with_any_value_is_used_or_refused_by_its_line(tmp_path, lines, data):
    place = data.draw(st.integers(0, len(lines) - 1))
    entry = json.loads(lines[place])
    entry[data.draw(st.sampled_from([*entry, "other"]))] = data.draw(VALUES)
    path = tmp_path / "journal"
    changed = json.dumps(entry).encode() + b"\n"
    path.write_bytes(b"".join([*lines[:place], changed, *lines[place + 1 :]]))
    said = refusal(path)
    assert said is None or f"{path}, line " in said
