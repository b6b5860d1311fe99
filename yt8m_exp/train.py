"""Trains a model on shards, and logs what it did, how good it is, and the model itself."""

import logging
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from yt8m_exp import closing, command, recipe, resuming

if TYPE_CHECKING:
    from yt8m_exp.data.shards import Manifest
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
    cfg = resuming.resumed(cfg) if cfg.resume else cfg
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
        return closing.close(cfg, tracked, keeper, (train, validate), state, words, rate)
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
    from yt8m_exp.evaluation import metrics, scoring
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.terminal import progress
    from yt8m_exp.tracking.endings import Stopped
    from yt8m_exp.training import cluster, interrupts, step
    from yt8m_exp.training.fit import Calls, fit
    from yt8m_exp.training.loss_values import value_of

    model = keeper.learner.model
    train, validate = map(Entry(model).read, data)
    loss = instantiate(cfg.loss)
    predict, loss_value = scoring.predictor(model), value_of(loss)
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

    def evaluate() -> dict[str, float | None]:
        keeper.learner.require_finite()
        with keeper.learner.averaged():
            found = scoring.evaluate(
                predict, loss_value, ordered_batches(validate), cfg.data.classes
            )
        return metrics.values(found, metrics.curves())

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
