"""The model that an ensemble's configuration describes, from its loaded members."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data.manifest import Manifest, contents
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.evaluation import scoring, selection
from yt8m_exp.jobs.steps import sources
from yt8m_exp.jobs.steps.ensembles import members
from yt8m_exp.models.ensembles import ensemble, neighbours, ridge
from yt8m_exp.models.ensembles.neighbours import Vote
from yt8m_exp.models.ensembles.ridge import Fit
from yt8m_exp.registry.measure import distinct
from yt8m_exp.serving import tagger
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.terminal import progress
from yt8m_exp.tracking import datasets
from yt8m_exp.tracking.runs import Run

logger = logging.getLogger(__name__)

NEIGHBOURS, RIDGE = "neighbours", "ridge"
"""The names, among the members, of what holds known videos, and of its keys."""
BY_VIDEO = {"rgb": "mean_rgb", "audio": "mean_audio"}


class Mixed(NamedTuple):
    """An ensemble, and where it comes from.

    Attributes:
        model: the ensemble.
        weights: of each member, by its URI.
        read: `train` and `validate`: what it and its members learnt from and were chosen on, as
            plain data; only those that are known of all members.
        notes: sentences for its description.
    """

    model: keras.Model
    weights: dict[str, float]
    read: dict[str, Any]
    notes: list[str]


def of_equals(models: Sequence[keras.Model]) -> keras.Model:
    """Returns the plain mean of models' probabilities."""
    weights = [1 / len(models)] * len(models)
    return ensemble.build(models, weights, mean="probabilities")


def mixed(cfg: DictConfig, tracked: Run, loaded: Sequence[Loaded]) -> Mixed:
    """Makes the ensemble: learns the weights, and adds known videos, where they are asked for.

    Args:
        cfg: the configuration.
        tracked: the run.
        loaded: the members.
    """
    models, uris = [found.tagger.model for found in loaded], [found.uri for found in loaded]
    abouts = [found.tagger.about for found in loaded]
    for number, found in enumerate(loaded, start=1):
        found.label(tracked.client, tracked.id, role=f"member.{number}")
    weights, chosen, notes = [1 / len(models)] * len(models), [], []
    if cfg.weights == "learnt":
        weights, manifest, note = _learnt(cfg, tracked, models)
        _warn_of_seen(abouts, manifest)
        chosen, notes = [manifest.as_dict()], [note]
    model = _of_those_that_count(models, weights, cfg.mean)
    shares, known = dict(zip(uris, weights, strict=True)), []
    if asked := {name: cfg[name].share for name in (NEIGHBOURS, RIDGE) if cfg[name].share}:
        holders = [_known(cfg, tracked, model, name) for name in asked]
        rest = max(1 - sum(asked.values()), 0.0)
        parts = [model, *(holder for holder, _ in holders)]
        model = ensemble.build(parts, [rest, *asked.values()], mean="probabilities")
        shares = {uri: rest * weight for uri, weight in shares.items()} | asked
        known = [manifest.as_dict() for _, manifest in holders]
    read = {
        "train": members.learnt_from(abouts, "train", *known),
        "validate": members.learnt_from(abouts, "validate", *chosen),
    }
    return Mixed(model, shares, {key: found for key, found in read.items() if found}, notes)


def _of_those_that_count(
    models: Sequence[keras.Model], weights: Sequence[float], mean: ensemble.Mean
) -> keras.Model:
    """Returns the ensemble without members that have no weight."""
    pairs = [pair for pair in zip(models, weights, strict=True) if pair[1] > 0]
    counted, theirs = zip(*pairs, strict=True)
    return ensemble.build(counted, theirs, mean=mean)


def _learnt(
    cfg: DictConfig, tracked: Run, models: Sequence[keras.Model]
) -> tuple[list[float], Manifest, str]:
    """Returns the weights with the highest GAP on `weights_shards`, these, and what was found."""
    whole = ensemble.build(models, [1 / len(models)] * len(models), mean=cfg.mean)
    manifest = _read(cfg, tracked, "weights_shards", tagger.schema(whole), context="weights")
    mean = whole.get_layer("probabilities")
    parts = keras.tree.flatten(mean.input)  # one of a single member
    apart = scoring.predictor(keras.Model(whole.input, keras.ops.stack(parts, axis=-1)))
    with progress.shown("Predicting", manifest.records, unit="videos") as advance:
        batches = ordered_batches(manifest, cfg.batch_size)
        found = selection.gathered(apart, batches, advance)

    def mix(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        parts = list(np.moveaxis(scores, -1, 0))
        return np.asarray(ensemble.WeightedMean(weights.tolist(), cfg.mean)(parts))

    selected = selection.select(found, mix)
    note = (
        f"The weights were learnt on {manifest.records:,} videos, where the GAP rose from "
        f"{selected.gap_equal:.4f} with equal weights to {selected.gap:.4f}; elsewhere it rises "
        "less, or falls."
    )
    logger.info("%s", note)
    return selected.weights, manifest, note


def _warn_of_seen(abouts: Sequence[Mapping[str, Any]], manifest: Manifest) -> None:
    """Warns if members were trained on shards on which their weights were learnt."""
    seen = {content for about in abouts if "train" in about for content in contents(about["train"])}
    if count := len(manifest.contents.keys() & seen):
        logger.warning(
            "Members were trained on %s of the %s shards on which their weights were learnt, so "
            "the weights favour who remembers them. Set weights_shards to others.",
            *(f"{count:,}", f"{len(manifest.shards):,}"),
        )


def _known(
    cfg: DictConfig, tracked: Run, model: keras.Model, name: str
) -> tuple[keras.Model, Manifest]:
    """Returns a model of known videos, `neighbours` or `ridge`, and these videos."""
    schema = tagger.schema(model)
    features = {BY_VIDEO.get(name, name): size for name, size in schema.features.items()}
    wanted = Schema(features, schema.classes)
    manifest = _read(cfg, tracked, f"{name}.shards", wanted, context=name)
    batches = list(ordered_batches(manifest))
    videos = {name: np.concatenate([batch[name] for batch in batches]) for name in features}
    labels = distinct([batch["labels"] for batch in batches])
    options = compose.plain(cfg[name])
    options = {key: value for key, value in options.items() if key not in ("share", "shards")}
    if name == NEIGHBOURS:
        vote = Vote(**options)
        return neighbours.build(videos, labels, schema.classes, vote=vote), manifest
    return ridge.build(videos, labels, schema.classes, fit=Fit(**options)), manifest


def _read(cfg: DictConfig, tracked: Run, key: str, schema: Schema, *, context: str) -> Manifest:
    """Checks the shards of a key, and logs that they are read."""
    manifest = sources.checked(cfg, schema, key=key)
    datasets.log_read(tracked, manifest, context=context)
    return manifest
