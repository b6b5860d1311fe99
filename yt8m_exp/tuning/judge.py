"""Decides at each report whether a trial goes on: constraints of its model, and pruning."""

import math
from collections.abc import Mapping
from typing import Any

import optuna

from yt8m_exp.tuning.definition import MEASURED, Definition
from yt8m_exp.tuning.space import Space
from yt8m_exp.tuning.working import Working


class Judge:
    """Judges the trials of a study.

    Args:
        study: the study.
        definition: its constraints and objectives.
        space: what its constraints look keys up in.
        rung: examples between two evaluations. The pruner is told multiples of it, not the examples
            seen, which differ a little between batch sizes.
    """

    def __init__(
        self, study: optuna.Study, definition: Definition, space: Space, rung: int
    ) -> None:
        self._study, self._space, self._rung = study, space, rung
        self._static, self._measured = definition.static, definition.measured
        names = list(definition.objectives)
        self._objective = names[0] if len(names) == 1 else None
        self._sign = 1 if definition.objectives[names[0]] == "maximize" else -1

    def objection(self, params: Mapping[str, Any]) -> str:
        """Returns which constraint parameters break by themselves; empty where they break none."""
        keys = self._space.lookup(params)
        broken = [constraint.text for constraint in self._static if not constraint.value(keys)]
        return f"Breaks `{broken[0]}`." if broken else ""

    def judge(self, working: Working, values: Mapping[str, float]) -> bool:
        """Tells whether a trial that reports these values goes on; notes the verdict where not."""
        if working.examples == 0:
            self._require_constraints(working, values)
        elif self._objective in values:
            self._require_promise(working, values[str(self._objective)])
        return working.verdict is None

    def _require_constraints(self, working: Working, values: Mapping[str, float]) -> None:
        sizes = {key: values[f"model/{key}"] for key in MEASURED if f"model/{key}" in values}
        keys = self._space.lookup(working.params)
        for constraint in self._measured if sizes else ():
            if not constraint.value(lambda key: sizes[key] if key in sizes else keys(key)):
                told = ", ".join(f"{value:,.0f} {key}" for key, value in sizes.items())
                working.stop("infeasible", f"Breaks `{constraint.text}` with {told}.")

    def _require_promise(self, working: Working, value: float) -> None:
        step = working.examples // self._rung * self._rung
        before = self._trials()[working.trial.number].intermediate_values
        if not step or step in before or not math.isfinite(value):
            return
        working.trial.report(value, step)
        if working.trial.should_prune():
            working.stop("pruned", self._explained(working.trial.number, step, value))

    def _explained(self, number: int, step: int, value: float) -> str:
        others = [
            trial.intermediate_values[step]
            for trial in self._trials()
            if step in trial.intermediate_values and trial.number != number
        ]
        text = (
            f"{type(self._study.pruner).__name__} stopped it at {step:,} examples with "
            f"{self._objective} {value:.5f}"
        )
        if not others:
            return f"{text}."
        better = sum(self._sign * other > self._sign * value for other in others)
        middle = sorted(others)[len(others) // 2]
        return f"{text}: number {better + 1} of {len(others) + 1} there, median {middle:.5f}."

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False)
