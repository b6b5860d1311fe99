import optuna
import pytest

from yt8m_exp.config.compose import settings
from yt8m_exp.config.overrides import override
from yt8m_exp.tuning.space import Space

RATE = {"type": "float", "low": 0.001, "high": 0.05, "log": True}
MODELS = {"type": "categorical", "choices": ["logistic", "moe"]}
EXPERTS = {"type": "int", "low": 1, "high": 8, "when": "model=moe"}


def compose(params):
    return settings("train", [override(*item) for item in params.items()])


def parse(**entries):
    return Space.parse({key.replace("__", "."): entry for key, entry in entries.items()}, compose)


def proposals(space, count=30):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.suggest(study.ask()) for _ in range(count)]


@pytest.fixture(scope="module")
def conditional():
    return parse(learning_rate=RATE, model=MODELS, model__head__experts=EXPERTS)


def test_a_parameter_is_there_where_its_condition_holds(conditional):
    found = proposals(conditional)
    assert {params["model"] for params in found} == {"logistic", "moe"}
    for params in found:
        assert ("model.head.experts" in params) == (params["model"] == "moe")
        assert 0.001 <= params["learning_rate"] <= 0.05


def test_every_proposal_composes(conditional):
    for params in proposals(conditional, 4):
        settings = compose(params)
        assert params.items() <= settings.items()


def test_the_default_is_the_configurations_own(conditional):
    assert conditional.default() == {"learning_rate": 0.02, "model": "logistic"}


def test_steps_and_logs_are_kept():
    step = {"type": "float", "low": 0.0, "high": 0.5, "step": 0.25}
    batch = {"type": "int", "low": 64, "high": 1024, "log": True}
    space = parse(model__dropout=step, batch_size=batch)
    found = proposals(space)
    assert {params["model.dropout"] for params in found} == {0.0, 0.25, 0.5}
    small = sum(params["batch_size"] <= 256 for params in found)
    assert 8 <= small <= 22  # half of the orders of magnitude


def test_an_end_may_depend_on_another_key():
    high = {"type": "int", "low": 1, "high": "batch_size // 64"}
    space = parse(batch_size={"type": "categorical", "choices": [128, 256]}, epochs=high)
    for params in proposals(space):
        assert 1 <= params["epochs"] <= params["batch_size"] // 64


def test_null_and_lists_are_choices():
    space = parse(clip__norm={"type": "categorical", "choices": [None, 0.5, 1.0]})
    assert space.default() == {"clip.norm": None}


def test_whole_numbers_are_choices_of_a_key_of_any_number():
    rates = {"type": "categorical", "choices": [0, 0.5, 1]}
    epochs = {"type": "categorical", "choices": [5.0, 10.0]}
    space = parse(model__dropout=rates, epochs=epochs)
    assert space.default() == {"model.dropout": 0, "epochs": 10}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(space.default())
    assert space.suggest(study.ask()) == space.default()
    for params in [space.suggest(study.ask()) for _ in range(9)]:
        settings = compose(params)
        assert {key: settings[key] for key in params} == params


def test_a_number_is_no_choice_of_a_switch():
    with pytest.raises(ValueError, match="`jit_compile` is False by default"):
        parse(jit_compile={"type": "categorical", "choices": [0, 1]}).default()


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({}, "its `space` is empty"),
        ({"learnin_rate": RATE}, "`learnin_rate` is no key .* Did you mean `learning_rate`?"),
        ({"model__head__experts": EXPERTS | {"when": None}}, "`model.head.experts` is no key"),
        ({"learning_rate": RATE | {"low": 0.1}}, r"low <= high must hold, but got 0.1 and 0.05"),
        ({"learning_rate": RATE | {"low": 0.0}}, "a log range must begin above 0"),
        ({"learning_rate": RATE | {"hi": 1}}, "a float has no `hi`, only high, log, low"),
        ({"learning_rate": {"type": "float", "low": 1}}, "a float needs `high`"),
        ({"learning_rate": {"low": 1, "high": 2}}, "must have a `type` of float, int, cat"),
        ({"model": {"type": "categorical", "choices": []}}, "`choices` must be a list of values"),
        ({"learning_rate": RATE | {"step": 0.1}}, "must have `log` or `step`, not both"),
        ({"model__head__experts": EXPERTS, "model": MODELS}, "`model`, which must stand before it"),
        (
            {"model": MODELS, "model__head__experts": EXPERTS | {"when": "model=lstm"}},
            "`model.head.experts` would never be varied: `model=lstm` holds nowhere",
        ),
        (
            {
                "model": MODELS,
                "model__head__experts": EXPERTS | {"when": "model=='moe' and epochs > 10"},
            },
            "`model=='moe' and epochs > 10` holds nowhere",
        ),
        (
            {
                "batch_size": {"type": "categorical", "choices": [64, 256]},
                "epochs": {"type": "int", "low": 2, "high": "batch_size // 64"},
            },
            "`epochs`: low <= high must hold, but got 2 and 1",
        ),
        ({"model": {"type": "categorical", "choices": ["lo"]}}, "Could not find 'model/lo'"),
    ],
)
def test_a_space_that_no_trial_could_use_is_refused(entries, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse(**entries)


@pytest.mark.parametrize(
    "entry",
    [
        RATE | {"high": 0.01},
        {"type": "categorical", "choices": [0.01, 0.1]},
        {"type": "float", "low": 0.0, "high": 0.1, "step": 0.03},
    ],
)
def test_a_space_without_the_default_is_refused(entry):
    with pytest.raises(ValueError, match=r"`learning_rate` is 0.02 by default. Widen its range"):
        parse(learning_rate=entry).default()
