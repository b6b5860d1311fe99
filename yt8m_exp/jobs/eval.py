"""Scores a model on labelled shards, once or at every checkpoint of a run in progress."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
from hydra.utils import instantiate
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import shards, vocabulary
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.records import Schema
from yt8m_exp.evaluation import scoring, segments
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.lists import RankedLists
from yt8m_exp.evaluation.ranking import Metrics
from yt8m_exp.jobs import recipe, sources
from yt8m_exp.jobs.opened import opened
from yt8m_exp.serving import loading, packaging
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import configuration, datasets, downloads, results, store
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training.loss_values import value_of
from yt8m_exp.training.losses import cross_entropy

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> Summary:
    """Scores as a configuration of `conf/eval.yaml` says.

    Returns:
        The run's id, the metrics, and on how many videos and classes they were measured.

    Raises:
        ValueError: there is no such model, or a record is bad or has no labels.
        FileNotFoundError: a pattern matches no shard.
    """
    if cfg.watch:
        with opened("eval", cfg) as tracked:
            return _watch(cfg, tracked)
    store.connect()
    model = loading.load(cfg.model_uri)  # before a run is opened: a misspelt URI leaves none
    if cfg.segments:
        model.require_frames()
    with opened("eval", cfg) as tracked:
        return _score(cfg, tracked, model)


def _score(cfg: DictConfig, tracked: Run, model: Loaded) -> Summary:
    model.label(tracked.client, tracked.id)
    schema = model.tagger.schema
    if cfg.segments:
        schema = replace(schema, level="segment", max_frames=spec.MAX_FRAMES)
    manifest = _scanned(cfg, tracked, schema)
    metrics, values = _measured(cfg, model.tagger.model, manifest, cross_entropy)
    datasets.log_read(tracked, manifest, context="eval")
    if cfg.segments:
        values |= _ranked(cfg, model.tagger.model, manifest)
    packaging.log_metrics(
        tracked.id,
        model.model_id,
        {f"val/{name}": value for name, value in values.items()},
        step=model.tagger.about["examples"],
        data=("yt8m-eval", manifest.digest),
    )
    return _shown(tracked, model.uri, metrics, values, model.tagger.names.tolist())


def _watch(cfg: DictConfig, tracked: Run) -> Summary:
    """Scores each checkpoint that a training run uploads, until the run has ended."""
    theirs = compose.from_plain(configuration.read_config(cfg.watch))
    learner = recipe.learner(theirs, recipe.strategy(theirs))
    schema = sources.schema(theirs)
    manifest = _scanned(cfg, tracked, schema)
    tracked.client.set_tag(tracked.id, "watched_run", cfg.watch)
    result = None
    for examples, path in downloads.checkpoints_as_they_arrive(
        tracked.client, cfg.watch, tracked.directory, every_seconds=cfg.watch_seconds
    ):
        learner.restore(path)
        with learner.averaged():
            metrics, values = _measured(cfg, learner.model, manifest, instantiate(theirs.loss))
        tracked.writer.log({f"val/{name}": value for name, value in values.items()}, examples)
        logger.info("%s examples: GAP %.4f", f"{examples:,}", metrics.gap)
        result = metrics, values
    if result is None:
        raise ValueError(f"Run {cfg.watch} has ended and holds no checkpoint to score.")
    words = vocabulary.read(theirs.data.vocabulary, schema.classes)
    return _shown(tracked, f"runs:/{cfg.watch}", *result, words.names)


def _scanned(cfg: DictConfig, tracked: Run, schema: Schema) -> Manifest:
    patterns = compose.plain(cfg)["shards"]
    return datasets.scanned(
        tracked,
        patterns,
        schema,
        context="eval",
        on_bad_record=cfg.on_bad_record,
        reading=sources.reading(cfg),
    )


def _measured(
    cfg: DictConfig, model: keras.Model, manifest: Manifest, loss: Callable[..., Any]
) -> tuple[Metrics, dict[str, float]]:
    with progress.shown("Evaluating", manifest.records, unit="videos") as advance:
        metrics, mean_loss = scoring.evaluate(
            scoring.predictor(model),
            value_of(loss),
            ordered_batches(Entry(model).read(manifest), cfg.batch_size),
            manifest.schema.classes,
            advance=advance,
        )
    return metrics, metrics.values() | {"loss": mean_loss}


def _ranked(cfg: DictConfig, model: keras.Model, rated: Manifest) -> dict[str, float]:
    """Ranks every segment of the videos, rated or not, as the competition does."""
    schema = replace(rated.schema, level="frame")
    bad, reading = cfg.on_bad_record, sources.reading(cfg)
    whole = shards.scan(rated.source, schema, on_bad_record=bad, reading=reading)
    ratings = segments.gather_ratings(ordered_batches(rated))
    lists = RankedLists(sorted(ratings))
    score = scoring.scorer(model, lists.class_ids)
    with progress.shown("Ranking segments", whole.records, unit="videos") as advance:
        for videos, pieces in segments.cut_all(ordered_batches(whole)):
            for piece in pieces:
                lists.add(piece["id"].tolist(), lists.class_ids, score(piece))
            advance(videos)
    ranked = ((class_id, names.astype(str).tolist()) for class_id, names in lists.lists())
    found = segments.evaluate_lists(ranked, ratings)
    return {"segment_map": found.map, "segment_map_over_all_classes": found.map_over()}


def _shown(
    tracked: Run,
    what: str,
    metrics: Metrics,
    values: Mapping[str, float],
    names: Sequence[str],
) -> Summary:
    results.log_evaluation(tracked.client, tracked.id, metrics, names)
    result = {
        "run_id": tracked.id,
        **values,
        "videos": metrics.videos,
        "classes_with_positives": metrics.classes_with_positives,
    }
    where = f"mlflow ui --backend-store-uri {tracked.client.tracking_uri}"
    return Summary(f"Evaluation of {what}", result, hints={"Figures": where})
