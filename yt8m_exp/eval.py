"""Scores a model, the checkpoints of a run as they appear, or a file of predictions."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command, spec

if TYPE_CHECKING:
    import keras

    from yt8m_exp.data.records import Schema
    from yt8m_exp.data.shards import Manifest
    from yt8m_exp.evaluation.metrics import Evaluation
    from yt8m_exp.serving.loading import Loaded
    from yt8m_exp.tracking.runs import Run

logger = logging.getLogger(__name__)
Score = Callable[["Run"], dict[str, Any]]
SOURCES = ("model_uri", "watch", "predictions", "segment_predictions")
CROSS_ENTROPY = {"_target_": "yt8m_exp.training.losses.cross_entropy", "_partial_": True}


def run(cfg: DictConfig) -> dict[str, Any]:
    """Scores as a configuration of `conf/eval.yaml` says.

    Returns:
        The run's id, the metrics, and on how many videos and classes they were measured.

    Raises:
        ValueError: there is no such model, or a record is bad or has no labels.
        FileNotFoundError: a pattern matches no shard.
    """
    from yt8m_exp.tracking import store
    from yt8m_exp.tracking.runs import open_run

    given = [source for source in SOURCES if cfg[source]]
    if not given:
        raise ValueError(f"model_uri must be given: model_uri=...; or {', '.join(SOURCES[1:])}.")
    if len(given) > 1:
        raise ValueError(f"One of {', '.join(SOURCES)} must be given, but got {given}.")
    _check(cfg)
    store.connect()
    prepare = {"model_uri": _model, "watch": _watch}.get(given[0], _file)
    score = prepare(cfg)  # what is wrong with the input is refused before a run is opened
    with open_run(
        "eval",
        experiment=cfg.tracking.experiment,
        config=OmegaConf.to_container(cfg, resolve=True),  # type: ignore[arg-type]
        root=Path(cfg.tracking.runs),
        name=cfg.tracking.run_name or "eval",
        system_metrics=cfg.tracking.system_metrics,
    ) as tracked:
        return score(tracked)


def _check(cfg: DictConfig) -> None:
    if cfg.segments and not cfg.shards:
        raise ValueError(
            "shards must be given with segments=true: those of 2019 whose segments people rated. "
            "The sample has none."
        )
    for key, numbers in {"top_k": [cfg.top_k], "top_n": cfg.top_n}.items():
        if any(type(number) is not int or number < 1 for number in numbers):
            raise ValueError(f"`{key}` must be whole and at least 1, but got {cfg[key]!r}.")


def _model(cfg: DictConfig) -> Score:
    """Prepares to score a logged model."""
    from yt8m_exp.terminal import quiet

    with quiet.startup():
        from yt8m_exp.serving import loading

    model = loading.load(cfg.model_uri)
    schema = model.tagger.schema
    if cfg.segments:
        model.require_frames()
        schema = replace(schema, level="segment", max_frames=spec.MAX_FRAMES)
    return partial(_score, cfg, model, _checked(cfg, schema))


def _score(
    cfg: DictConfig, model: "Loaded", manifest: "Manifest", tracked: "Run"
) -> dict[str, Any]:
    from yt8m_exp.evaluation import metrics
    from yt8m_exp.serving import packaging
    from yt8m_exp.tracking import inputs

    inputs.log(tracked, manifest, context="eval")
    for key, value in model.tags().items():
        tracked.client.set_tag(tracked.id, key, value)
    loss = _loss(cfg, tracked, model.tagger.about)
    found = _measured(cfg, model.tagger.model, manifest, loss)
    if cfg.segments:
        from yt8m_exp.jobs import rank_segments

        bounds = {"listed": cfg.segments_listed, "on_bad_record": cfg.on_bad_record}
        ranked = rank_segments.rank(model.tagger.model, manifest, **bounds)
        found = replace(found, segments=ranked)
    packaging.log_metrics(
        tracked.id,
        model.model_id if _comparable(cfg) else None,
        metrics.logged(_values(cfg, found)),
        step=model.tagger.about["examples"],
        data=("yt8m-eval", manifest.digest),
    )
    return _shown(cfg, tracked, model.uri, found, model.tagger.names.tolist())


def _comparable(cfg: DictConfig) -> bool:
    """Whether the model may have these scores: it is given those of the default bounds and loss."""
    bounds = cfg.top_k, cfg.segments_listed
    return cfg.loss is None and bounds == (spec.TOP_K, spec.SEGMENTS_LISTED)


def _watch(cfg: DictConfig) -> Score:
    """Prepares to score each checkpoint that a training run uploads, until the run has ended."""
    from yt8m_exp import recipe
    from yt8m_exp.tracking import configuration

    theirs = OmegaConf.create(configuration.read_config(cfg.watch))
    return partial(_watched, cfg, theirs, _checked(cfg, recipe.schema(theirs)))


def _watched(
    cfg: DictConfig, theirs: DictConfig, manifest: "Manifest", tracked: "Run"
) -> dict[str, Any]:
    from yt8m_exp import recipe
    from yt8m_exp.data import vocabulary
    from yt8m_exp.evaluation import metrics
    from yt8m_exp.tracking import checkpoints, inputs

    inputs.log(tracked, manifest, context="eval")
    tracked.client.set_tag(tracked.id, "watched_run", cfg.watch)
    learner = recipe.learner(theirs, recipe.strategy(theirs))
    loss = _loss(cfg, tracked, theirs)
    found = None
    for examples, path in checkpoints.arriving(
        tracked.client, cfg.watch, tracked.directory, every_seconds=cfg.watch_seconds
    ):
        learner.restore(path)
        with learner.averaged():
            found = _measured(cfg, learner.model, manifest, loss)
        tracked.writer.log(metrics.logged(_values(cfg, found)), examples)
        logger.info("%s examples: GAP %.4f", f"{examples:,}", _values(cfg, found)["gap"])
    if found is None:
        raise ValueError(f"Run {cfg.watch} has ended and holds no checkpoint to score.")
    words = vocabulary.read(theirs.data.vocabulary, manifest.schema.classes)
    return _shown(cfg, tracked, f"runs:/{cfg.watch}", found, words.names)


def _file(cfg: DictConfig) -> Score:
    """Scores a file of predictions; what remains to be done is to log the result."""
    from yt8m_exp.jobs import evaluate_files

    scored = evaluate_files.score(OmegaConf.to_object(cfg))  # type: ignore[arg-type]

    def log(tracked: "Run") -> dict[str, Any]:
        from yt8m_exp.evaluation import metrics
        from yt8m_exp.tracking import inputs

        if scored.manifest:
            inputs.log(tracked, scored.manifest, context="eval")
        tracked.writer.log({**metrics.logged(_values(cfg, scored.found)), **scored.counts}, 0)
        what = cfg.predictions or cfg.segment_predictions
        return {**_shown(cfg, tracked, what, scored.found, scored.names), **scored.counts}

    return log


def _loss(cfg: DictConfig, tracked: "Run", about: Mapping[Any, Any]) -> Callable[..., Any]:
    """Returns the loss that the configuration chooses, or that the model was trained with."""
    chosen: Any = cfg.loss or about.get("loss")
    if chosen is None:
        logger.info("The model does not say which loss it was trained with: it is cross entropy.")
        chosen = CROSS_ENTROPY
    parameters = [f"{key}={value}" for key, value in chosen.items() if key[0] != "_"]
    name = chosen["_target_"].rpartition(".")[2]
    tracked.client.set_tag(tracked.id, "loss", f"{name}({', '.join(parameters)})")
    return instantiate(chosen)


def _checked(cfg: DictConfig, schema: "Schema") -> "Manifest":
    from yt8m_exp.tracking import inputs

    patterns = OmegaConf.to_object(cfg)["shards"]  # type: ignore[index, call-overload]
    return inputs.checked(patterns, schema, on_bad_record=cfg.on_bad_record)


def _measured(
    cfg: DictConfig, model: "keras.Model", manifest: "Manifest", loss: Callable[..., Any]
) -> "Evaluation":
    from yt8m_exp.data.pipeline import ordered_batches
    from yt8m_exp.evaluation import scoring
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.terminal import progress
    from yt8m_exp.training.loss_values import value_of

    with progress.shown("Evaluating", manifest.records, unit="videos") as advance:
        return scoring.evaluate(
            scoring.predictor(model),
            value_of(loss),
            ordered_batches(Entry(model).read(manifest), cfg.batch_size),
            manifest.schema.classes,
            top_k=cfg.top_k,
            top_n=cfg.top_n,
            advance=advance,
        )


def _values(cfg: DictConfig, found: "Evaluation") -> dict[str, float | None]:
    from yt8m_exp.evaluation import metrics

    return metrics.values(found, [*metrics.TABLE, *map(metrics.map_at, cfg.top_n)])


def _shown(
    cfg: DictConfig,
    tracked: "Run",
    what: str,
    found: "Evaluation",
    names: Sequence[str],
) -> dict[str, Any]:
    from yt8m_exp.evaluation import metrics
    from yt8m_exp.terminal import summary
    from yt8m_exp.tracking import results

    values = _values(cfg, found)
    result = {"run_id": tracked.id, **values}
    if ranked := found.ranked:
        results.log_evaluation(tracked.client, tracked.id, ranked, names)
        result["videos"] = ranked.videos
        result["classes_with_positives"] = ranked.classes_with_positives
    where = f"mlflow ui --backend-store-uri {tracked.client.tracking_uri}"
    rows = {**result, **metrics.shown(values)}
    summary.show(f"Evaluation of {what}", rows, {"Figures": where})
    return result


if __name__ == "__main__":
    command.run("eval", run)
