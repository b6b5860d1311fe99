"""Decides at each report whether a trial goes on: by constraints on its model, and by pruning."""

import math
from collections.abc import Mapping
from typing import Any

import optuna

from yt8m_exp.tuning.definition import MEASURED, Definition
from yt8m_exp.tuning.running import RunningTrial
from yt8m_exp.tuning.space import Space


class Pruning:
    """Stops trials that break a constraint, and those that the pruner stops.

    Args:
        study: the study.
        definition: its constraints and objectives.
        space: its search space, in which constraints look up keys.
        evaluate_every: examples between two evaluations. Values are reported at multiples of it,
            since the examples seen differ a little between batch sizes.
    """

    def __init__(
        self, study: optuna.Study, definition: Definition, space: Space, evaluate_every: int
    ) -> None:
        self._study, self._space, self._evaluate_every = study, space, evaluate_every
        self._static, self._measured = definition.static, definition.measured
        names = list(definition.objectives)
        self._objective = names[0] if len(names) == 1 else None
        self._sign = 1 if definition.objectives[names[0]] == "maximize" else -1

    def broken_constraint(self, params: Mapping[str, Any]) -> str:
        """Returns, in words, a constraint that these parameters break; empty where none."""
        keys = self._space.lookup(params)
        broken = [constraint.text for constraint in self._static if not constraint.value(keys)]
        return f"Breaks `{broken[0]}`." if broken else ""

    def goes_on(self, running: RunningTrial, values: Mapping[str, float]) -> bool:
        """Tells whether a trial that reports these values goes on; notes why where it does not."""
        if running.examples == 0:
            self._check_constraints(running, values)
        elif self._objective in values:
            self._prune(running, values[str(self._objective)])
        return running.stopped is None

    def _check_constraints(self, running: RunningTrial, values: Mapping[str, float]) -> None:
        sizes = {key: values[f"model/{key}"] for key in MEASURED if f"model/{key}" in values}
        keys = self._space.lookup(running.params)
        for constraint in self._measured if sizes else ():
            if not constraint.value(lambda key: sizes[key] if key in sizes else keys(key)):
                sizes_text = ", ".join(f"{value:,.0f} {key}" for key, value in sizes.items())
                running.stop("infeasible", f"Breaks `{constraint.text}` with {sizes_text}.")

    def _prune(self, running: RunningTrial, value: float) -> None:
        step = running.examples // self._evaluate_every * self._evaluate_every
        before = self._trials()[running.trial.number].intermediate_values
        if not step or step in before or not math.isfinite(value):
            return
        running.trial.report(value, step)
        if running.trial.should_prune():
            running.stop("pruned", self._explained(running.trial.number, step, value))

    def _explained(self, number: int, step: int, value: float) -> str:
        others = [
            trial.intermediate_values[step]
            for trial in self._trials()
            if step in trial.intermediate_values and trial.number != number
        ]
        text = (
            f"Pruned at {step:,} examples by {type(self._study.pruner).__name__}, with "
            f"{self._objective} {value:.5f}"
        )
        if not others:
            return f"{text}."
        better = sum(self._sign * other > self._sign * value for other in others)
        middle = sorted(others)[len(others) // 2]
        return f"{text}: rank {better + 1} of {len(others) + 1}, median {middle:.5f}."

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False)
