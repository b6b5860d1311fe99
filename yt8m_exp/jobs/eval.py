"""Scores a model, the checkpoints of a run as they appear, or a file of predictions."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import vocabulary
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.tfrecords import compiled, warming
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import metrics, scoring, top_k
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.frame_shifts import moves_any, shifted
from yt8m_exp.evaluation.metrics import Evaluation
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.jobs.steps import evaluate_files, naming, rank_segments, recipe, sources
from yt8m_exp.jobs.steps.checks import shifts
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.jobs.steps.resume import configuration_of
from yt8m_exp.serving import loading, packaging
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.spec import InputError
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, downloads, results, store
from yt8m_exp.tracking.pages import browser, cards
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training import loss_values

logger = logging.getLogger(__name__)

Score = Callable[[Run], Summary]


class Prepared(NamedTuple):
    """What is ready to be scored: the name of its run, and what scores it there."""

    name: str
    score: Score


CROSS_ENTROPY = {"_target_": "yt8m_exp.training.losses.cross_entropy", "_partial_": True}


def run(cfg: DictConfig) -> Summary:
    """Scores as a configuration of `conf/eval.yaml` says.

    Returns:
        The run's id, the metrics, and on how many videos and classes they were measured.

    Raises:
        InputError: there is no such model, or a record is bad or has no labels.
        MissingInputError: a pattern matches no shard.
    """
    is_file = cfg.predictions or cfg.segment_predictions
    prepare = _watch if cfg.watch else _file if is_file else _model
    name, score = prepare(cfg)  # refuses bad input before a run is opened
    with opened("eval", cfg, name=name) as tracked:
        return score(tracked)


def _model(cfg: DictConfig) -> Prepared:
    """Prepares to score a logged model."""
    store.connect()
    model = loading.load(cfg.model_uri or spec.CHAMPION)
    schema = model.tagger.schema
    shifts.require_videos(cfg, schema)
    if cfg.segments:
        model.require_frames()
        schema = replace(schema, level="segment", max_frames=spec.MAX_FRAMES)
    manifest = sources.checked(cfg, schema)
    name = naming.of_use("eval", model.title, naming.videos(manifest))
    return Prepared(name, partial(_score, cfg, model, manifest))


def _score(cfg: DictConfig, model: Loaded, manifest: Manifest, tracked: Run) -> Summary:
    datasets.log_read(tracked, manifest, context="eval")
    model.label(tracked.client, tracked.id)
    loss = _loss(cfg, tracked, model.tagger.about, manifest.schema.classes)
    found = _measured(cfg, model.tagger.model, manifest, loss)
    manifest = datasets.log_learnt(tracked, manifest, context="eval")
    datasets.log_trained_on(tracked, manifest, model.tagger.about.get("train"))
    if cfg.segments:
        ranked = rank_segments.rank(model.tagger.model, manifest, listed=cfg.segments_listed)
        found = replace(found, segments=ranked)
    packaging.log_metrics(
        tracked.id,
        model.model_id if _comparable(cfg) else None,
        metrics.logged(_values(cfg, found)),
        step=model.tagger.about["examples"],
        data=("yt8m-eval", manifest.digest),
    )
    what = cards.model_link(tracked.client, model.uri)
    cards.describe(tracked.client, tracked.id, _card(cfg, what, found, manifest))
    return _shown(cfg, tracked, model.uri, found, model.tagger.words)


def _card(cfg: DictConfig, what: str, found: Evaluation, manifest: Manifest | None) -> str:
    """Returns the description of the run."""
    data = {"eval": manifest.as_dict()} if manifest else {}
    text = f"Evaluation of {what}:\n\n{cards.scores(_values(cfg, found))}"
    return f"{text}\n\n{cards.data(data)}" if data else text


def _comparable(cfg: DictConfig) -> bool:
    """Returns whether scores are logged to the model: only those with default bounds and loss."""
    bounds = cfg.top_k, cfg.segments_listed
    usual = bounds == (spec.TOP_K, spec.SEGMENTS_LISTED) and not moves_any(cfg.frame_shifts)
    return cfg.loss is None and usual


def _watch(cfg: DictConfig) -> Prepared:
    """Prepares to score each checkpoint that a training run uploads, until the run has ended."""
    theirs = configuration_of(cfg.watch)
    shifts.require_videos(cfg, sources.schema(theirs))
    manifest = sources.checked(cfg, sources.schema(theirs))
    name = naming.of_use("eval", f"watches {cfg.watch[:8]}", naming.videos(manifest))
    return Prepared(name, partial(_watched, cfg, theirs, manifest))


def _watched(cfg: DictConfig, theirs: DictConfig, manifest: Manifest, tracked: Run) -> Summary:
    datasets.log_read(tracked, manifest, context="eval")
    tracked.client.set_tag(tracked.id, "watched_run", cfg.watch)
    learner = recipe.learner(theirs, recipe.strategy(theirs))
    loss = _loss(cfg, tracked, theirs, manifest.schema.classes)
    found = None
    for examples, path in downloads.checkpoints_as_they_arrive(
        tracked.client, cfg.watch, tracked.directory, every_seconds=cfg.watch_seconds
    ):
        learner.restore(path)
        with learner.averaged():
            found = _measured(cfg, learner.model, manifest, loss)
        tracked.writer.log(metrics.logged(_values(cfg, found)), examples)
        logger.info("%s examples: GAP %.4f", f"{examples:,}", _values(cfg, found)["gap"])
    manifest = datasets.log_learnt(tracked, manifest, context="eval")
    if found is None:
        raise InputError(f"Run {cfg.watch} has ended and holds no checkpoint to score.")
    what = cards.run_link(tracked.client, cfg.watch)
    cards.describe(tracked.client, tracked.id, _card(cfg, what, found, manifest))
    words = vocabulary.read(theirs.data.vocabulary, manifest.schema.classes)
    return _shown(cfg, tracked, f"runs:/{cfg.watch}", found, words)


def _file(cfg: DictConfig) -> Prepared:
    """Scores a file of predictions, so that only the result is left to be logged."""
    what = cfg.predictions or cfg.segment_predictions
    scored = evaluate_files.score(compose.plain(cfg), sources.reading(cfg))

    def log(tracked: Run) -> Summary:
        if scored.manifest:
            datasets.log_read(tracked, scored.manifest, context="eval")
        tracked.writer.log({**metrics.logged(_values(cfg, scored.found)), **scored.counts}, 0)
        card = _card(cfg, f"the file `{what}`", scored.found, scored.manifest)
        cards.describe(tracked.client, tracked.id, card)
        return _shown(cfg, tracked, what, scored.found, scored.words, counts=scored.counts)

    return Prepared(naming.of_use("eval", Path(what).name), log)


def _loss(
    cfg: DictConfig, tracked: Run, about: Mapping[Any, Any], classes: int
) -> Callable[..., Any]:
    """Returns the loss that the configuration chooses, or that the model was trained with."""
    chosen: Any = cfg.loss or about.get("loss")
    if chosen is None:
        logger.info("The model does not say which loss it was trained with: it is cross entropy.")
        chosen = CROSS_ENTROPY
    given = {key: value for key, value in chosen.items() if key[0] != "_" and value is not None}
    parameters = [f"{key}={value}" for key, value in given.items()]
    name = chosen["_target_"].rpartition(".")[2]
    tracked.client.set_tag(tracked.id, "loss", f"{name}({', '.join(parameters)})")
    return recipe.loss(chosen, classes)


def _measured(
    cfg: DictConfig, model: keras.Model, manifest: Manifest, loss: Callable[..., Any]
) -> Evaluation:
    warming.warm([*compiled.calls(manifest.schema.level), *top_k.calls(), *loss_values.calls()])
    read = manifest if moves_any(cfg.frame_shifts) else Entry(model).read(manifest)
    with progress.shown("Evaluating", manifest.records, unit="videos") as advance:
        return scoring.evaluate(
            shifted(scoring.predictor(model), cfg.frame_shifts),
            loss_values.value_of(loss),
            ordered_batches(read, cfg.batch_size),
            manifest.schema.classes,
            top_k=cfg.top_k,
            top_n=cfg.top_n,
            advance=advance,
            sample=Sample() if cfg.page else None,
        )


def _values(cfg: DictConfig, found: Evaluation) -> dict[str, float | None]:
    return metrics.values(found, [*metrics.TABLE, *map(metrics.map_at, cfg.top_n)])


def _shown(
    cfg: DictConfig,
    tracked: Run,
    what: str,
    found: Evaluation,
    words: Vocabulary,
    *,
    counts: Mapping[str, int] = {},
) -> Summary:
    values = _values(cfg, found)
    result = {"run_id": tracked.id, **values, **counts}
    if ranked := found.ranked:
        results.log_evaluation(tracked.client, tracked.id, ranked, words.names)
        result["videos"] = ranked.videos
        result["classes_with_positives"] = ranked.classes_with_positives
    if ranked and found.sample and cfg.page:
        browser.log_errors(tracked.client, tracked.id, what, ranked, found.sample, words)
    rows = {**result, **metrics.shown(values)}
    pages = store.pages(tracked.client, tracked.before.info)
    return Summary(f"Evaluation of {what}", result, rows, pages)
