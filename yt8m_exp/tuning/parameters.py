"""One configuration key that a study varies: its range, its choices, its condition."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from optuna import Trial

from yt8m_exp.spec import InputError
from yt8m_exp.tuning.expressions import Expression, Lookup

FIELDS = {
    "float": {"low", "high", "log", "step", "when"},
    "int": {"low", "high", "log", "step", "when"},
    "categorical": {"choices", "when"},
}


@dataclass(frozen=True)
class Parameter:
    """One key that a study varies.

    Attributes:
        key: the configuration key, or the name of a group.
        type: what it varies over.
        low, high: the ends of the range, both included: numbers, or expressions over other keys.
        log: whether to vary the order of magnitude.
        step: the distance between values, from `low` on; None for a continuous range.
        choices: the values of a categorical parameter.
        when: the condition under which it is varied; None always.
    """

    key: str
    type: Literal["float", "int", "categorical"]
    low: float | Expression = math.nan
    high: float | Expression = math.nan
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    when: Expression | None = None

    @classmethod
    def parse(cls, key: str, entry: Mapping[str, Any]) -> "Parameter":
        """Reads an entry of a study's `space`.

        Raises:
            InputError: a field is unknown, missing or not allowed, or the range is empty.
        """
        if not isinstance(entry, Mapping) or entry.get("type") not in FIELDS:
            raise InputError(
                f"`{key}` must have a `type` of {', '.join(FIELDS)}, but is {entry!r}. Write "
                f"{key}: {{type: float, low: 0.0, high: 0.5}}."
            )
        fields = {name: value for name, value in entry.items() if name != "type"}
        _require_fields(key, entry["type"], fields)
        if isinstance(fields.get("when"), str):
            fields["when"] = Expression(fields["when"])
        for end in ("low", "high"):
            if isinstance(fields.get(end), str):
                fields[end] = Expression(fields[end])
        if "choices" in fields:
            fields["choices"] = tuple(fields["choices"])
        parameter = cls(key, entry["type"], **fields)
        if not isinstance(parameter.low, Expression) and not isinstance(parameter.high, Expression):
            parameter.require_range(_nothing)
        return parameter

    @property
    def references(self) -> set[str]:
        """The keys that its condition and its ends depend on."""
        found = [part for part in (self.when, self.low, self.high) if isinstance(part, Expression)]
        return set().union(*(expression.keys for expression in found))

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Its choices, or those ends of its range that do not depend on other keys."""
        if self.type == "categorical":
            return self.choices
        return tuple(end for end in (self.low, self.high) if not isinstance(end, Expression))

    def ends(self, lookup: Lookup) -> tuple[Any, Any]:
        """Returns the ends of the range under these values of other keys."""
        low, high = (
            end.value(lookup) if isinstance(end, Expression) else end
            for end in (self.low, self.high)
        )
        return (int(low), int(high)) if self.type == "int" else (float(low), float(high))

    def is_active(self, lookup: Lookup) -> bool:
        """Tells whether its condition holds."""
        return self.when is None or bool(self.when.value(lookup))

    def require_range(self, lookup: Lookup) -> None:
        """Raises InputError where nothing lies in the range."""
        if self.type == "categorical":
            return
        low, high = self.ends(lookup)
        if not low <= high:
            raise InputError(f"`{self.key}`: low <= high must hold, but got {low} and {high}.")
        if self.log and low <= 0:
            raise InputError(f"`{self.key}`: a log range must begin above 0, but got low={low}.")

    def holds(self, value: Any, lookup: Lookup) -> bool:
        """Tells whether a value lies in its range or among its choices."""
        if self.type == "categorical":
            return any(value == choice and _kind(value) == _kind(choice) for choice in self.choices)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        low, high = self.ends(lookup)
        step = self.step or (1 if self.type == "int" else None)
        steps = (value - low) / step if step else 0
        return low <= value <= high and abs(steps - round(steps)) < 1e-9

    def suggest(self, trial: Trial, lookup: Lookup) -> Any:
        """Asks Optuna for a value."""
        if self.type == "categorical":
            return trial.suggest_categorical(self.key, self.choices)
        low, high = self.ends(lookup)
        if self.type == "int":
            return trial.suggest_int(self.key, low, high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.key, low, high, step=self.step, log=self.log)

    def corners(self, lookup: Lookup) -> tuple[Any, ...]:
        """Returns values that stand for all: each choice, or the ends of the range."""
        if self.type == "categorical":
            return self.choices
        low, high = self.ends(lookup)
        return (low, high) if low != high else (low,)


def _kind(value: Any) -> type:
    """Returns the type of a value, one for all numbers: 1 may stand for 1.0, but not for true."""
    return float if type(value) is int else type(value)


def _nothing(key: str) -> None:
    return None


def _require_fields(key: str, kind: str, fields: Mapping[str, Any]) -> None:
    unknown = sorted(fields.keys() - FIELDS[kind])
    if unknown:
        raise InputError(
            f"`{key}`: a {kind} has no `{unknown[0]}`, only {', '.join(sorted(FIELDS[kind]))}."
        )
    needed = {"choices"} if kind == "categorical" else {"low", "high"}
    missing = sorted(needed - fields.keys())
    if missing:
        raise InputError(f"`{key}`: a {kind} needs `{missing[0]}`.")
    if kind == "categorical" and not (isinstance(fields["choices"], list) and fields["choices"]):
        raise InputError(
            f"`{key}`: `choices` must be a list of values, but is {fields['choices']!r}."
        )
    if fields.get("log") and fields.get("step") is not None:
        raise InputError(f"`{key}` must have `log` or `step`, not both.")
