"""Keeps every slot of a launcher busy with trials of a study until its total is reached."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from optuna import Trial

from yt8m_exp.tracking.trials import Outcome, TrialRun, TrialRuns
from yt8m_exp.tuning.launchers.children import Launcher
from yt8m_exp.tuning.pruning import Pruning
from yt8m_exp.tuning.running import RunningTrial
from yt8m_exp.tuning.space import Space
from yt8m_exp.tuning.study import Retry, Trials

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.5
POLL_SECONDS = 2.0
STOP_SECONDS = 120.0
"""How long an interrupted trial may take to write its checkpoint."""
RETRIES: dict[str, Retry] = {"crashed": "crashed", "interrupted": "interrupted"}
MakeTask = Callable[[TrialRun, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Budget:
    """What one session may spend.

    Attributes:
        max_failures: failed trials after which it stops.
        seconds: how long it lasts.
        trial_seconds: how long one attempt at a trial lasts.
    """

    max_failures: int
    seconds: float = math.inf
    trial_seconds: float = math.inf


class Driver:
    """Drives one session of a study.

    Args:
        space: the study's search space.
        trials: its trials.
        pruning: decides whether a trial goes on.
        launcher: where trials run.
        runs: the runs of trials.
        task: makes what a trial's process works on, of its run and its parameters; see
            `child.serve`.
        budget: what this session may spend.
        stopping: whether a signal has asked this session to stop.
        show: is called with the running trials, by slot, as they go on.
        ended: is called after each trial.

    Attributes:
        running: the running trials, by slot.
        failures: why trials of this session failed.
        why: why the session ends before the total is reached; empty while it continues.
    """

    def __init__(
        self,
        space: Space,
        trials: Trials,
        pruning: Pruning,
        launcher: Launcher,
        runs: TrialRuns,
        *,
        task: MakeTask,
        budget: Budget,
        stopping: Callable[[], bool] = lambda: False,
        show: Callable[[Mapping[int, RunningTrial]], None] = lambda running: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._space, self._trials, self._pruning = space, trials, pruning
        self._launcher, self._runs, self._task = launcher, runs, task
        self._budget, self._stopping = budget, stopping
        self._show, self._ended = show, ended
        self._began, self._next_claim = time.monotonic(), 0.0
        self.running: dict[int, RunningTrial] = {}
        self.failures: list[str] = []
        self.why = ""

    def run(self) -> None:
        """Runs trials until the total is reached, or until the session ends before.

        An exception kills the running trials, and queues them again.
        """
        try:
            while self._goes_on():
                self._fill()
                self._listen()
                self._end_late()
                self._show(self.running)
            self._show(self.running)  # without those that the last round has ended
        finally:
            for slot, running in list(self.running.items()):
                running.stop("interrupted", "The driver stopped at once.")
                running.child.kill()
                self._settle(slot)
            self._launcher.close()

    def _goes_on(self) -> bool:
        if not self.why and (why := self._ending()):
            self.why = why
            logger.warning("%s", why)
        if self.why:
            for running in self.running.values():
                running.interrupt(self.why)
            return bool(self.running)
        return bool(self.running) or not self._trials.is_done()

    def _ending(self) -> str:
        if self._stopping():
            return "Stopped by a signal; trials write their checkpoints."
        if time.monotonic() - self._began > self._budget.seconds:
            return f"The session's {self._budget.seconds / 3600:g} hours are over (hours)."
        if len(self.failures) >= self._budget.max_failures:
            return f"{len(self.failures)} trials failed (max_failures); last {self.failures[-1]}"
        return ""

    def _fill(self) -> None:
        """Gives trials to free slots."""
        for slot in sorted(set(range(self._launcher.slots)) - self.running.keys()):
            if self.why or time.monotonic() < self._next_claim:
                return
            claimed = self._claim()
            if claimed is None:  # enough are running, but another driver's may fail
                self._next_claim = time.monotonic() + POLL_SECONDS
                return
            self._begin(*claimed, slot)

    def _claim(self) -> tuple[Trial, dict[str, Any]] | None:
        """Takes a trial, and asks for parameters until they keep to the constraints."""
        while trial := self._trials.claim():
            params = self._space.suggest(trial)
            broken = self._pruning.broken_constraint(params)
            if not broken:
                return trial, params
            self._trials.prune(trial, broken, infeasible=True)
        return None

    def _begin(self, trial: Trial, params: dict[str, Any], slot: int) -> None:
        run = self._runs.begin(trial.number, params, trial.user_attrs.get("run_id"))
        trial.set_user_attr("run_id", run.id)
        child = self._launcher.start(self._task(run, params), slot)
        examples = trial.user_attrs.get("examples", 0)
        self.running[slot] = RunningTrial(trial, params, run.id, child, examples)

    def _listen(self) -> None:
        slots = {running.child.connection: slot for slot, running in self.running.items()}
        if not slots:
            time.sleep(WAIT_SECONDS)  # until another driver's trials have ended
            return
        for connection in wait(list(slots), WAIT_SECONDS):
            slot = slots[connection]  # type: ignore[index]
            try:
                message = self.running[slot].receive()
            except (EOFError, OSError):
                self._settle(slot)
            else:
                self._answer(self.running[slot], message)

    def _answer(self, running: RunningTrial, message: Mapping[str, Any]) -> None:
        if "values" in message:
            goes_on = self._pruning.goes_on(running, message["values"])
            if message["ask"]:
                running.send({"go": goes_on})

    def _end_late(self) -> None:
        limit = self._budget.trial_seconds
        for running in self.running.values():
            if running.seconds > limit:
                running.stop("late", f"Did not end within {limit:,.0f} s (trial_hours).")
                running.child.kill()
            elif time.monotonic() - running.interrupted > STOP_SECONDS:
                running.child.kill()

    def _settle(self, slot: int) -> None:
        """Records how the trial of a slot has ended, and frees the slot."""
        running = self.running.pop(slot)
        exit_text = running.child.ended()
        running.child.connection.close()
        trial, names = running.trial, list(self._trials.study.metric_names or ())
        state, reason = running.outcome(names, exit_text)
        self._trials.set_attributes(trial, examples=running.examples)
        if state == "complete":
            self._trials.set_attributes(trial, model_uri=(running.result or {}).get("model_uri"))
            self._trials.finish(trial, running.objectives(names))
        elif state in ("pruned", "infeasible"):
            self._trials.prune(trial, reason, infeasible=state == "infeasible")
        elif not self._trials.fail(trial.number, reason, RETRIES.get(state, "never")):
            state = "failed"
            self.failures.append(f"was trial {trial.number}: {reason}")
        said = reason or _in_words(running, names)
        logger.info("Trial %d %s after %s. %s", trial.number, state, _lasted(running), said)
        self._next_claim = 0.0
        self._runs.end(Outcome(running.run_id, trial.number, state, running.examples, reason))
        self._ended()


def _lasted(running: RunningTrial) -> str:
    return f"{running.seconds:,.0f} s, {running.examples:,} examples"


def _in_words(running: RunningTrial, names: Sequence[str]) -> str:
    values = zip(names, running.objectives(names), strict=True)
    return ", ".join(f"{name} {value:.5g}" for name, value in values)
