"""Keeps every slot of a launcher busy with trials of a study, until its total is reached."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Protocol

from optuna import Trial

from yt8m_exp.tuning.judge import Judge
from yt8m_exp.tuning.launchers.children import Launcher
from yt8m_exp.tuning.space import Space
from yt8m_exp.tuning.study import Again, Trials
from yt8m_exp.tuning.working import Working

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.5
POLL_SECONDS = 2.0
STOP_SECONDS = 120.0
"""How long an interrupted trial may take to write its checkpoint."""
AGAIN: dict[str, Again] = {"crashed": "crashed", "interrupted": "interrupted"}


class Runs(Protocol):
    """The runs of trials, in MLflow or elsewhere."""

    def begin(self, trial: Trial, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Makes a trial's run, or goes on with that of an earlier attempt.

        Returns:
            The run's id, and what the trial's process works on; see `child.serve`.
        """

    def end(self, working: Working, state: str, reason: str) -> None:
        """Notes how a trial ended."""


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
        judge: decides whether a trial goes on.
        launcher: where trials run.
        runs: the runs that they are kept in.
        budget: what this session may spend.
        stopping: whether a person or the system wants it to stop.
        show: is given the trials at work, by slot, as they go on.

    Attributes:
        working: the trials at work, by slot.
        failures: why trials of this session failed.
        why: why the session ends before the total; empty where it does not.
    """

    def __init__(
        self,
        space: Space,
        trials: Trials,
        judge: Judge,
        launcher: Launcher,
        runs: Runs,
        *,
        budget: Budget,
        stopping: Callable[[], bool] = lambda: False,
        show: Callable[[Mapping[int, Working]], None] = lambda working: None,
    ) -> None:
        self._space, self._trials, self._judge = space, trials, judge
        self._launcher, self._runs, self._budget = launcher, runs, budget
        self._stopping, self._show = stopping, show
        self._began, self._next_claim = time.monotonic(), 0.0
        self.working: dict[int, Working] = {}
        self.failures: list[str] = []
        self.why = ""

    def run(self) -> None:
        """Works until the total is reached, or something ends the session before.

        Trials that are at work when an exception passes through are killed and queued again.
        """
        try:
            while self._goes_on():
                self._fill()
                self._listen()
                self._end_late()
                self._show(self.working)
        finally:
            for slot, working in list(self.working.items()):
                working.stop("interrupted", "The driver stopped at once.")
                working.child.kill()
                self._settle(slot)
            self._launcher.close()

    def _goes_on(self) -> bool:
        if not self.why and (why := self._ending()):
            self.why = why
            logger.warning("%s", why)
        if self.why:
            for working in self.working.values():
                working.interrupt(self.why)
            return bool(self.working)
        return bool(self.working) or not self._trials.is_done()

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
        for slot in sorted(set(range(self._launcher.slots)) - self.working.keys()):
            if self.why or time.monotonic() < self._next_claim:
                return
            claimed = self._claim()
            if claimed is None:  # all are taken, but one of another driver may come back
                self._next_claim = time.monotonic() + POLL_SECONDS
                return
            self._begin(*claimed, slot)

    def _claim(self) -> tuple[Trial, dict[str, Any]] | None:
        """Takes a trial, and proposals until one keeps to the constraints."""
        while trial := self._trials.claim():
            params = self._space.suggest(trial)
            objection = self._judge.objection(params)
            if not objection:
                return trial, params
            self._trials.prune(trial, objection, infeasible=True)
        return None

    def _begin(self, trial: Trial, params: dict[str, Any], slot: int) -> None:
        run_id, task = self._runs.begin(trial, params)
        trial.set_user_attr("run_id", run_id)
        child = self._launcher.start(task, slot)
        examples = trial.user_attrs.get("examples", 0)
        self.working[slot] = Working(trial, params, run_id, child, examples)

    def _listen(self) -> None:
        lines = {working.child.connection: slot for slot, working in self.working.items()}
        if not lines:
            time.sleep(WAIT_SECONDS)  # until another driver's trials have ended
            return
        for line in wait(list(lines), WAIT_SECONDS):
            slot = lines[line]  # type: ignore[index]
            try:
                message = self.working[slot].hear()
            except (EOFError, OSError):
                self._settle(slot)
            else:
                self._answer(self.working[slot], message)

    def _answer(self, working: Working, message: Mapping[str, Any]) -> None:
        if "values" in message:
            goes_on = self._judge.judge(working, message["values"])
            if message["ask"]:
                working.tell({"go": goes_on})

    def _end_late(self) -> None:
        limit = self._budget.trial_seconds
        for working in self.working.values():
            if working.seconds > limit:
                working.stop("late", f"Did not end within {limit:,.0f} s (trial_hours).")
                working.child.kill()
            elif time.monotonic() - working.interrupted > STOP_SECONDS:
                working.child.kill()

    def _settle(self, slot: int) -> None:
        """Tells how the trial of a slot has ended, and frees the slot."""
        working = self.working.pop(slot)
        how = working.child.ended()
        working.child.connection.close()
        trial, names = working.trial, list(self._trials.study.metric_names or ())
        state, reason = working.outcome(names, how)
        self._trials.note(trial, examples=working.examples)
        if state == "complete":
            self._trials.note(trial, model_uri=(working.result or {}).get("model_uri"))
            self._trials.finish(trial, working.objectives(names))
        elif state in ("pruned", "infeasible"):
            self._trials.prune(trial, reason, infeasible=state == "infeasible")
        elif not self._trials.fail(trial.number, reason, AGAIN.get(state, "never")):
            state = "failed"
            self.failures.append(f"was trial {trial.number}: {reason}")
        logger.info("Trial %d %s. %s", trial.number, state, reason or _in_words(working, names))
        self._next_claim = 0.0
        self._runs.end(working, state, reason)


def _in_words(working: Working, names: Sequence[str]) -> str:
    values = zip(names, working.objectives(names), strict=True)
    return ", ".join(f"{name} {value:.5g}" for name, value in values)
