"""Turns video files into shards of frames and of whole videos."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.data.writing import serialized, sets
from yt8m_exp.spec import UserError
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.videos import extraction, labelling, listing
from yt8m_exp.videos.labelling import Labels
from yt8m_exp.videos.listing import Source
from yt8m_exp.videos.networks import extractor, published
from yt8m_exp.videos.store import Store

logger = logging.getLogger(__name__)

NAMED = 20
"""Bad videos that are named at most."""
TEST = "test"
"""The split of videos without labels."""


def run(cfg: DictConfig) -> Summary:
    """Extracts as a configuration of `conf/extract.yaml` says.

    Returns:
        How many videos and shards there are, which videos failed, and why.

    Raises:
        InputError: the table, the labels or the published files are not what they must be, or
            the output holds features that were made otherwise.
        UserError: no video could be decoded, or one could not, with `bad_videos=stop`.
    """
    sources = listing.read(cfg.videos)
    labels = labelling.read(sources, cfg.vocabulary)
    weights, output = Path(cfg.weights), Path(cfg.output)
    published.require(weights)
    made_with = {"files": published.digests(weights), "max_frames": cfg.max_frames}
    store = Store(output / "features", made_with)
    missing = [source for source in sources if not (source.path.exists() and store.has(source))]
    failures = _extracted(cfg, missing, store) if missing else {}
    kept = [source for source in sources if source.id not in failures]
    if not kept:
        raise UserError(f"None of {len(sources)} videos could be decoded. {_named(failures)}")
    shards = _written(cfg, [source.id for source in kept], labels, store)
    if labels.names:
        labelling.write(output / "vocabulary.csv", labels.names)
    return _summary(cfg, sources, len(sources) - len(missing), failures, shards, labels)


def _extracted(cfg: DictConfig, sources: Sequence[Source], store: Store) -> dict[str, str]:
    """Extracts what is missing; returns why videos failed, by id."""
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


def _written(
    cfg: DictConfig, videos: Sequence[str], labels: Labels, store: Store
) -> dict[str, list[Path]]:
    """Writes the shards of each level and split; returns them by their folder."""
    splits: dict[str, list[str]] = {}
    for video in videos:
        is_labelled = video in labels.ids
        split = sets.split_of(video, cfg.validate_share) if is_labelled else TEST
        splits.setdefault(split, []).append(video)
    shards = {}
    for level, serialize in LEVELS.items():
        for split in (*sets.SPLITS, TEST):
            shards[f"{level}/{split}"] = sets.write(
                Path(cfg.output) / level / split,
                splits.get(split, ()),
                partial(_record, serialize, labels.ids, store),
                split=split,
                shard_videos=cfg.shard_videos,
                seed=cfg.seed,
            )
    return shards


def _record(
    serialize: Callable[..., bytes], labels: Mapping[str, Sequence[int]], store: Store, video: str
) -> bytes:
    return serialize(video, store.read(video), labels.get(video))


def _video(video: str, features: Mapping[str, NDArray[np.uint8]], labels: Any) -> bytes:
    """Returns a video-level record: the means of the frames, dequantised."""
    means = {
        f"mean_{name}": rows.mean(axis=0) * spec.BYTE_SCALE + spec.BYTE_OFFSET
        for name, rows in features.items()
    }
    return serialized.video(video, means, labels)


LEVELS: Mapping[str, Callable[..., bytes]] = {"frame": serialized.frames, "video": _video}


def _summary(
    cfg: DictConfig,
    sources: Sequence[Source],
    reused: int,
    failures: Mapping[str, str],
    shards: Mapping[str, Sequence[Path]],
    labels: Labels,
) -> Summary:
    output = Path(cfg.output).absolute()
    result = {
        "videos": len(sources) - len(failures),
        "failed": len(failures),
        "shards": sum(map(len, shards.values())),
        "reused": reused,
        "classes": len(labels.names),
        "output": str(output),
    }
    rows = result | {"failed": f"{len(failures):,}: {_named(failures)}"} if failures else result
    hints = {}
    if shards["video/train"] and shards["video/validate"]:
        hints["Train"] = f"yt8m train data=own_video data.folder={output}"
    more = {
        "failures": dict(failures),
        "sets": {name: len(paths) for name, paths in shards.items()},
    }
    return Summary("Features of videos", result | more, rows, hints)


def _named(failures: Mapping[str, str]) -> str:
    more = f" and {len(failures) - NAMED:,} more" if len(failures) > NAMED else ""
    return ", ".join(list(failures)[:NAMED]) + more
