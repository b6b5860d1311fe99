"""Trains a model on shards, and logs what it did, how good it is, and the model itself."""

import logging
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command, recipe

if TYPE_CHECKING:
    from yt8m_exp.data.shards import Manifest
    from yt8m_exp.data.vocabulary import Vocabulary
    from yt8m_exp.tracking.runs import Run
    from yt8m_exp.training.fit import State
    from yt8m_exp.training.learner import Keeper

logger = logging.getLogger(__name__)

Report = Callable[[Mapping[str, float], int], None]
Reported = Callable[[Mapping[str, float], int], bool]


def run(cfg: DictConfig, *, reported: Reported = lambda metrics, examples: True) -> dict[str, Any]:
    """Trains as a configuration of `conf/train.yaml` says.

    Args:
        cfg: the configuration.
        reported: is given what the run reports at examples seen, first the model's size at 0, and
            answers whether to go on.

    Returns:
        The run's id, the URI of the best model, and its metrics on the validation shards.

    Raises:
        ValueError: a value of the configuration or a record is bad.
        FileNotFoundError: a pattern matches no shard.
        FloatingPointError: the loss or a weight is not finite.
        SystemExit: a signal stopped training; a checkpoint has been written.
        Stopped: `reported` did; a checkpoint has been written, unless nothing was trained.
    """
    from yt8m_exp.tracking.runs import open_run
    from yt8m_exp.training import cluster

    number, workers = cluster.place()
    if cfg.resume and workers > 1:
        raise ValueError(
            f"A run is resumed by one worker, but TF_CONFIG names {workers}: its checkpoints are "
            "with the first of them. Unset TF_CONFIG to go on."
        )
    cfg = _resumed(cfg) if cfg.resume else cfg
    _check(cfg)
    if number > 0:
        return _follow(cfg)
    with open_run(
        "train",
        experiment=cfg.tracking.experiment,
        config=OmegaConf.to_container(cfg, resolve=True),  # type: ignore[arg-type]
        root=Path(cfg.tracking.runs),
        resume=cfg.resume,
        name=cfg.tracking.run_name or cfg.model._target_.split(".")[-2],
        system_metrics=cfg.tracking.system_metrics,
    ) as tracked:
        return _train(cfg, tracked, reported)


def _train(cfg: DictConfig, tracked: "Run", reported: Reported) -> dict[str, Any]:
    from yt8m_exp.data import vocabulary
    from yt8m_exp.tracking import checkpoints, inputs, tensorboard
    from yt8m_exp.tracking.endings import Stopped
    from yt8m_exp.tracking.uploads import Uploader

    words = vocabulary.read(cfg.data.vocabulary, cfg.data.classes)
    train, validate = (
        inputs.scanned(tracked, **recipe.shards(cfg, context), context=context)
        for context in ("train", "validate")
    )
    replicated = recipe.strategy(cfg)
    learning = recipe.learner(cfg, replicated)
    if not reported(learning.size(), 0):
        raise Stopped("Stopped before training, for the size of its model.")

    from yt8m_exp.training.learner import Keeper

    report: Report = tracked.writer.log
    if cfg.tracking.tensorboard:
        report = tensorboard.beside(report, tracked.directory / "tensorboard")
    uploader = Uploader(tracked.client, tracked.id, "checkpoints")
    keeper = Keeper(tracked.directory / "checkpoints", learning, train.digest, uploader.put)
    try:
        if tracked.resumed:
            checkpoints.fetch(tracked.client, tracked.id, keeper.folder)
        if cfg.start_from and not keeper.started:
            _start(cfg.start_from, tracked, keeper)
        state = keeper.restore()
        rate = _fit(cfg, keeper, (train, validate), state, replicated, report, reported)
        return _finish(cfg, tracked, keeper, (train, validate), state, words, rate)
    finally:
        uploader.close()


def _start(source: str, tracked: "Run", keeper: "Keeper") -> None:
    """Takes over the weights of a model, or of the best one of a run."""
    from yt8m_exp.serving import loading

    is_run = not any(mark in source for mark in ":/")
    found = loading.load(f"runs:/{source}/best" if is_run else source)
    keeper.learner.take_weights(found.tagger.model)
    for key, value in found.tags().items():
        tracked.client.set_tag(tracked.id, key.replace("model.", "start_from.", 1), value)


def _follow(cfg: DictConfig) -> dict[str, Any]:
    """Trains beside the worker that tracks and keeps the run."""
    from yt8m_exp.data import shards

    data = tuple(shards.scan(**recipe.shards(cfg, context)) for context in ("train", "validate"))
    replicated = recipe.strategy(cfg)
    learning = recipe.learner(cfg, replicated)

    from yt8m_exp.training.fit import State
    from yt8m_exp.training.learner import Keeper

    state = State()
    with tempfile.TemporaryDirectory() as folder:
        keeper = Keeper(Path(folder), learning, data[0].digest)
        _fit(cfg, keeper, data, state, replicated, lambda metrics, examples: None)
    return {"examples": state.examples}


def _fit(
    cfg: DictConfig,
    keeper: "Keeper",
    data: tuple["Manifest", ...],
    state: "State",
    strategy: Any,
    report: Report,
    reported: Reported = lambda metrics, examples: True,
) -> float:
    """Trains to the end of the plan; returns examples per second.

    Raises:
        SystemExit: a signal stopped it.
        Stopped: `reported` did.
    """
    from yt8m_exp.data.pipeline import Part, Shuffle, ordered_batches, training_batches
    from yt8m_exp.evaluation import scoring
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.terminal import progress
    from yt8m_exp.tracking.endings import Stopped
    from yt8m_exp.training import cluster, interrupts, step
    from yt8m_exp.training.fit import Calls, fit

    model = keeper.learner.model
    train, validate = map(Entry(model).read, data)
    loss = instantiate(cfg.loss)
    predict = scoring.predictor(model, loss)
    plan = recipe.plan(cfg, train.records, strategy.num_replicas_in_sync)
    shuffle = Shuffle(cfg.seed, cfg.data.shuffle_bytes)
    part = Part(*cluster.place())
    batches = training_batches(train, plan.batch_size, shuffle, start=state.examples, part=part)
    update = step.make(
        model,
        loss,
        keeper.learner.optimizer,
        strategy=strategy,
        clip_to=step.Clip(**cfg.clip),
        jit_compile=cfg.jit_compile,
    )

    def evaluate() -> dict[str, float]:
        keeper.learner.require_finite()
        with keeper.learner.averaged():
            metrics, mean_loss = scoring.evaluate(
                predict, ordered_batches(validate), cfg.data.classes
            )
        return metrics.values() | {"loss": mean_loss}

    with (
        interrupts.noted() as interrupt,
        progress.shown("Training", plan.examples, start=state.examples) as advance,
    ):

        def show(state: "State", loss: float | None) -> None:
            gap = state.best_gap if math.isfinite(state.best_gap) else None
            advance(state.examples, loss=loss, gap=gap)

        goes_on = True

        def tell(metrics: Mapping[str, float], examples: int) -> None:
            nonlocal goes_on
            report(metrics, examples)
            goes_on = reported(metrics, examples) and goes_on

        def stop() -> bool:
            return bool(interrupt) or not goes_on

        calls = Calls(evaluate, keeper.save, tell, show, stop)
        ending = fit(update, batches, state, plan, recipe.schedule(cfg, plan), calls)
    batches.close()  # type: ignore[attr-defined]
    if ending.why == "interrupted" and not interrupt:
        raise Stopped(f"Stopped at {state.examples:,} examples, by what its evaluations promise.")
    if interrupt:
        logger.warning(
            "Stopped at %s examples, with a checkpoint. Go on: python -m yt8m_exp.train resume=%s",
            *(f"{state.examples:,}", keeper.folder.parent.name),
        )
        raise SystemExit(128 + (interrupt.signal or 0))
    return ending.examples_per_second


def _finish(
    cfg: DictConfig,
    tracked: "Run",
    keeper: "Keeper",
    data: tuple["Manifest", "Manifest"],
    state: "State",
    words: "Vocabulary",
    rate: float,
) -> dict[str, Any]:
    """Scores the file of the best model, logs it and the last, and says where all that is."""
    import keras

    from yt8m_exp.data.pipeline import ordered_batches
    from yt8m_exp.evaluation import scoring
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.registry import versions
    from yt8m_exp.serving import packaging
    from yt8m_exp.terminal import summary
    from yt8m_exp.tracking import results

    train, validate = data
    logger.info("Scoring the best model as it was saved, and logging it with its figures")
    tracked.writer.flush()
    best = keras.saving.load_model(keeper.best, compile=False)
    metrics, mean_loss = scoring.evaluate(
        scoring.predictor(best, instantiate(cfg.loss)),
        ordered_batches(Entry(best).read(validate)),
        cfg.data.classes,
    )
    values = metrics.values() | {"loss": mean_loss}
    about = {
        "run_id": tracked.id,
        "examples": state.best_examples,
        "train": train.as_dict(),
        "validate": validate.as_dict(),
    }
    if cfg.figures:
        last = keeper.folder / "last.keras"
        keeper.learner.save_model(last)
        seen = about | {"examples": state.examples}
        packaging.log_model(last, name="last", step=state.examples, words=words, about=seen)
    info = packaging.log_model(
        keeper.best, name="best", step=state.best_examples, words=words, about=about
    )
    packaging.log_metrics(
        tracked.id,
        info.model_id,
        values,
        step=state.best_examples,
        data=("yt8m-validate", validate.digest),
    )
    if cfg.figures:
        results.log_evaluation(
            tracked.client, tracked.id, metrics, words.names, frequency=train.class_counts()
        )
        results.log_curves(tracked.client, tracked.id, best=state.best_examples)
    note = results.note(best.name, values, train.records, metrics.videos, info.model_uri)
    tracked.client.set_tag(tracked.id, "mlflow.note.content", note)
    result = {
        "run_id": tracked.id,
        "model_uri": info.model_uri,
        **values,
        "examples": state.examples,
        "examples_per_second": round(rate, 1),
        **{name.removeprefix("model/"): value for name, value in keeper.learner.size().items()},
    }
    if cfg.register:
        version = versions.register(tracked.client, info.model_uri, cfg.register)
        result |= {"registered": cfg.register, "version": version}
    summary.show(
        f"{best.name}, trained on {train.records:,} videos, measured on {metrics.videos:,} others",
        result,
        {
            "Look": f"mlflow ui --backend-store-uri {tracked.client.tracking_uri}",
            "Predict": f"python -m yt8m_exp.inference model_uri={info.model_uri}",
        },
    )
    return result


def _resumed(cfg: DictConfig) -> DictConfig:
    """Returns the configuration of the run to resume, with what this command line changes of it.

    Raises:
        ValueError: the command line asks for another model, or the data are others.
        FileNotFoundError: a pattern matches no shard.
    """
    from yt8m_exp.data import shards
    from yt8m_exp.tracking import configuration, inputs

    before = OmegaConf.create(configuration.read_config(cfg.resume))
    _require_same_choices(cfg, before)
    resumed = before.copy()
    for key, value in command.changes("train", cfg).items():
        OmegaConf.update(resumed, key, value, merge=False, force_add=True)
    if resumed.model != before.model:
        raise ValueError(
            f"A run must go on with the model it began with, {before.model}, but the command line "
            f"asks for {resumed.model}. Start a new run for another model."
        )
    for context in ("train", "validate"):  # before the run is opened, and changed by that
        manifest = shards.scan(**recipe.shards(resumed, context))
        inputs.require_same(cfg.resume, manifest, context=context)
    return resumed  # type: ignore[return-value]


def _require_same_choices(cfg: DictConfig, before: DictConfig) -> None:
    for group, key in ("model", "model._target_"), ("data", "data.level"):
        now, then = OmegaConf.select(cfg, key), OmegaConf.select(before, key)
        if group in command.given() and now != then:
            raise ValueError(
                f"A run must go on with the {group} it began with ({then}), but the command line "
                f"asks for {now}. Leave {group} out, or start a new run."
            )


def _check(cfg: DictConfig) -> None:
    """Refuses values that would fail later, or do nothing.

    Raises:
        ValueError: a value is out of its range.
    """
    for key, least in {"epochs": 0, "batch_size": 1, "learning_rate": 0}.items():
        value = cfg[key]
        if not isinstance(value, int | float) or value < least or (least == 0 and value == 0):
            raise ValueError(f"`{key}` must be a number above 0, but got {value!r}.")
    if cfg.patience is not None and cfg.patience < 1:
        raise ValueError(f"`patience` must be null or at least 1, but got {cfg.patience!r}.")
    if cfg.precision not in ("float32", "mixed_bfloat16"):
        raise ValueError(
            f"`precision` must be float32 or mixed_bfloat16, but got {cfg.precision!r}."
        )
    if cfg.clip.by not in ("variable", "global"):
        raise ValueError(f"`clip.by` must be variable or global, but got {cfg.clip.by!r}.")


if __name__ == "__main__":
    command.run("train", run)
