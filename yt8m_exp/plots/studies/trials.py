"""A study and its trials, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple


class Trial(NamedTuple):
    """A trial.

    Attributes:
        number: in the study.
        state: a key of `COLORS`.
        values: of the objectives; of a pruned trial, its last; empty if there are none.
        params: by key.
        curve: values of the first objective that it reported, by examples seen.
        began, ended: seconds since 1970; `ended` is None while it runs.
        examples: examples seen.
        reason: why it ended early; empty if it did not.
        address: where MLflow shows its run; None without a server.
    """

    number: int
    state: str
    values: Sequence[float]
    params: Mapping[str, Any]
    curve: Sequence[tuple[int, float]]
    began: float
    ended: float | None
    examples: int
    reason: str
    address: str | None


@dataclass(frozen=True, eq=False)
class Study:
    """A study.

    Attributes:
        name: of the study.
        objectives: `maximize` or `minimize` by metric.
        trials: its trials, by number.
        importances: how much each parameter mattered, in falling order.
        best: numbers of the best trial, or of the Pareto front.
    """

    name: str
    objectives: Mapping[str, str]
    trials: Sequence[Trial]
    importances: Mapping[str, float]
    best: Sequence[int]

    @property
    def metric(self) -> str:
        """The first objective."""
        return next(iter(self.objectives))

    @property
    def sign(self) -> int:
        """1 if the first objective is maximized, or -1."""
        return 1 if self.objectives[self.metric] == "maximize" else -1

    @cached_property
    def complete(self) -> list[Trial]:
        """The complete trials, the best last."""
        done = [trial for trial in self.trials if trial.state == "complete"]
        return sorted(done, key=lambda trial: self.sign * trial.values[0])

    @cached_property
    def keys(self) -> list[str]:
        """The parameters that the trials vary, the most important first."""
        found = dict.fromkeys(key for trial in self.trials for key in trial.params)
        return [*self.importances, *(key for key in found if key not in self.importances)]
