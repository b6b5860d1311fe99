"""Trains a model, evaluates it as it goes, and keeps checkpoints; `finish` logs the best model."""

import contextlib
import logging
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from yt8m_exp.data import vocabulary
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import Part, Shuffle, ordered_batches, training_batches
from yt8m_exp.data.tfrecords import compiled, warming
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import metrics, scoring, top_k
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.jobs.steps import finish, naming, recipe, several, sources
from yt8m_exp.jobs.steps.checks import memory_check, preflight
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.jobs.steps.resume import resumed
from yt8m_exp.jobs.steps.work import Report, Reported, Work
from yt8m_exp.serving import loading
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, downloads, patience
from yt8m_exp.tracking.endings import Stopped
from yt8m_exp.tracking.outbox import tensorboard
from yt8m_exp.tracking.outbox.uploads import Uploader
from yt8m_exp.tracking.runs import Run, note_resume
from yt8m_exp.training import cluster, interrupts, loss_values, step
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.fit import Callbacks, Ending, TrainState, fit
from yt8m_exp.training.interrupts import Interrupt
from yt8m_exp.training.learner import Learner

logger = logging.getLogger(__name__)

FILES = 8
"""Models' worth of bytes that a run keeps: two checkpoints, each with two moments, and two models.
"""


def run(
    cfg: DictConfig,
    *,
    reported: Reported = lambda metrics, examples: True,
    words: Sequence[str] | None = None,
) -> Summary:
    """Trains as a configuration of `conf/train.yaml` says.

    Args:
        cfg: the configuration.
        reported: called with what the run reports and the examples seen, first with the model's
            size at 0; returns whether to continue.
        words: the overrides that `cfg` was composed of; None: those of the command line.

    Returns:
        The run's id, the URI of the best model, and its metrics on the validation shards.

    Raises:
        InputError: a value of the configuration or a record is bad.
        MissingInputError: a pattern matches no shard.
        NotFiniteError: the loss or a weight is not finite.
        SystemExit: a signal stopped training; a checkpoint has been written.
        Stopped: `reported` stopped it; a checkpoint has been written, unless nothing was trained.
    """
    number, _ = cluster.place()
    cfg = resumed(cfg) if cfg.resume else cfg
    strategy = recipe.strategy(cfg)
    # What is wrong with the input is refused before a run is opened.
    learner = recipe.learner(cfg, strategy)
    memory_check.require(cfg, learner, strategy)
    if number > 0:
        with several.bound(cfg.resume):
            return _follow(cfg, strategy, learner)
    preflight.require_space(Path(cfg.tracking.runs), FILES * learner.size()["model/bytes"] / 1e6)
    data = _checked(cfg)
    name = naming.of_training(cfg, data.train, words)
    with (
        opened("train", cfg, name=name, resume=cfg.resume, words=words) as tracked,
        several.bound(tracked.id),
    ):
        return _train(cfg, tracked, data, strategy, learner, reported)


class Data(NamedTuple):
    """The shards to learn from and to measure on, checked, and the names of the classes."""

    train: Manifest
    validate: Manifest
    names: Vocabulary


def _checked(cfg: DictConfig) -> Data:
    names = vocabulary.read(cfg.data.vocabulary, cfg.data.classes)
    train, validate = (
        datasets.checked(**sources.arguments(cfg, context)) for context in sources.CONTEXTS
    )
    return Data(train, validate, names)


def _train(
    cfg: DictConfig,
    tracked: Run,
    data: Data,
    strategy: Any,
    learner: Learner,
    reported: Reported,
) -> Summary:
    train, validate, names = data
    datasets.log_read(tracked, train, context="train")
    datasets.log_read(tracked, validate, context="validate")
    if weights := cfg.loss.get("label_weights"):
        tracked.client.log_artifact(tracked.id, weights)
    if not reported(learner.size(), 0):
        raise Stopped("Not trained: the size of its model breaks a constraint of the study.")
    report: Report = tracked.writer.log
    if cfg.tracking.tensorboard:
        report = tensorboard.beside(report, tracked.directory / "tensorboard")
    with contextlib.closing(Uploader(tracked.client, tracked.id, "checkpoints")) as uploader:
        folder = tracked.directory / "checkpoints"
        known = (train.digest_of_names,)
        manager = CheckpointManager(folder, learner, train.digest, uploader.put, known)
        if tracked.resumed:
            downloads.fetch_checkpoints(tracked.client, tracked.id, folder)
            for path in manager.files():  # the process before may have died with some to upload
                uploader.put(path)
        if cfg.start_from and not manager.has_checkpoint:
            _take_weights(cfg.start_from, tracked, manager)
        records = datasets.planned_records(tracked, train, context="train")
        work = Work(cfg, train, validate, strategy, manager, records, report, reported)
        state = manager.restore()
        note_resume(tracked, state.examples)
        several.lead(tracked, manager, state, strategy)
        rate = _fit(work, state)
        return finish.finish(work, tracked, state, names, rate)


def _take_weights(source: str, tracked: Run, manager: CheckpointManager) -> None:
    """Starts from the weights of a model, or of the best model of a run."""
    is_run = not any(mark in source for mark in ":/")
    found = loading.load(f"runs:/{source}/best" if is_run else source)
    manager.learner.take_weights(found.tagger.model)
    for key, value in found.tags().items():
        tracked.client.set_tag(tracked.id, key.replace("model.", "start_from.", 1), value)


def _follow(cfg: DictConfig, strategy: Any, learner: Learner) -> Summary:
    """Trains beside the worker that logs the run and holds its checkpoints."""
    train, validate = sources.scanned(cfg)
    with tempfile.TemporaryDirectory() as folder:
        manager = CheckpointManager(
            Path(folder) / downloads.FOLDER, learner, train.digest, also=(train.digest_of_names,)
        )
        state = several.follow(cfg, manager, strategy)
        _fit(Work(cfg, train, validate, strategy, manager, train.records), state)
    return Summary("Trained beside the first worker", {"examples": state.examples})


def _fit(work: Work, state: TrainState) -> float:
    """Trains to the end of the plan; returns examples per second.

    Raises:
        SystemExit: a signal stopped it.
        Stopped: `reported` stopped it.
    """
    cfg, learner = work.cfg, work.manager.learner
    train = Entry(learner.model).read(work.train)
    warming.warm([*compiled.calls(cfg.data.level), *top_k.calls(), *loss_values.calls()])
    loss = recipe.loss(cfg.loss, cfg.data.classes)
    plan = recipe.plan(cfg, work.records, work.strategy.num_replicas_in_sync)
    shuffle, part = Shuffle(cfg.seed, cfg.data.shuffle_bytes), Part(*cluster.place())
    load = sources.packed(cfg, train)
    batches = training_batches(
        train, plan.batch_size, shuffle, start=state.examples, part=part, load=load
    )
    update = step.make(
        learner.model,
        loss,
        learner.optimizer,
        strategy=work.strategy,
        clip_to=step.Clip(**cfg.clip),
        jit_compile=cfg.jit_compile,
    )
    with (
        contextlib.closing(batches),  # type: ignore[type-var]
        interrupts.noted() as interrupt,
        progress.shown("Training", plan.examples, start=state.examples) as advance,
    ):
        callbacks = _callbacks(work, loss, interrupt, advance)
        ending = fit(update, batches, state, plan, recipe.schedule(cfg, plan), callbacks)
    _require_finished(ending, interrupt, state, run_id=work.manager.folder.parent.name)
    return ending.examples_per_second


def _callbacks(
    work: Work, loss: Callable[..., Any], interrupt: Interrupt, advance: progress.Advance
) -> Callbacks:
    """Returns what the loop calls: the evaluation, the checkpoints, the reports, the signals."""
    learner = work.manager.learner
    validate = Entry(learner.model).read(work.validate)
    predict, loss_value = scoring.predictor(learner.model), loss_values.value_of(loss)
    answers: set[bool] = set()

    def evaluate() -> dict[str, float | None]:
        learner.require_finite()
        with learner.averaged():
            found = scoring.evaluate(
                predict, loss_value, ordered_batches(validate), work.cfg.data.classes
            )
        return metrics.values(found, metrics.curves())

    def report(values: Mapping[str, float], examples: int) -> None:
        work.report(values, examples)
        answers.add(work.reported(values, examples))

    def show(state: TrainState, last_loss: float | None) -> None:
        gap = state.best_gap if math.isfinite(state.best_gap) else None
        advance(state.examples, loss=last_loss, gap=gap)

    def stop() -> bool:
        return bool(interrupt) or False in answers

    return Callbacks(evaluate, work.manager.save, report, show, stop)


def _require_finished(
    ending: Ending, interrupt: Interrupt, state: TrainState, *, run_id: str
) -> None:
    """Raises SystemExit if a signal stopped training, and Stopped if `reported` did."""
    if interrupt:
        logger.warning(
            "Stopped at %s examples, with a checkpoint. Resume: yt8m train resume=%s",
            *(f"{state.examples:,}", run_id),
        )
        patience.hurry()
        raise SystemExit(128 + (interrupt.signal or 0))
    if ending.why == "interrupted":
        raise Stopped(f"Pruned at {state.examples:,} examples.")
