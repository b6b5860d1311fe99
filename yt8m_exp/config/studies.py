"""The type and range of every field of a study's file, checked before the study is made of it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from yt8m_exp import spec
from yt8m_exp.config import targets
from yt8m_exp.config.kinds import require
from yt8m_exp.config.parts import Count, Positive, Text
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.terminal.suggestions import did_you_mean

FOLDER = spec.PROJECT / "sweeps"
Built = dict[str, Any] | None
PLAIN = re.compile(r"\$\{(spec:\w+|\.*[\w.\[\]]+)\}")
"""An interpolation of a key, or of a fact of the data set."""
End = float | Text
"""Of a range: a number, or an expression."""

FIELDS: dict[str, Any] = {
    "name": Text,
    "description": str,
    "overrides": list[Text],
    "objectives": dict[Text, str],
    "space": dict[Text, Any],
    "trials": Count,
    "constraints": list[Text],
    "retries": Annotated[int, Field(ge=0)],
    "max_failures": Count,
    "hours": Positive | None,
    "trial_hours": Positive | None,
    "sampler": Built,
    "pruner": Built,
}
PARAMETER: dict[str, Any] = {
    "type": Text,
    "low": End,
    "high": End,
    "log": bool,
    "step": Positive | None,
    "choices": Annotated[list[str | bool | int | float | None], Field(min_length=1)],
    "when": Text | None,
}
WHOLE: dict[str, Any] = PARAMETER | {"low": int | Text, "high": int | Text, "step": Count | None}


def path_of(name: str) -> Path:
    """Returns a study's file: that of this name in `sweeps/`, or the one at a path.

    Raises:
        MissingInputError: there is no such file.
    """
    path = Path(name) if Path(name).suffix else FOLDER / f"{name}.yaml"
    if not path.is_file():
        names = sorted(file.stem for file in FOLDER.glob("*.yaml"))
        raise MissingInputError(
            f"There is no study '{name}'. Take {', '.join(names)}, or a file."
            f"{did_you_mean(name, names)}"
        )
    return path


def check(entries: Mapping[Any, Any]) -> None:
    """Refuses fields of another type, or out of their range; unknown and missing ones pass.

    Args:
        entries: the content of a study's file.

    Raises:
        InputError: the first such value, with its key; or a sampler or pruner that is not Optuna's.
    """
    for key in entries:
        if not isinstance(key, str):
            raise InputError(f"The fields of a study have names, but one is {key!r}.")
    _check(FIELDS, {key: value for key, value in entries.items() if value is not None})
    for group in ("sampler", "pruner"):
        targets.require(group, entries.get(group))
    for key, entry in (entries.get("space") or {}).items():
        if isinstance(entry, Mapping):
            kinds = WHOLE if entry.get("type") == "int" else PARAMETER
            _check(kinds, entry, prefix=f"space.{key}: ")


def require_plain(value: Any) -> None:
    """Refuses interpolations that read more than the configuration, as `${oc.env:TOKEN}` does.

    Args:
        value: of a study's file, before and after its interpolations are resolved: text may be put
            together.

    Raises:
        InputError: the first such interpolation.
    """
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for inner in value:
            require_plain(inner)
    elif isinstance(value, str) and "${" in PLAIN.sub("", value):
        raise InputError(
            "A study may refer to keys, as ${epochs}, but to nothing else (its file may come from "
            f"strangers), but got {value!r}."
        )


def _check(kinds: Mapping[str, Any], values: Mapping[Any, Any], prefix: str = "") -> None:
    for key, kind in kinds.items():
        if key in values:
            require(f"{prefix}{key}", values[key], kind)
