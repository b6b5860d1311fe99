"""The training loop.

It owns nothing: the batches, the step, the evaluation, the checkpoints and the reports are
arguments. All positions are counted in examples seen.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import tensorflow as tf

from yt8m_exp.evaluation import metrics
from yt8m_exp.spec import NotFiniteError
from yt8m_exp.training.step import Step


@dataclass(frozen=True)
class Ending:
    """How training ended.

    Args:
        why: the reason.
        examples_per_second: over the time spent on steps, not on evaluations.
    """

    why: Literal["finished", "stopped early", "interrupted"]
    examples_per_second: float


@dataclass(frozen=True)
class Plan:
    """How long a run trains, and how often it evaluates, logs and saves.

    Args:
        examples: where training ends.
        batch_size: examples of a step, over all replicas.
        evaluate_every: examples between two evaluations; one more comes at the end.
        log_every: examples between two points of the training curves.
        checkpoint_seconds: time between two checkpoints, beside those at evaluations.
        patience: evaluations without a better `gap` after which training stops early, as Keras'
            EarlyStopping counts; None never.
    """

    examples: int
    batch_size: int
    evaluate_every: int
    log_every: int
    checkpoint_seconds: float = 300.0
    patience: int | None = None


@dataclass
class TrainState:
    """The state of training beside the variables.

    Attributes:
        examples: examples seen.
        best_gap: the best of the evaluations, and the examples seen then.
        best_metrics: all that this evaluation measured.
        since_best: evaluations since.
        losses, steps: sum of the losses since the last point of the curve, and their number.
    """

    examples: int = 0
    best_gap: float = -math.inf
    best_examples: int = 0
    best_metrics: dict[str, float | None] = field(default_factory=dict)
    since_best: int = 0
    losses: float = 0.0
    steps: int = 0

    as_dict = asdict


@dataclass(frozen=True)
class Callbacks:
    """The functions that the loop calls.

    Args:
        evaluate: returns the metrics of the weights as they are by key, `gap` among them.
        save: writes a checkpoint; takes whether the latest evaluation is the best.
        report: takes metrics by name at a number of examples seen.
        progress: takes the state after each step, and the last loss known.
        stop: whether to end training after this step, or after the evaluation just reported.
    """

    evaluate: Callable[[], Mapping[str, float | None]]
    save: Callable[[TrainState, bool], None]
    report: Callable[[Mapping[str, float], int], None]
    progress: Callable[[TrainState, float | None], None] = lambda state, loss: None
    stop: Callable[[], bool] = lambda: False


def fit(
    step: Step,
    batches: Iterator[Mapping[str, np.ndarray]],
    state: TrainState,
    plan: Plan,
    schedule: Callable[[int], float],
    callbacks: Callbacks,
) -> Ending:
    """Trains from `state` to the end of `plan`.

    Args:
        step: one update; see `step.make`.
        batches: batches from `state.examples` on.
        state: updated during training.
        plan: how long to train.
        schedule: the learning rate at a number of examples seen.
        callbacks: what the loop calls.

    Returns:
        Why it ended. A checkpoint of that state has been saved.

    Raises:
        NotFiniteError: the loss is not finite. Nothing is saved of such a state.
    """
    window = _Window(state)
    saved = time.monotonic()
    while state.examples < plan.examples:
        if plan.patience is not None and state.since_best >= plan.patience:
            return Ending("stopped early", window.rate())
        learning_rate = schedule(state.examples)
        window.add(step(next(batches), learning_rate))
        before, state.examples = state.examples, state.examples + plan.batch_size
        finished = state.examples >= plan.examples
        stopping = callbacks.stop()  # asked once: the checkpoint and the ending must agree
        if _crossed(before, state.examples, plan.log_every) or finished:
            callbacks.report(window.point(learning_rate), state.examples)
        if _crossed(before, state.examples, plan.evaluate_every) or finished:
            with window.aside():
                values = callbacks.evaluate()
                callbacks.report(metrics.logged(values), state.examples)
                callbacks.save(state, _note(state, values))
            saved = time.monotonic()
            stopping = stopping or callbacks.stop()  # the report may have asked for it
        elif stopping or time.monotonic() - saved > plan.checkpoint_seconds:
            with window.aside():
                callbacks.save(state, False)
            saved = time.monotonic()
        callbacks.progress(state, window.last)
        if stopping and not finished:
            return Ending("interrupted", window.rate())
    return Ending("finished", window.rate())


def _crossed(before: int, after: int, every: int) -> bool:
    return after // every > before // every


def _note(state: TrainState, values: Mapping[str, float | None]) -> bool:
    """Records an evaluation in the state; tells whether it is the best so far."""
    gap = values[metrics.GAP.key]
    if gap is not None and gap > state.best_gap:
        state.best_gap, state.best_metrics = gap, dict(values)
        state.best_examples, state.since_best = state.examples, 0
        return True
    state.since_best += 1
    return False


class _Window:
    """Losses since the last point of the curve, which stay on the device until needed."""

    def __init__(self, state: TrainState) -> None:
        self.state = state
        self.pending: list[tf.Tensor] = []
        self.last: float | None = None
        self.first = self.examples = state.examples
        self.began = self.started = time.perf_counter()
        self.paused = 0.0

    def add(self, loss: tf.Tensor) -> None:
        self.pending.append(loss)

    def settle(self) -> None:
        """Fetches the losses, and refuses any that is not finite."""
        values = [float(loss) for loss in self.pending]
        self.pending.clear()
        for value in values:
            if not math.isfinite(value):
                raise NotFiniteError(
                    f"The loss must be finite, but is {value} by {self.state.examples:,} examples. "
                    "Lower learning_rate, or set clip.norm; the checkpoints hold the weights from "
                    "before."
                )
            self.state.losses += value
            self.state.steps += 1
            self.last = value

    def point(self, learning_rate: float) -> dict[str, float]:
        """Returns the training metrics since the last point, and starts the next."""
        self.settle()
        now, seen = time.perf_counter(), self.state.examples - self.examples
        values = {
            "train/loss": self.state.losses / self.state.steps,
            "train/examples_per_second": seen / (now - self.started),
            "learning_rate": learning_rate,
        }
        self.state.losses, self.state.steps = 0.0, 0
        self.started, self.examples = now, self.state.examples
        return values

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Excludes the block from the rates."""
        self.settle()
        before = time.perf_counter()
        yield
        self.paused += time.perf_counter() - before
        self.started += time.perf_counter() - before

    def rate(self) -> float:
        """Returns examples per second since training began here."""
        seconds = time.perf_counter() - self.began - self.paused
        return (self.state.examples - self.first) / max(seconds, 1e-9)
