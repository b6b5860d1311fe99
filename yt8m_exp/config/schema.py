"""Checks every key that a command line can set before anything starts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from yt8m_exp.config import compose, kinds, parts, targets
from yt8m_exp.config.key_types import TYPES, ModelName, Patterns
from yt8m_exp.config.overrides import SHORT, from_mlproject, in_full
from yt8m_exp.config.parts import Text
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.suggestions import did_you_mean

TEXT = (str, Text, Text | None, ModelName, ModelName | None)
OPTIONAL = {"data.max_frames", "data.folder"}  # there for frames, and for own videos, alone


def check(verb: str, values: Mapping[str, Any]) -> None:
    """Refuses keys that a verb does not have, and values of a wrong type or out of range.

    Args:
        verb: the name of its file in `conf/`.
        values: its configuration as plain data.

    Raises:
        InputError: the first such key or value, with its key; or a `_target_` that its group must
            not name.
    """
    _require_known(verb, values)
    for key, kind in (*TYPES[verb].items(), *parts.keys(values)):
        try:
            kinds.require(key, compose.select(values, key), kind)
        except KeyError:
            continue  # a key of another level of the data, or removed by ~key
    targets.require_all(values)


def require_keys(verb: str, values: Mapping[str, Any]) -> None:
    """Refuses a configuration without one of the keys that its verb needs.

    Raises:
        InputError: a key was left out by `~key`, or its group was set to something else.
    """
    for key in TYPES[verb]:
        if key in OPTIONAL:
            continue
        try:
            compose.select(values, key)
        except KeyError:
            raise InputError(
                f"`{key}` must be there: leave out no key or group, and set none to null."
            ) from None


def check_value(verb: str, key: str, value: Any) -> None:
    """Refuses one value as `check` does; a key without a type passes."""
    if key.endswith("_target_"):
        targets.require_target(key.partition(".")[0], value)
    kind = TYPES[verb].get(key, parts.TYPES.get(key.rpartition(".")[2] if "." in key else ""))
    if kind is not None:
        kinds.require(key, value, kind)


def words_of(verb: str, words: Sequence[str]) -> list[str]:
    """Returns the words of an entry point's command as overrides; see `from_mlproject`."""
    found = from_mlproject(
        words,
        text=keys_of_text(verb),
        lists=keys_of_patterns(verb),
        names=SHORT.get(verb, {}),
        free="overrides" not in TYPES[verb],
    )
    return in_full(found, verb)


def keys_of_text(verb: str) -> set[str]:
    """Returns the keys of a verb whose value is text."""
    return {key for key, kind in TYPES[verb].items() if kind in TEXT}


def keys_of_patterns(verb: str) -> set[str]:
    """Returns the keys of a verb whose value is a pattern of files, or a list of patterns."""
    return {key for key, kind in TYPES[verb].items() if kind in (Patterns, Patterns | None)}


def _require_known(verb: str, values: Mapping[str, Any]) -> None:
    """Refuses a key that its verb does not have, as `++a.b=3` adds; what is built knows its own."""
    inside = (*parts.built(values), *(f"{key}." for key in TYPES[verb]))
    for key in compose.leaves(values):
        is_group = any(known.startswith(f"{key}.") for known in TYPES[verb])
        if not (key in TYPES[verb] or key.startswith(inside) or is_group):
            raise InputError(f"`{verb}` has no key `{key}`.{meant(verb, key, TYPES[verb])}")


def meant(verb: str, key: str, known: Iterable[str]) -> str:
    """Returns a sentence with the keys that are close to one that a verb does not have."""
    return did_you_mean(key, known) or f" `yt8m {verb} --help` lists the keys."
