"""Names of runs that tell them apart in a table: moe · 23,091 videos · lr 0.02 · dropout 0.3."""

from collections.abc import Sequence

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.tracking.runs import BETWEEN

SHOWN, CHARACTERS = 3, 24
TOLD = ("model=", "data", "learning_rate=", *compose.ELSEWHERE)
"""How overrides begin that the name tells by other words, or that change no result."""


def of_training(cfg: DictConfig, train: Manifest, words: Sequence[str] | None) -> str:
    """Returns the name of a training run: model, data, learning rate, and what else was set.

    Args:
        cfg: its configuration.
        train: the shards that it learns from.
        words: the overrides that `cfg` was composed of; None: those of the command line.
    """
    what = "segments" if cfg.data.level == "segment" else "videos"
    return BETWEEN.join([
        cfg.model._target_.split(".")[-2],
        videos(train).replace("videos", what),
        f"lr {cfg.learning_rate:.3g}",
        *_others(compose.typed(words)),
    ])  # fmt: skip


def of_use(verb: str, *parts: str) -> str:
    """Returns the name of a run that uses a model, a file, or another run."""
    return BETWEEN.join([verb, *parts])


def videos(manifest: Manifest) -> str:
    """Returns how many videos a run reads, for its name."""
    return f"{'' if manifest.is_read else 'about '}{manifest.records:,} videos"


def _others(words: Sequence[str]) -> list[str]:
    told = [word.lstrip("+").partition("=") for word in words if not word.startswith(TOLD)]
    said = [f"{key.rpartition('.')[2]} {value}" for key, _, value in told if value]
    return [text for text in said if len(text) <= CHARACTERS][:SHOWN]
