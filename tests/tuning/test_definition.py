from functools import cache, partial
from pathlib import Path

import optuna
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from yt8m_exp.config import compose, studies
from yt8m_exp.config.overrides import override
from yt8m_exp.tuning.definition import Definition

FILES = sorted(studies.FOLDER.glob("*.yaml"))
MODELS = {path.stem for path in Path(compose.CONF, "model").glob("*.yaml")}
GOOD = {
    "name": "study",
    "overrides": ["model=moe"],
    "objectives": {"val/gap": "maximize"},
    "trials": 3,
    "space": {"model.head.experts": {"type": "int", "low": 1, "high": 8}},
}


def settings(overrides, params):
    return composed((*overrides, *(override(*item) for item in params.items())))


@cache
def composed(words):
    return compose.settings("train", words)


def searched(definition):
    return definition.search_space(partial(settings, definition.overrides))


def parse(**changes):
    return Definition.parse(GOOD | changes)


def test_every_model_has_a_study():
    assert {path.stem for path in FILES} >= MODELS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_study_can_begin(path):
    assert path.read_text().startswith("# ")
    definition = Definition.parse(OmegaConf.to_container(OmegaConf.load(path)))
    assert definition.name == path.stem
    assert definition.description
    space = searched(definition)
    assert space.default()
    pruner = instantiate(definition.pruner)
    study = optuna.create_study(
        directions=list(definition.objectives.values()), sampler=instantiate(definition.sampler)
    )
    assert pruner is None or isinstance(pruner, optuna.pruners.BasePruner)
    for trial in ({}, space.default(), space.suggest(study.ask())):
        assert trial.items() <= settings(definition.overrides, trial).items()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trial": 3}, "A study has no `trial`"),
        ({"name": None}, "A study needs `name`."),
        ({"space": {"data.train": {}}}, "`data.train` must be the same in all trials"),
        ({"space": {"evaluate_every": {}}}, "`evaluate_every` must be the same in all trials"),
        ({"trials": 0}, "`trials >= 1` must hold, but got 0."),
        ({"max_failures": 0}, "`max_failures >= 1` must hold"),
        ({"retries": -1}, "`retries >= 0` must hold"),
        ({"hours": 0}, "`hours` must be null or above 0"),
        ({"objectives": {"val/gap": "max"}}, "`val/gap` must be an objective to maximize or"),
        (
            {"objectives": {"val/gap": "maximize", "bytes": "minimize"}, "pruner": {"a": 1}},
            "Set pruner: null.",
        ),
    ],
)
def test_a_wrong_file_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse(**changes)


def test_constraints_are_told_apart_by_what_decides_them():
    definition = parse(
        constraints=["model.head.experts % 2 == 0", "parameters <= 10 * model.head.experts"]
    )
    assert [c.text for c in definition.static] == ["model.head.experts % 2 == 0"]
    assert [c.text for c in definition.measured] == ["parameters <= 10 * model.head.experts"]


def test_a_first_trial_that_breaks_a_constraint_is_refused():
    with pytest.raises(ValueError, match=r"breaks the constraint `model.head.experts > 2`"):
        searched(parse(constraints=["model.head.experts > 2"]))


def test_a_constraint_on_a_key_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"`model.head.expert` is no key .* `model.head.experts`"):
        searched(parse(constraints=["model.head.expert > 2"]))


def test_what_makes_trials_comparable_makes_the_identity():
    assert parse().identity == parse(trials=9, retries=0, description="else").identity
    for change in (
        {"overrides": ["model=moe", "epochs=2"]},
        {"constraints": ["bytes < 5"]},
        {"objectives": {"val/map": "maximize"}},
        {"space": {"epochs": {"type": "int", "low": 1, "high": 20}}},
    ):
        assert parse(**change).identity != parse().identity
