"""Describes videos by the published networks; what was described before is not looked at again."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from yt8m_exp.spec import UserError
from yt8m_exp.terminal import progress
from yt8m_exp.videos import extraction
from yt8m_exp.videos.listing import Source
from yt8m_exp.videos.networks import extractor, published
from yt8m_exp.videos.store import Store

NAMED = 20
"""Bad videos that a sentence names at most."""

logger = logging.getLogger(__name__)


class Described(NamedTuple):
    """Videos with features.

    Attributes:
        store: has the features.
        sources: the videos that have some.
        failures: why others have none, by id.
        reused: how many were described before.
    """

    store: Store
    sources: list[Source]
    failures: dict[str, str]
    reused: int


def describe(cfg: DictConfig, sources: Sequence[Source]) -> Described:
    """Describes videos as the keys that `extract` and `tag` share say.

    Raises:
        InputError: published files are missing, or the output holds features made otherwise.
        UserError: no video could be decoded, or one could not, with `bad_videos=stop`.
    """
    weights = Path(cfg.weights)
    published.require(weights)
    made_with = {"files": published.digests(weights), "max_frames": cfg.max_frames}
    store = Store(Path(cfg.output) / "features", made_with)
    missing = [source for source in sources if not (source.path.exists() and store.has(source))]
    failures = _extracted(cfg, missing, store) if missing else {}
    kept = [source for source in sources if source.id not in failures]
    if not kept:
        raise UserError(f"None of {len(sources)} videos could be decoded: {named(failures)}")
    return Described(store, kept, failures, len(sources) - len(missing))


def named(failures: Sequence[str] | dict[str, str]) -> str:
    """Returns the first ids, and how many more there are."""
    more = f" and {len(failures) - NAMED:,} more" if len(failures) > NAMED else ""
    return ", ".join(list(failures)[:NAMED]) + more


def _extracted(cfg: DictConfig, sources: Sequence[Source], store: Store) -> dict[str, str]:
    networks = extractor.load(Path(cfg.weights))
    workers = cfg.workers or os.cpu_count() or 1
    failures: dict[str, str] = {}
    seconds = 0
    with progress.shown("Extracting", len(sources), unit="videos") as advance:
        ended = extraction.extract(sources, store, networks, most=cfg.max_frames, workers=workers)
        for number, video in enumerate(ended, 1):
            if video.error is not None:
                if cfg.bad_videos == "stop":
                    raise video.error
                failures[video.source.id] = str(video.error)
                logger.warning("%s", video.error)
            seconds += video.seconds
            advance(number, seconds=seconds)
    return failures
