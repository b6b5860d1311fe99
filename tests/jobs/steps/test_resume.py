from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.models import configured
from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import resume

BEFORE = OmegaConf.load(Path(__file__).parents[2] / "models" / "before" / "configurations.yaml")


@pytest.mark.parametrize("name", list(BEFORE))
def test_a_run_whose_model_has_other_keys_today_is_not_resumed(name):
    sentence = (
        rf"The run abc cannot be resumed, .* model={name} .*; start_from=abc starts a new run"
    )
    with pytest.raises(ValueError, match=sentence):
        resume.require_known_keys("abc", BEFORE[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", configured.MODELS)
def test_a_run_of_today_is_resumed_with_any_head(name):
    for head in ("logistic", "moe"):
        resume.require_known_keys("abc", configured.config(name, f"head={head}"))


def test_the_keys_of_a_model_of_ones_own_are_known_to_its_builder_alone():
    for name in ("wide", "moe"):
        mine = OmegaConf.create({"_target_": f"my_package.models.{name}.build", "width": 3})
        resume.require_known_keys("abc", mine)


def test_what_a_run_of_before_does_not_say_is_the_default(monkeypatch):
    stored = compose.plain(compose.compose("train"))
    for key in ("memory_check", "figures", "start_from", "averaging"):
        del stored[key]
    monkeypatch.setattr(resume.configuration, "read_config", lambda run_id: stored)
    assert resume.configuration_of("abc") == compose.compose("train")
