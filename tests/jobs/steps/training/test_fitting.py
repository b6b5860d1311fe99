import logging

import pytest
from omegaconf import OmegaConf

from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.jobs.steps.training import fitting
from yt8m_exp.models import devices


@pytest.mark.parametrize("slow", [True, False])
def test_xla_with_a_fixed_order_is_warned_of_on_a_gpu(slow, caplog, monkeypatch):
    words = [f"deterministic={str(slow).lower()}", "jit_compile=true", "data.classes=8"]
    cfg = compose.compose("train", words)
    OmegaConf.resolve(cfg)
    strategy = recipe.strategy(cfg)
    learner = recipe.learner(cfg, strategy)
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    with caplog.at_level(logging.WARNING, "yt8m_exp"):
        fitting.update(cfg, learner, strategy, complete=True)
        fitting.update(cfg, learner, strategy)  # only for its memory: said once
    assert ["Set deterministic=false" in said for said in caplog.messages] == [True] * slow
