import pytest

from yt8m_exp.config import compose, groups

HEADS = ", ".join(groups.choices("head"))


def test_the_choice_of_a_nested_group_becomes_hydras():
    words = ["model=dbof", "model.head=logistic", "+model.sampling=run", "model.sampling.samples=9"]
    assert groups.to_hydra(words) == [
        "model=dbof",
        "head@model.head=logistic",
        "+sampling@model.sampling=run",
        "model.sampling.samples=9",
    ]


@pytest.mark.parametrize(
    "word",
    [
        "model=moe",
        "model.dropout=0.5",
        "model.head.experts=4",
        "model.head={_target_: mine.Head}",
        "head@model.head=moe",
        "~model.head",
        "tracking.experiment=mine",  # a value, though `experiment` is a group elsewhere
        "tracking.run_name='model.head=moe'",
        "--cfg",
        "",
    ],
)
def test_other_words_stay_as_they_are(word):
    assert groups.to_hydra([word]) == [word]


@pytest.mark.parametrize("value", ["svm", "logistic,moe", "null", ""])
def test_a_choice_that_names_no_file_is_refused(value):
    sentence = f"`model.head` must be one of {HEADS}, but got '{value}'."
    with pytest.raises(ValueError, match=sentence):
        groups.to_hydra([f"model.head={value}"])


def test_hydras_choices_have_the_keys_of_the_command_line():
    assert groups.from_hydra("head@model.head") == "model.head"
    assert groups.from_hydra("model") == "model"


def test_a_group_may_stand_in_a_nested_group(tmp_path, monkeypatch):
    files = {
        "model/a.yaml": "defaults:\n  - /head@head: b\n  - _self_\n",
        "head/b.yaml": "defaults:\n  - /gate@input_gate: c\n",
        "gate/c.yaml": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(groups, "CONF", tmp_path)
    groups._placed.cache_clear()
    assert groups.to_hydra(["model.head.input_gate=c"]) == ["gate@model.head.input_gate=c"]
    groups._placed.cache_clear()


def test_settings_hold_choices_and_values_by_key():
    settings = compose.settings(
        "train", ["model=dbof", "model.sampling=run", "model.head=logistic"]
    )
    assert (settings["model"], settings["model.sampling"]) == ("dbof", "run")
    assert settings["model.head"] == "logistic"
    assert settings["model.sampling.method"] == "run"
    assert "model.head.experts" not in settings


def test_the_order_of_a_choice_and_its_values_is_free():
    words = ["model.sampling.samples=120", "model.sampling=run", "data=frame", "model=lstm"]
    assert compose.compose("train", words).model.sampling.samples == 120


@pytest.mark.parametrize("model", ["moe", "dbof", "lstm"])
def test_a_recipe_of_the_starter_code_takes_another_head(model):
    recipe = [f"experiment=starter_code_{model}"]
    head = compose.compose("train", [*recipe, "model.head=logistic"]).model.head
    target = "yt8m_exp.models.heads.Logistic"
    expected = {"_target_": target, "l2": 1e-8, "initial_bias": 0, "l2_of_biases": False}
    assert head == expected
    assert compose.compose("train", recipe).model.head.gate_initializer == "glorot_uniform"


def test_another_head_changes_that_group_as_a_whole():
    changes = compose.changes("train", compose.compose("train", ["model.head=moe", "epochs=3"]))
    assert changes.keys() == {"model.head", "epochs"}
    assert changes["model.head"]["experts"] == 2


def test_a_misspelt_choice_ends_with_2_and_a_sentence(store):
    outcome = store.run("train", "model.head=mo")
    assert outcome.status == 2
    expected = f"Error: `model.head` must be one of {HEADS}, but got 'mo'. Did you mean moe?"
    assert outcome.sentence == expected


@pytest.mark.parametrize("word", ["shard=1,100", "shard='1,100'"])
def test_a_value_with_commas_is_text(word):
    assert compose.compose("download", [word]).shard == "1,100"


@pytest.mark.parametrize("word", ["train=[a,b]", "fixed=['a,b',c]"])
def test_a_list_stays_a_list(word):
    assert groups.to_hydra([word]) == [word]


@pytest.mark.parametrize("group", ["model", "data", "tracking", "experiment"])
def test_a_group_cannot_be_null(group):
    with pytest.raises(ValueError, match=f"`{group}` must be one of .*, but got null"):
        groups.to_hydra([f"{group}=null"])
