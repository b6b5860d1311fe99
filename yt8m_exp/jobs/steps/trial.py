"""Trains one trial of a study, in a process of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from yt8m_exp.config import compose, schema
from yt8m_exp.jobs import train
from yt8m_exp.jobs.steps.work import Reported


def run(overrides: Sequence[str], reported: Reported) -> Mapping[str, Any]:
    """Trains as the overrides of a trial say; returns what the training found."""
    cfg = compose.compose("train", overrides)
    compose.require_complete(cfg)
    values = compose.plain(cfg)
    schema.check("train", values)
    return train.run(compose.from_plain(values), reported=reported, words=overrides).result
