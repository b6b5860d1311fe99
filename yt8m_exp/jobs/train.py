"""Trains a model, evaluates it as it goes, and keeps checkpoints; `finish` logs the best model."""

import contextlib
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from yt8m_exp.data import vocabulary
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.jobs.steps import finish, naming, recipe, sources
from yt8m_exp.jobs.steps.checks import memory_check, preflight
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.jobs.steps.resume import resumed
from yt8m_exp.jobs.steps.training import additions, fitting, several, teachers
from yt8m_exp.jobs.steps.work import Report, Reported, Work
from yt8m_exp.serving import loading
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, downloads
from yt8m_exp.tracking.endings import Stopped
from yt8m_exp.tracking.outbox import tensorboard
from yt8m_exp.tracking.outbox.uploads import Uploader
from yt8m_exp.tracking.runs import Run, note_resume
from yt8m_exp.training import cluster
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.step import Compiled

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
    cfg = teachers.resolved(resumed(cfg) if cfg.resume else cfg)
    strategy = recipe.strategy(cfg)
    # What is wrong with the input is refused before a run is opened.
    additions.require_fit(cfg, recipe.loss(cfg.loss, cfg.data.classes))
    learner = recipe.learner(cfg, strategy)
    update = fitting.update(cfg, learner, strategy)
    memory_check.require(cfg, learner, strategy, update)
    if number > 0:
        with several.bound(cfg.resume):
            return _follow(cfg, strategy, learner, update)
    files = FILES + (cfg.averaging.checkpoints if cfg.averaging.method else 0)
    preflight.require_space(Path(cfg.tracking.runs), files * learner.size()["model/bytes"] / 1e6)
    data = _checked(cfg)
    name = naming.of_training(cfg, data.train, words)
    with (
        opened("train", cfg, name=name, resume=cfg.resume, words=words) as tracked,
        several.bound(tracked.id),
    ):
        return _train(cfg, tracked, data, strategy, learner, update, reported)


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
    update: Compiled,
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
        work = Work(cfg, train, validate, strategy, manager, update, records, report, reported)
        datasets.warn_of_leaked(work.leaked, validate)
        state = manager.restore()
        note_resume(tracked, state.examples)
        several.lead(tracked, manager, state, strategy)
        rate = fitting.train(work, state)
        return finish.finish(work, tracked, state, names, rate)


def _take_weights(source: str, tracked: Run, manager: CheckpointManager) -> None:
    """Starts from the weights of a model, or of the best model of a run."""
    is_run = not any(mark in source for mark in ":/")
    found = loading.load(f"runs:/{source}/best" if is_run else source)
    model = manager.learner.model
    if new := manager.learner.take_weights(found.tagger.model):
        logger.info(
            "%s begins with the body of %s. Its head is new, as there are %s classes, not %s: %s",
            model.name, found.uri, f"{model.output.shape[-1]:,}",
            f"{found.tagger.model.output.shape[-1]:,}", ", ".join(new),
        )  # fmt: skip
    for key, value in found.tags().items():
        tracked.client.set_tag(tracked.id, key.replace("model.", "start_from.", 1), value)


def _follow(cfg: DictConfig, strategy: Any, learner: Learner, update: Compiled) -> Summary:
    """Trains beside the worker that logs the run and holds its checkpoints."""
    train, validate = sources.scanned(cfg)
    with tempfile.TemporaryDirectory() as folder:
        manager = CheckpointManager(
            Path(folder) / downloads.FOLDER, learner, train.digest, also=(train.digest_of_names,)
        )
        state = several.follow(cfg, manager, strategy)
        fitting.train(Work(cfg, train, validate, strategy, manager, update, train.records), state)
    return Summary("Trained beside the first worker", {"examples": state.examples})
