from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.models import configured
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
