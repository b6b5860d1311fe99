"""What a verb needs from outside, checked before TensorFlow is loaded and before a run is opened.

Each verb that needs something has a function. It raises within a second or two what the verb itself
would raise later, perhaps after hours.
"""

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import shards, vocabulary
from yt8m_exp.data.manifest import Remedy
from yt8m_exp.registry import versions
from yt8m_exp.serving import uris, whole_file
from yt8m_exp.spec import InputError, OutsideError
from yt8m_exp.stores.uris import is_local
from yt8m_exp.tracking import configuration, store

SOURCES = ("model_uri", "watch", "predictions", "segment_predictions")
"""What `eval` can score."""
logger = logging.getLogger(__name__)


def train(cfg: DictConfig) -> None:
    """Checks the shards, the folder of runs, and the run to resume or the weights to start from."""
    store.connect()
    _require_runs(cfg.tracking.runs)
    if cfg.resume:
        configuration.read_config(cfg.resume)
        return
    for key in ("data.train", "data.validate"):
        shards.find(compose.select(compose.plain(cfg), key), Remedy(key))
    if "data.train" in compose.given() and "data.validate" not in compose.given():
        logger.warning(
            "data.train is given, but data.validate is not: the model is measured on %s.",
            cfg.data.validate,
        )
    vocabulary.read(cfg.data.vocabulary, cfg.data.classes)
    if cfg.start_from:
        is_run = not any(mark in cfg.start_from for mark in ":/")
        uris.require(f"runs:/{cfg.start_from}/best" if is_run else cfg.start_from)


def eval(cfg: DictConfig) -> None:
    """Checks the model or the run to watch, and the shards."""
    store.connect()
    _require_runs(cfg.tracking.runs)
    given = [source for source in SOURCES if cfg[source]]
    if not given:
        raise InputError(f"model_uri must be given: model_uri=...; or {', '.join(SOURCES[1:])}.")
    if len(given) > 1:
        raise InputError(f"Only one of {', '.join(SOURCES)} may be given, but got {given}.")
    if cfg.segments and not cfg.shards:
        raise InputError(
            "shards must be given with segments=true: those of 2019 whose segments people rated. "
            "The sample has none."
        )
    if cfg.shards is not None and cfg.labels is not None:
        raise InputError("Either shards or labels must be given, but got both.")
    if cfg.loss is not None and "_target_" not in cfg.loss:
        raise InputError("Name the loss first: loss=cross_entropy, and then its keys.")
    if cfg.watch:
        configuration.read_config(cfg.watch)
    if cfg.model_uri:
        uris.require(cfg.model_uri)
    _find(cfg)


def inference(cfg: DictConfig) -> None:
    """Checks the model, the shards, and the place of the predictions."""
    store.connect()
    _require_runs(cfg.tracking.runs)
    whole_file.require_writable(cfg.output)
    uris.require(cfg.model_uri)
    _find(cfg)


def promote(cfg: DictConfig) -> None:
    """Checks that at most one challenger is named, and checks the shards."""
    client = store.connect()
    _require_runs(cfg.tracking.runs)
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
    _require_runs(cfg.tracking.runs)
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
    """Checks the model, and the place of the export."""
    store.connect()
    if is_local(cfg.output):
        _require_folder(Path(cfg.output).absolute().parent, key="output")
    else:
        whole_file.require_writable(cfg.output.rstrip("/"))
    uris.require(cfg.model_uri)


def import_checkpoint(cfg: DictConfig) -> None:
    """Checks that there is a tracking store, and checks the shards."""
    store.connect()
    _require_runs(cfg.tracking.runs)
    _find(cfg)


def sweep(cfg: DictConfig) -> None:
    """Checks that a tracking store is there, and the places of the runs and of the study."""
    store.connect()
    _require_runs(cfg.tracking.runs)
    journal = Path(cfg.storage)
    if "://" not in cfg.storage:
        _require_folder(journal.parent, key="storage")
    if journal.is_dir():
        raise InputError(f"{journal} is a folder. Set storage to a file, as {journal}/journal.")


def _find(cfg: DictConfig) -> None:
    patterns: Any = compose.plain(cfg)["shards"]
    if patterns is not None:
        shards.find(patterns)


def require_space(folder: Path, megabytes: float) -> None:
    """Raises OutsideError where a folder's disk has less than that left."""
    free = shutil.disk_usage(folder).free / 1e6
    if free < megabytes:
        raise OutsideError(
            f"The run needs about {megabytes:,.0f} MB on disk for checkpoints and models, but "
            f"{folder.absolute()} has {free:,.0f} MB left. Make room, or set tracking.runs."
        )


def _require_runs(runs: str) -> None:
    """Makes the folder of runs; refuses one that is not local or cannot be made or written to."""
    if not is_local(runs):
        raise InputError(
            f"tracking.runs must be a local folder, for locks and journals, but got {runs!r}. "
            "Checkpoints and models go to the artifacts of MLflow, which may be in gs://."
        )
    _require_folder(Path(runs), key="tracking.runs")


def _require_folder(path: Path, *, key: str) -> None:
    """Makes a folder; refuses one that cannot be made or written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise InputError(
            f"The folder {path.absolute()} cannot be made or written to ({error.strerror}). "
            f"Set {key}."
        ) from None
