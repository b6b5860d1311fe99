"""What a verb needs from outside, checked before TensorFlow is loaded and before a run is opened.

A function for each verb that needs something; each raises in a second or two what the
verb itself would raise later, perhaps after hours.
"""

import logging
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import shards, vocabulary
from yt8m_exp.data.manifest import Remedy
from yt8m_exp.registry import versions
from yt8m_exp.serving import uris, whole_file
from yt8m_exp.spec import InputError
from yt8m_exp.stores.uris import is_local
from yt8m_exp.tracking import configuration, store

SOURCES = ("model_uri", "watch", "predictions", "segment_predictions")
"""What `eval` can score."""
logger = logging.getLogger(__name__)


def train(cfg: DictConfig) -> None:
    """Checks the shards, the folder of runs, and the run to resume or the weights to start from."""
    store.connect()
    _require_folder(cfg.tracking.runs)
    if cfg.resume:
        configuration.read_config(cfg.resume)
        return
    for patterns in (cfg.data.train, cfg.data.validate):
        shards.find(patterns)
    if "data.train" in compose.given() and "data.validate" not in compose.given():
        logger.warning(
            "data.train is given, but data.validate is not: the model is measured on %s.",
            cfg.data.validate,
        )
    if cfg.start_from and any(mark in cfg.start_from for mark in ":/"):
        uris.require(cfg.start_from)


def eval(cfg: DictConfig) -> None:
    """Checks the model or the run to watch, and the shards."""
    store.connect()
    _require_folder(cfg.tracking.runs)
    given = [source for source in SOURCES if cfg[source]]
    if not given:
        raise InputError(f"model_uri must be given: model_uri=...; or {', '.join(SOURCES[1:])}.")
    if len(given) > 1:
        raise InputError(f"One of {', '.join(SOURCES)} must be given, but got {given}.")
    if cfg.segments and not cfg.shards:
        raise InputError(
            "shards must be given with segments=true: those of 2019 whose segments people rated. "
            "The sample has none."
        )
    if cfg.shards is not None and cfg.labels is not None:
        raise InputError("Either shards or labels must be given, but got both.")
    if cfg.watch:
        configuration.read_config(cfg.watch)
    if cfg.model_uri:
        uris.require(cfg.model_uri)
    _find(cfg)


def inference(cfg: DictConfig) -> None:
    """Checks the model, the shards, and the place of the predictions."""
    store.connect()
    _require_folder(cfg.tracking.runs)
    whole_file.require_writable(cfg.output)
    uris.require(cfg.model_uri)
    _find(cfg)


def promote(cfg: DictConfig) -> None:
    """Checks that one challenger is named, if any, and the shards."""
    client = store.connect()
    _require_folder(cfg.tracking.runs)
    given = [key for key in ("version", "run_id", "sweep") if cfg[key] is not None]
    if len(given) > 1:
        raise InputError(f"One of version, run_id and sweep may be given, but got {given}.")
    if cfg.version is not None:
        versions.require(client, cfg.name, cfg.version)
    if cfg.run_id or cfg.sweep:
        run_id = cfg.run_id or versions.best_run_of_sweep(client, cfg.sweep)
        versions.model_of_run(client, run_id)
    _find(cfg)


def check(cfg: DictConfig) -> None:
    """Checks that there are shards, the vocabulary, and the place of the labels."""
    store.connect()
    _require_folder(cfg.tracking.runs)
    if cfg.output:
        whole_file.require_writable(cfg.output)
    vocabulary.read(cfg.vocabulary, spec.CLASSES, key="vocabulary")
    for key in ("shards", "against"):
        if cfg[key] is not None:
            shards.find_local(compose.plain(cfg)[key], Remedy(shards=key))


def rollback(cfg: DictConfig) -> None:
    """Checks that there is such a registered model."""
    versions.aliases(store.connect(), cfg.name)


def export(cfg: DictConfig) -> None:
    """Checks the model."""
    store.connect()
    uris.require(cfg.model_uri)


def import_checkpoint(cfg: DictConfig) -> None:
    """Checks that a tracking store is there, and the shards."""
    store.connect()
    _require_folder(cfg.tracking.runs)
    _find(cfg)


def _find(cfg: DictConfig) -> None:
    patterns: Any = compose.plain(cfg)["shards"]
    if patterns is not None:
        shards.find(patterns)


def _require_folder(runs: str) -> None:
    """Refuses a folder of runs that cannot be made or written to."""
    if not is_local(runs):
        raise InputError(
            f"tracking.runs must be a local folder, for locks and journals, but got {runs!r}. "
            "Checkpoints and models go to the artifacts of MLflow, which may be in gs://."
        )
    path = Path(runs)
    there = next(
        folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists()
    )
    if not there.is_dir():
        raise InputError(f"{there} is not a folder, so {path} cannot be one. Set tracking.runs.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"The folder {there} cannot be written to. Set tracking.runs.")
