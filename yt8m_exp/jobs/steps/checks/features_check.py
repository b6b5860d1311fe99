"""Refuses shards that do not hold what a model takes, before either is read."""

from collections.abc import Collection
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data import peek, shards
from yt8m_exp.data.manifest import Remedy

STOP = "stop"


def require(
    cfg: DictConfig, key: str, features: Collection[str] | None, *, taker: str, on_bad_record: str
) -> None:
    """Refuses shards by their first record.

    Args:
        cfg: the configuration.
        key: of the patterns that name the shards; those of the sample fit.
        features: the names of what is read; None if they are not known.
        taker: the model that takes them.
        on_bad_record: `skip` leaves such records out.

    Raises:
        InputError: a feature is not there.
    """
    patterns: Any = compose.select(compose.plain(cfg), key)
    if patterns is None or features is None or on_bad_record != STOP:
        return
    found = shards.find(patterns, Remedy(key))
    peek.require_features(found, features, taker=taker, remedy=f"Set {key}.")
