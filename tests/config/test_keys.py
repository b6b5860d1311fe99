import pytest

from yt8m_exp.config import compose, groups, help, keys
from yt8m_exp.config.doors import verbs


@pytest.mark.parametrize("verb", verbs())
def test_the_help_of_a_verb_has_its_keys_with_defaults_and_comments(verb):
    text = help.text(verb)
    found = keys.of_verb(verb)
    assert text.startswith(verbs()[verb])
    assert f"\n  yt8m {verb}" in text
    for key, value in compose.leaves(compose.plain(compose.compose(verb))).items():
        hidden = key.rpartition(".")[2] in keys.BUILT
        assert (f"\n  {key}=" in text) is not hidden, key
        assert hidden or found.defaults[key] == value


def test_the_help_is_that_of_the_choices(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = help.text("train", ["model=moe"])
    choices = groups.choices("model")
    assert f"  model=moe                           {choices[0]}, {choices[1]}" in text
    assert "  model.head.experts=2                of each class" in text
    assert "model.head.experts" not in help.text("train")
    assert "  batch_size=32                       of each replica; a step keeps" in help.text(
        "train", ["data=frame", "model=lstm"]
    )


def test_a_key_that_must_be_given_says_so():
    assert "  sweep=...                           must be given: the study" in help.text("sweep")


@pytest.mark.slow
def test_every_key_of_a_verb_has_a_comment():
    missing = {
        key
        for verb in verbs()
        for model in (groups.choices("model") if verb == "train" else [None])
        for found in [keys.of_verb(verb, [f"model={model}"] if model else [])]
        for key in found.defaults
        if not found.comments.get(key) and not found.comments.get(key.rpartition(".")[0])
    }
    assert not missing


def test_names_are_those_that_hydra_takes():
    found = keys.of_verb("train", ["model=moe"])
    for name in ("model", "model.head", "model.head.experts", "data.train", "epochs", "loss"):
        assert name in found.names
