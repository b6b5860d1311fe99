"""A study as its file defines it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from yt8m_exp.spec import InputError
from yt8m_exp.terminal.redaction import redacted
from yt8m_exp.tuning.expressions import Expression
from yt8m_exp.tuning.space import Compose, Space

Direction = Literal["maximize", "minimize"]
COMMON = ("tracking", "resume", "register", "figures", "evaluate_every", "data")
"""Keys that no study may vary: trials would not compare, or the driver sets them."""
MEASURED = ("parameters", "bytes")
"""What a trial reports of its model before it trains; constraints may name these beside keys."""


@dataclass(frozen=True)
class Definition:
    """A study; changing `overrides`, `objectives`, `space` or `constraints` makes another one.

    Attributes:
        name: the study's name.
        overrides: Hydra overrides of every trial.
        objectives: `maximize` or `minimize` by metric: `val/gap`, `parameters`, ...
        space: what is varied.
        trials: how many trials to finish, over all sessions and drivers.
        constraints: expressions over configuration keys, `parameters` and `bytes` that must hold.
        description: what is varied, and why.
        retries: how often a trial whose process died is tried again.
        max_failures: failed trials of one session after which it stops.
        hours: the limit of one session; None for no limit.
        trial_hours: the limit of one attempt at a trial; None for no limit.
        sampler, pruner: Optuna's, as Hydra's `_target_` and its arguments; None stands for
            Optuna's choice of a sampler, and for no pruner.
    """

    name: str
    overrides: tuple[str, ...]
    objectives: Mapping[str, Direction]
    space: Mapping[str, Any]
    trials: int
    constraints: tuple[str, ...] = ()
    description: str = ""
    retries: int = 2
    max_failures: int = 5
    hours: float | None = None
    trial_hours: float | None = None
    sampler: Mapping[str, Any] | None = None
    pruner: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, entries: Mapping[str, Any]) -> "Definition":
        """Reads the content of a study's file.

        Raises:
            InputError: a field is unknown or missing, or has a value that it cannot have.
        """
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(entries.keys() - known.keys())
        if unknown:
            raise InputError(f"A study has no `{unknown[0]}`, only {', '.join(known)}.")
        needed = ("name", "overrides", "objectives", "space", "trials")
        missing = [name for name in needed if entries.get(name) is None]
        if missing:
            raise InputError(f"A study needs `{missing[0]}`.")
        lists = {name: tuple(entries.get(name) or ()) for name in ("overrides", "constraints")}
        definition = cls(**{**entries, **lists})
        definition._require_values()
        return definition

    @property
    def identity(self) -> str:
        """The parts that make trials comparable, as text without secrets; equal for such trials."""
        parts = (self.overrides, self.objectives, self.space, self.constraints)
        return json.dumps(redacted(parts))

    def search_space(self, compose: Compose) -> Space:
        """Returns its search space, checked against the configuration.

        Args:
            compose: see `space.Compose`; with the study's overrides in it.

        Raises:
            InputError: a key, a range, a condition or a constraint cannot hold.
        """
        space = Space.parse(self.space, compose)
        lookup = space.lookup(space.default())
        for constraint in self.static:
            if not constraint.value(lookup):
                raise InputError(
                    f"The first trial is the configuration's own, but it breaks the constraint "
                    f"`{constraint.text}`."
                )
        return space

    @property
    def static(self) -> list[Expression]:
        """The constraints that a configuration alone decides."""
        return [c for c in map(Expression, self.constraints) if not c.keys & set(MEASURED)]

    @property
    def measured(self) -> list[Expression]:
        """The constraints that the built model decides."""
        return [c for c in map(Expression, self.constraints) if c.keys & set(MEASURED)]

    def _require_values(self) -> None:
        for key in self.space:
            if key in COMMON or key.startswith(tuple(f"{common}." for common in COMMON)):
                raise InputError(
                    f"`{key}` must be the same in all trials of a study, and cannot be varied."
                )
        for metric, direction in self.objectives.items():
            if direction not in get_args(Direction):
                raise InputError(
                    f"`{metric}` must be an objective to maximize or minimize, not {direction!r}."
                )
        if not self.objectives:
            raise InputError("A study needs an objective: objectives: {val/gap: maximize}.")
        if len(self.objectives) > 1 and self.pruner:
            raise InputError(
                "Trials are pruned by one objective, but the study has "
                f"{', '.join(self.objectives)}. Set pruner: null."
            )
        for name, minimum in {"trials": 1, "retries": 0, "max_failures": 1}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < minimum:
                raise InputError(f"`{name} >= {minimum}` must hold, but got {value!r}.")
        for name in ("hours", "trial_hours"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"`{name}` must be null or above 0, but got {value!r}.")
