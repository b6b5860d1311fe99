"""The state of a session of a study, as rows of a table."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from yt8m_exp.terminal.board import Show, clock
from yt8m_exp.tuning import study_summary
from yt8m_exp.tuning.running import RunningTrial
from yt8m_exp.tuning.study import Trials

PARAMETERS = "parameters"
COLUMNS = ("slot", "trial", PARAMETERS, "ex/s", "GAP", "passed", "left")
REFRESH_SECONDS = 1.0
State = tuple[int, tuple[tuple[int, int], ...]]
"""How many trials are finished, and which runs in which slot."""


class Status:
    """Shows the slots of a driver, and the study's results so far.

    Args:
        trials: the study's.
        plan: how many examples a trial with these parameters sees.
        show: takes the rows and the line below them.
    """

    def __init__(
        self, trials: Trials, plan: Callable[[Mapping[str, Any]], float], show: Show
    ) -> None:
        self._trials, self._plan, self._show = trials, plan, show
        self._began, self._shown = time.monotonic(), -math.inf
        self._state: State = (-1, ())
        self._before = self._finished()

    def show(self, running: Mapping[int, RunningTrial]) -> None:
        """Shows the running trials: every second, and at once when a trial begins or ends."""
        slots = tuple((slot, one.trial.number) for slot, one in sorted(running.items()))
        state = self._finished(), slots
        if state == self._state and time.monotonic() - self._shown < REFRESH_SECONDS:
            return
        self._shown, self._state = time.monotonic(), state
        study = self._trials.study
        tally, best = study_summary.count_by_state(study), study_summary.best(study)
        below = {"finished": f"{state[0]} of {self._trials.total}"}
        below |= {state: str(count) for state, count in tally.items()}
        if best:
            below["best"] = f"{_number(best[0]['value'])} (trial {best[0]['trial']})"
        below["passed"] = clock(time.monotonic() - self._began)
        if state[0] < self._trials.total:
            below["left"] = clock(self._left())
        self._show([self._row(slot, running[slot]) for slot in sorted(running)], below)

    def _row(self, slot: int, running: RunningTrial) -> tuple[str, ...]:
        seen = running.examples - running.began[1]
        rate = running.values.get("train/examples_per_second", math.nan)
        pace = seen / running.seconds if seen > 0 else math.nan  # with evaluations and start
        left = (self._plan(running.params) - running.examples) / pace
        params = " ".join(f"{_short(key)}={_number(v)}" for key, v in running.params.items())
        value = running.values.get("val/gap", math.nan)
        return (
            *(str(slot), str(running.trial.number), params),
            *(_known(rate, ",.0f"), _known(value, ".4f"), clock(running.seconds), clock(left)),
        )

    def _left(self) -> float:
        done = self._finished() - self._before
        each = (time.monotonic() - self._began) / done if done else math.nan
        return each * (self._trials.total - self._finished())

    def _finished(self) -> int:
        return study_summary.finished(self._trials.study)


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def _known(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
