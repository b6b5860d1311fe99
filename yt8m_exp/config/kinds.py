"""Refuses a value that is not of the kind that its key has, in a sentence."""

from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from yt8m_exp.spec import DECISIONS, InputError

RANGES = {
    "greater_than": ">",
    "greater_than_equal": ">=",
    "less_than": "<",
    "less_than_equal": "<=",
}
EMPTY = ("string_too_short", "too_short")
STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def require(key: str, value: Any, kind: Any) -> None:
    """Refuses a value that is not of a kind, by the name of its key."""
    try:
        TypeAdapter(kind, config=STRICT).validate_python(value)
    except ValidationError as error:
        raise InputError(_sentence(key, value, error)) from None


def _sentence(key: str, value: Any, error: ValidationError) -> str:
    errors = error.errors()
    for found in errors:
        if found["type"] in RANGES:
            bound = next(iter(found["ctx"].values()))
            shown = bound if isinstance(bound, int) else f"{bound:g}"
            return f"`{key} {RANGES[found['type']]} {shown}` must hold, but got {key}={value!r}."
        if found["type"] in EMPTY:
            return (
                f"`{key}` must not be empty (is a variable of your shell unset?), but is {value!r}."
            )
    rules = " or ".join(dict.fromkeys(map(_rule, errors)))
    return f"`{key}` must be {rules}, but got {key}={value!r}."


def _rule(error: Any) -> str:
    if error["type"] == "string_pattern_mismatch":
        return f"a name without '/', ':' and '@', which does not end in {DECISIONS}"
    if error["type"] == "string_type" and isinstance(error["input"], int | float):
        return f"""text (in quotes that reach the program: '"{error["input"]}"')"""
    rule = error["msg"].removeprefix("Input should be ").replace("a valid ", "a ")
    return rule.replace("a integer", "an integer").replace("None", "null")
