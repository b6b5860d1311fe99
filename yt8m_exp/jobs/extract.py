"""Turns video files into shards of frames and of whole videos."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.data.writing import serialized, sets
from yt8m_exp.jobs.steps import describing
from yt8m_exp.jobs.steps.describing import Described
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.videos import labelling, listing
from yt8m_exp.videos.labelling import Labels
from yt8m_exp.videos.store import Store

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
    found = describing.describe(cfg, sources)
    shards = _written(cfg, [source.id for source in found.sources], labels, found.store)
    if labels.names:
        labelling.write(Path(cfg.output) / "vocabulary.csv", labels.names)
    return _summary(cfg, found, shards, labels)


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
    cfg: DictConfig, found: Described, shards: Mapping[str, Sequence[Path]], labels: Labels
) -> Summary:
    output, failures = Path(cfg.output).absolute(), found.failures
    result = {
        "videos": len(found.sources),
        "failed": len(failures),
        "shards": sum(map(len, shards.values())),
        "reused": found.reused,
        "classes": len(labels.names),
        "output": str(output),
    }
    rows: dict[str, Any] = dict(result)
    if failures:
        rows["failed"] = f"{len(failures):,}: {describing.named(failures)}"
    hints = {}
    if shards["video/train"] and shards["video/validate"]:
        hints["Train"] = f"yt8m train data=own_video data.folder={output}"
    sets_of = {name: len(paths) for name, paths in shards.items()}
    return Summary(
        "Features of videos", result | {"failures": failures, "sets": sets_of}, rows, hints
    )
