"""What teachers predict of the videos to train on: computed once, then kept in the user's cache."""

import hashlib
import json
import logging
from dataclasses import asdict, replace

import keras
import numpy as np
from filelock import FileLock
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import shards
from yt8m_exp.data.manifest import Manifest, Remedy
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.top_k import top_k
from yt8m_exp.jobs.steps import sources
from yt8m_exp.jobs.steps.checks import teacher_check
from yt8m_exp.models.ensembles import ensemble
from yt8m_exp.serving import loading, uris
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.terminal import progress
from yt8m_exp.tracking import store
from yt8m_exp.training.recipes import teacher
from yt8m_exp.training.recipes.teacher import Predictions

VERSION = 1
KEPT = 50  # predictions of each video, unless the configuration asks for others
logger = logging.getLogger(__name__)


def named(cfg: DictConfig) -> list[str]:
    """Returns the URIs of the teachers."""
    given = compose.plain(cfg)["distillation"]["teacher"]
    return [given] if isinstance(given, str) else list(given or [])


def resolved(cfg: DictConfig) -> DictConfig:
    """Returns a configuration whose teachers cannot move: an alias is resolved to a version."""
    if not named(cfg):
        return cfg
    store.connect()
    found = cfg.copy()
    compose.update(found, "distillation.teacher", [uris.resolve(uri)[0] for uri in named(cfg)])
    return found


def predictions(cfg: DictConfig) -> Predictions:
    """Returns what the teachers of a configuration predict, on average.

    Raises:
        InputError: a teacher has other classes, or takes features that the shards do not have.
    """
    found = [_of(cfg, loading.load(uri)) for uri in named(cfg)]
    return teacher.mean(found, cfg.data.classes)


def asked(cfg: DictConfig) -> keras.Model | None:
    """Returns the teachers as one model that is asked in each step; None if none is.

    Raises:
        InputError: a teacher has other classes, or takes features that the data do not have.
    """
    if not (cfg.distillation.online and named(cfg)):
        return None
    found = [loading.load(uri) for uri in named(cfg)]
    for loaded in found:
        teacher_check.require(cfg, loaded.uri, loaded.tagger.schema)
    models = [loaded.tagger.model for loaded in found]
    return ensemble.build(models, [1 / len(models)] * len(models), mean="probabilities")


def _of(cfg: DictConfig, loaded: Loaded) -> Predictions:
    model = loaded.tagger.model
    teacher_check.require(cfg, loaded.uri, loaded.tagger.schema)
    manifest = _manifest(cfg, loaded)
    k = cfg.distillation.top_k or KEPT
    facts = [VERSION, _digest(model), manifest.digest, asdict(manifest.schema), k]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    folder = spec.cache("teachers")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.npz"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            logger.info("%s predicts the videos to train on", loaded.uri)
            _predicted(loaded, manifest, k).save(path)
    return teacher.load(path)


def _manifest(cfg: DictConfig, loaded: Loaded) -> Manifest:
    """Returns the shards that a teacher predicts: those to train on, if it takes their features."""
    schema, level = loaded.tagger.schema, cfg.data.level
    if level == "segment" and schema.level == "frame":
        schema = replace(schema, level="segment")
    key = teacher_check.key_of_shards(cfg, schema)
    return shards.scan(
        compose.select(compose.plain(cfg), key),
        schema,
        on_bad_record=cfg.data.on_bad_record,
        reading=replace(sources.reading(cfg), check_bytes=None),
        remedy=Remedy(key, "data.on_bad_record=skip"),
    )


def _predicted(loaded: Loaded, manifest: Manifest, k: int) -> Predictions:
    found, videos = [], 0
    with progress.shown("Teacher", manifest.records, unit="videos") as advance:
        for batch in ordered_batches(Entry(loaded.tagger.model).read(manifest)):
            found.append((batch["id"], *top_k(loaded.tagger.predictor(batch), k)))
            videos += len(batch["id"])
            advance(videos)
    return teacher.gathered(found)


def _digest(model: keras.Model) -> str:
    """Returns what identifies a model: its layers and all its weights."""
    digest = hashlib.sha256(model.to_json().encode())
    for variable in model.weights:
        digest.update(np.ascontiguousarray(variable.numpy()).data)
    return digest.hexdigest()
