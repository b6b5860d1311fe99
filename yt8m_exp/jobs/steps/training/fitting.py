"""The training itself: from its first batch to its last evaluation."""

import contextlib
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.data.pipeline import Part, Shuffle, ordered_batches, training_batches
from yt8m_exp.data.tfrecords import compiled, warming
from yt8m_exp.evaluation import metrics, scoring, top_k
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.jobs.steps import recipe, sources
from yt8m_exp.jobs.steps.training import additions, average, teachers
from yt8m_exp.jobs.steps.work import Work
from yt8m_exp.models import devices
from yt8m_exp.terminal import progress
from yt8m_exp.tracking import patience
from yt8m_exp.tracking.endings import Stopped
from yt8m_exp.training import cluster, interrupts, loss_values, step
from yt8m_exp.training.fit import Callbacks, Ending, TrainState, fit
from yt8m_exp.training.interrupts import Interrupt
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.recipes.averaging import Snapshots
from yt8m_exp.training.step import Compiled

logger = logging.getLogger(__name__)


def update(cfg: DictConfig, learner: Learner, strategy: Any, *, complete: bool = False) -> Compiled:
    """Compiles the step of a training, which is traced once, when its memory is estimated.

    Args:
        cfg: the configuration.
        learner: its model and optimizer.
        strategy: of the devices.
        complete: whether teachers and XLA take part in it, if the configuration has them.
    """
    if complete and cfg.jit_compile and cfg.deterministic and devices.has_gpu():
        logger.warning(
            "XLA adds up the gradients of labels one by one on a GPU where the order must be the "
            "same (jit_compile=true deterministic=true): a step can take 80 times as long. Set "
            "deterministic=false or jit_compile=false."
        )
    loss = recipe.loss(cfg.loss, cfg.data.classes)
    return step.compiled(
        learner.model,
        additions.training_loss(cfg, loss) if complete else loss,
        learner.optimizer,
        strategy=strategy,
        clip_to=step.Clip(**cfg.clip),
        jit_compile=complete and cfg.jit_compile,
        change=additions.change(
            cfg, learner, taught=complete, teacher=teachers.asked(cfg) if complete else None
        ),
    )


def train(work: Work, state: TrainState) -> float:
    """Trains to the end of the plan; returns examples per second.

    Raises:
        SystemExit: a signal stopped it.
        Stopped: `reported` stopped it.
    """
    cfg, learner = work.cfg, work.manager.learner
    shards = work.train if additions.needs_frames(cfg) else Entry(learner.model).read(work.train)
    warming.warm([*compiled.calls(cfg.data.level), *top_k.calls(), *loss_values.calls()])
    loss = recipe.loss(cfg.loss, cfg.data.classes)
    asks = cfg.distillation.teacher and not cfg.distillation.online
    taught = teachers.predictions(cfg) if asks else None
    plan = recipe.plan(cfg, work.records, work.strategy.num_replicas_in_sync)
    shuffle, part = (
        Shuffle(cfg.seed, cfg.data.shuffle_bytes, cfg.data.balance),
        Part(*cluster.place()),
    )
    load = sources.packed(cfg, shards)
    batches = training_batches(
        shards, plan.batch_size, shuffle, start=state.examples, part=part, load=load
    )
    everywhere = work.update
    if cfg.distillation.teacher or cfg.jit_compile:
        everywhere = update(cfg, learner, work.strategy, complete=True)
    take = step.of_batches(learner.model, everywhere, work.strategy)
    seen = (batch | taught.of(batch) for batch in batches) if taught else batches
    score, kept = _score(work, loss), average.snapshots(cfg, work.manager)
    if kept:
        kept.forget(state.examples)
    if state.examples >= plan.examples:
        logger.info("Nothing is left to train: raise epochs to go on")
    with (
        contextlib.closing(batches),  # type: ignore[type-var]
        interrupts.noted() as interrupt,
        progress.shown("Training", plan.examples, start=state.examples) as advance,
    ):
        callbacks = _callbacks(work, state, score, kept, interrupt, advance)
        ending = fit(take, seen, state, plan, recipe.schedule(cfg, plan), callbacks)
    _require_finished(ending, interrupt, state, run_id=work.manager.folder.parent.name)
    if kept:
        average.finish(work, state, kept, score)
    return ending.examples_per_second


def _score(work: Work, loss: Callable[..., Any]) -> average.Scores:
    """Returns what scores the model as it is."""
    model = work.manager.learner.model
    validate = Entry(model).read(work.validate)
    predict, loss_value = scoring.predictor(model), loss_values.value_of(loss)

    def score() -> dict[str, float | None]:
        found = scoring.evaluate(
            predict, loss_value, ordered_batches(validate), work.cfg.data.classes
        )
        return metrics.values(found, metrics.curves())

    return score


def _callbacks(
    work: Work,
    state: TrainState,
    score: average.Scores,
    kept: Snapshots | None,
    interrupt: Interrupt,
    advance: progress.Advance,
) -> Callbacks:
    """Returns what the loop calls: the evaluation, the checkpoints, the reports, the signals."""
    learner = work.manager.learner
    answers: set[bool] = set()

    def evaluate() -> dict[str, float | None]:
        learner.require_finite()
        with learner.averaged():
            values = score()
            if kept:
                weights = [variable.numpy() for variable in learner.model.weights]
                kept.keep(weights, state.examples, values["gap"])
        return values

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
