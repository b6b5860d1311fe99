"""What a verb needs from outside, checked before TensorFlow is loaded and before a run is opened.

A function for each verb that needs something; each raises in a second or two what the
verb itself would raise later, perhaps after hours.
"""

import logging
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data import shards
from yt8m_exp.registry import versions
from yt8m_exp.serving import uris, whole_file
from yt8m_exp.spec import InputError
from yt8m_exp.stores.uris import is_local
from yt8m_exp.tracking import configuration, store

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
    if not (cfg.model_uri or cfg.watch):
        raise ValueError("model_uri must be given: model_uri=...; or watch, the id of a run.")
    if cfg.segments and not cfg.shards:
        raise ValueError(
            "shards must be given with segments=true: those of 2019 whose segments people rated. "
            "The sample has none."
        )
    if cfg.watch:
        configuration.read_config(cfg.watch)
    else:
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
        raise ValueError(f"One of version, run_id and sweep may be given, but got {given}.")
    if cfg.version is not None:
        versions.require(client, cfg.name, cfg.version)
    if cfg.run_id or cfg.sweep:
        run_id = cfg.run_id or versions.best_run_of_sweep(client, cfg.sweep)
        versions.model_of_run(client, run_id)
    _find(cfg)


def rollback(cfg: DictConfig) -> None:
    """Checks that there is such a registered model."""
    versions.aliases(store.connect(), cfg.name)


def export(cfg: DictConfig) -> None:
    """Checks the model."""
    store.connect()
    uris.require(cfg.model_uri)


def import_checkpoint(cfg: DictConfig) -> None:
    """Checks that a tracking store is there."""
    store.connect()
    _require_folder(cfg.tracking.runs)


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
        raise ValueError(f"{there} is not a folder, so {path} cannot be one. Set tracking.runs.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"The folder {there} cannot be written to. Set tracking.runs.")
