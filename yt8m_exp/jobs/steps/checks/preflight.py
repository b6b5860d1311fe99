"""What MLflow must know, checked before TensorFlow is loaded and before a run is opened.

Each verb that needs something has a function. With `inputs`, it raises within seconds what the verb
itself would raise later, perhaps after hours.
"""

import shutil
from pathlib import Path

from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.jobs.steps.checks import features_check, teacher_check
from yt8m_exp.jobs.steps.ensembles import members
from yt8m_exp.registry import versions
from yt8m_exp.serving import uris
from yt8m_exp.spec import OutsideError
from yt8m_exp.tracking import configuration, store

SHARES = {"float32": 1.0, "float16": 0.5, "int8": 0.25}
"""The bytes of an ensemble by the precision of its weights, as a share of its members'."""


def train(cfg: DictConfig) -> None:
    """Checks the run to resume, or the weights to start from."""
    store.connect()
    if cfg.resume:
        configuration.read_config(cfg.resume)
    elif cfg.start_from:
        is_run = not any(mark in cfg.start_from for mark in ":/")
        uris.require(f"runs:/{cfg.start_from}/best" if is_run else cfg.start_from)
    teacher = cfg.distillation.teacher
    for uri in [teacher] if isinstance(teacher, str) else teacher or []:
        uris.require(uri)
        if not cfg.resume:
            _require_teacher(cfg, uri)


def _require_teacher(cfg: DictConfig, uri: str) -> None:
    if schema := uris.schema(uris.facts(uri)):
        teacher_check.require(cfg, uri, schema)
        key, skip = teacher_check.key_of_shards(cfg, schema), cfg.data.on_bad_record
        features_check.require(cfg, key, set(schema.features), taker=uri, on_bad_record=skip)


def eval(cfg: DictConfig) -> None:
    """Checks the run to watch, or the model, and that the shards have its features."""
    store.connect()
    if cfg.watch:
        configuration.read_config(cfg.watch)
    elif not (cfg.predictions or cfg.segment_predictions):
        _require_read(cfg)


def inference(cfg: DictConfig) -> None:
    """Checks the model, and that the shards have its features."""
    store.connect()
    _require_read(cfg)


def _require_read(cfg: DictConfig) -> None:
    uri = cfg.model_uri or spec.CHAMPION
    uris.require(uri)
    if schema := uris.schema(uris.facts(uri)):
        if cfg.segments:
            uris.require_frames(uri, schema)
        taken, skip = set(schema.features), cfg.on_bad_record
        features_check.require(cfg, "shards", taken, taker=uri, on_bad_record=skip)


def export(cfg: DictConfig) -> None:
    """Checks the model."""
    store.connect()
    uris.require(cfg.model_uri)


tag = export


def promote(cfg: DictConfig) -> None:
    """Checks the challenger, where one is named."""
    client = store.connect()
    if cfg.version is not None:
        versions.require(client, cfg.name, cfg.version)
    if cfg.run_id or cfg.sweep:
        run_id = cfg.run_id or versions.best_run_of_sweep(client, cfg.sweep)
        versions.model_of_run(client, run_id)


def ensemble(cfg: DictConfig) -> None:
    """Checks the members, that they can be one model, and that the shards have its features."""
    client = store.connect()
    found = members.named(client, compose.plain(cfg)["members"], cfg.best)
    facts = {uri: uris.facts(uri) for uri in found}
    size = members.require_alike(facts)
    members.require_small(size * SHARES[cfg.precision], cfg.max_bytes)
    taken = members.features(facts)
    for key in ("shards", "weights_shards"):
        features_check.require(
            cfg, key, taken, taker="the ensemble", on_bad_record=cfg.on_bad_record
        )


def rollback(cfg: DictConfig) -> None:
    """Checks that there is such a registered model."""
    versions.aliases(store.connect(), cfg.name)


def check(cfg: DictConfig) -> None:
    """Checks that there is a tracking store."""
    store.connect()


import_checkpoint = sweep = compare = check


def require_space(folder: Path, megabytes: float) -> None:
    """Raises OutsideError where a folder's disk has less than that left."""
    free = shutil.disk_usage(folder).free / 1e6
    if free < megabytes:
        raise OutsideError(
            f"The run needs about {megabytes:,.0f} MB on disk for checkpoints and models, but "
            f"{folder.absolute()} has {free:,.0f} MB left. Make room, or set tracking.runs."
        )
