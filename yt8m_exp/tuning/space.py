"""A search space over configuration keys, declared in a study's file and checked before use."""

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna import Trial

from yt8m_exp.spec import InputError
from yt8m_exp.tuning.expressions import Lookup
from yt8m_exp.tuning.parameters import Parameter

Compose = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Takes parameters by key, composes the configuration with them, and returns its values by dotted
key, with the choice of each group under the group's name."""
Choose = Callable[[Parameter, Lookup], Any]
MAX_CORNERS = 4096


@dataclass(frozen=True)
class Space:
    """The parameters that a study varies; each depends on earlier ones only.

    Args:
        parameters: in the order of the study's file.
        compose: see `Compose`.
    """

    parameters: tuple[Parameter, ...]
    compose: Compose
    _known: dict[tuple, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, entries: Mapping[str, Any], compose: Compose) -> "Space":
        """Reads a study's `space`, and refuses one that no trial could use.

        Raises:
            InputError: a key is not in the configuration, a range is empty, or a condition can
                never hold.
        """
        parameters = tuple(Parameter.parse(key, entry) for key, entry in entries.items())
        if not parameters:
            raise InputError("A study must vary something, but its `space` is empty.")
        space = cls(parameters, compose)
        space._require_order()
        space._require_valid()
        return space

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Asks Optuna for a value of every parameter that is active."""
        return self._fill(lambda parameter, lookup: parameter.suggest(trial, lookup))

    def default(self) -> dict[str, Any]:
        """Returns the values that the configuration has without the study.

        Raises:
            InputError: one of them is not in the space.
        """

        def value(parameter: Parameter, lookup: Lookup) -> Any:
            default = lookup(parameter.key)
            if not parameter.holds(default, lookup):
                raise InputError(
                    f"The first trial is the configuration's own, so the space must hold it, but "
                    f"`{parameter.key}` is {default!r} by default. Widen its range, or set another "
                    "default in the study's `overrides`."
                )
            return default

        return self._fill(value)

    def lookup(self, params: Mapping[str, Any]) -> Lookup:
        """Returns a function that gives any configuration key's value under these parameters."""

        def value(key: str) -> Any:
            if key in params:
                return params[key]
            settings = self._settings(params)
            if key not in settings:
                raise InputError(
                    f"`{key}` is no key of the configuration. {_closest(key, settings)}"
                )
            return settings[key]

        return value

    def _settings(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        groups = {key: value for key, value in params.items() if key in self._groups}
        key = tuple(sorted(groups.items()))
        if key not in self._known:
            self._known[key] = self.compose(groups)
        return self._known[key]

    @property
    def _groups(self) -> set[str]:
        if () not in self._known:
            self._known[()] = self.compose({})
        keys = self._known[()]
        return {p.key for p in self.parameters if any(k.startswith(f"{p.key}.") for k in keys)}

    def _fill(self, choose: Choose) -> dict[str, Any]:
        params: dict[str, Any] = {}
        lookup = self.lookup(params)
        for parameter in self.parameters:
            if parameter.is_active(lookup):
                params[parameter.key] = choose(parameter, lookup)
        return params

    def _require_order(self) -> None:
        seen: set[str] = set()
        keys = {parameter.key for parameter in self.parameters}
        for parameter in self.parameters:
            late = sorted((parameter.references & keys) - seen)
            if late:
                raise InputError(
                    f"`{parameter.key}` depends on `{late[0]}`, which must stand before it in the "
                    "space."
                )
            seen.add(parameter.key)

    def _require_valid(self) -> None:
        """Checks every combination of parameters that others depend on; composes groups once."""
        never = {parameter.key: parameter.when for parameter in self.parameters}
        for params in self._corners():
            settings = self._settings(params)
            for key in params:
                never.pop(key, None)
                if key not in settings:
                    raise InputError(
                        f"`{key}` is no key of the configuration. {_closest(key, settings)}"
                    )
        for key, when in never.items():
            raise InputError(
                f"`{key}` would never be varied: `{when and when.text}` holds nowhere in the space."
            )

    def _corners(self) -> Iterator[dict[str, Any]]:
        switches = self._groups.union(*(parameter.references for parameter in self.parameters))
        switching = [parameter for parameter in self.parameters if parameter.key in switches]
        count = math.prod(len(p.choices) if p.choices else 2 for p in switching)
        if count > MAX_CORNERS:
            raise InputError(
                f"At most {MAX_CORNERS} combinations of parameters that others depend on can be "
                f"checked, but these have {count}. Vary fewer of them in one study."
            )
        return self._picks(switching)

    def _picks(self, switching: list[Parameter]) -> Iterator[dict[str, Any]]:
        partial: list[dict[str, Any]] = [{}]
        for parameter in switching:
            partial = [
                picked | {parameter.key: value}
                for picked in partial
                for value in (parameter.choices or (0, -1))
            ]
        seen = set()
        for picked in partial:
            complete = self._complete(picked)
            identity = tuple(sorted((key, repr(value)) for key, value in complete.items()))
            if identity not in seen:
                seen.add(identity)
                yield complete

    def _complete(self, picked: Mapping[str, Any]) -> dict[str, Any]:
        def value(parameter: Parameter, lookup: Lookup) -> Any:
            parameter.require_range(lookup)
            corners = parameter.corners(lookup)
            if parameter.key not in picked:
                return corners[0]
            return picked[parameter.key] if parameter.choices else corners[picked[parameter.key]]

        return self._fill(value)


def _closest(key: str, settings: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, settings, n=1)
    return f"Did you mean `{near[0]}`?" if near else "See yt8m train --cfg job."
