"""Turns a checkpoint of Google's starter code into a model, and logs it as training does."""

import logging
import tempfile
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import keras
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import vocabulary
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.shards import Reading
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import metrics, scoring
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.registry import registration
from yt8m_exp.serving import packaging, tagger
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets
from yt8m_exp.tracking.pages import cards
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training.loss_values import value_of
from yt8m_exp.training.losses import cross_entropy
from yt8m_exp.training.starter import starter_checkpoints
from yt8m_exp.training.starter.starter_checkpoints import Checkpoint

logger = logging.getLogger(__name__)

VOCABULARY = spec.PROJECT / "sample" / "vocabulary.csv"
CLEARLY = 0.02
"""The gain in GAP at which another order of the features counts as the right one."""


def run(cfg: DictConfig) -> Summary:
    """Imports as a configuration of `conf/import_checkpoint.yaml` says.

    Returns:
        The run's id, the model's URI, its GAP if shards are given, and its version if it is
        registered.

    Raises:
        MissingInputError: there is no checkpoint or vocabulary.
        InputError: the checkpoint does not fit the model, the vocabulary does not fit the classes,
            or the GAP is clearly better with features in another order.
    """
    plain = compose.plain(cfg)
    checkpoint = starter_checkpoints.opened(cfg.checkpoint, cfg.kind)
    features, options = checkpoint.order(plain["features"]), plain["options"] or {}
    model = checkpoint.model(features, options)
    names = _names(cfg, model.output.shape[-1])
    manifest = _checked(cfg, model) if cfg.shards else None
    with opened("import_checkpoint", cfg, name=cfg.kind) as tracked:
        gap = {}
        if manifest:
            datasets.log_read(tracked, manifest, context="check")
            gap = {"gap": _checked_gap(checkpoint, features, options, manifest)}
        model_id = _logged(model, tracked, names, cfg.checkpoint)
        model_uri = f"models:/{model_id}"
        if manifest:
            points, data = metrics.logged(gap), ("yt8m-check", manifest.digest)
            packaging.log_metrics(tracked.id, model_id, points, step=0, data=data)
        result: dict[str, Any] = {"run_id": tracked.id, "model_uri": model_uri} | gap
        what = cards.model_link(tracked.client, model_uri)
        card = f"{what}, imported from `{cfg.checkpoint}` of the starter code.\n\n"
        cards.describe(tracked.client, tracked.id, card + (cards.scores(gap) if gap else ""))
        if cfg.register:
            version = registration.register(tracked.client, model_uri, cfg.register)
            result |= {"registered": cfg.register, "version": version}
    predict = f"yt8m inference model_uri={model_uri}"
    return Summary(f"{model.name} of {cfg.checkpoint}", result, hints={"Predict": predict})


def _names(cfg: DictConfig, classes: int) -> Vocabulary:
    default = VOCABULARY if classes == spec.CLASSES else None
    return vocabulary.read(cfg.vocabulary or default, classes, key="vocabulary")


def _checked(cfg: DictConfig, model: keras.Model) -> Manifest:
    return datasets.checked(
        compose.plain(cfg)["shards"],
        tagger.schema(model),
        on_bad_record=cfg.on_bad_record,
        reading=Reading(check_bytes=None),
    )


def _checked_gap(
    checkpoint: Checkpoint,
    features: Mapping[str, int],
    options: Mapping[str, Any],
    manifest: Manifest,
) -> float:
    """Returns the GAP of the import; refuses it if another order of features is clearly better."""
    gap = _gap(checkpoint.model(features, options), manifest)
    for order in list(permutations(features))[1:]:
        other = {name: features[name] for name in order}
        _require_better(gap, _gap(checkpoint.model(other, options), manifest), other)
    return gap


def _gap(model: keras.Model, manifest: Manifest) -> float:
    found = scoring.evaluate_model(model, value_of(cross_entropy), manifest)
    return metrics.values(found, [metrics.GAP])["gap"] or 0.0


def _require_better(gap: float, other: float, features: Mapping[str, int]) -> None:
    given = ", ".join(f"{name}: {size}" for name, size in features.items())
    logger.info("GAP %.4f; with features={%s} it would be %.4f", gap, given, other)
    if other > gap + CLEARLY:
        raise InputError(
            f"The checkpoint must be read in the order of its features, but its GAP is {gap:.4f}, "
            f"and {other:.4f} in another order. Give features={{{given}}}."
        )


def _logged(model: keras.Model, tracked: Run, names: Vocabulary, checkpoint: str) -> Any:
    """Logs the model; returns its id."""
    about = {"run_id": tracked.id, "examples": 0, "checkpoint": checkpoint}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "imported.keras"
        model.save(path)
        return packaging.log_model(path, role="imported", step=0, words=names, about=about)
