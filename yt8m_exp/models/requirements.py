"""What the arguments of models must be: each rule once, with its sentence."""

from typing import Any, get_args

from yt8m_exp.spec import InputError


def require_choice(choices: Any, **arguments: str) -> None:
    """Refuses an argument that is not one of the values of a `Literal`."""
    *others, last = get_args(choices)
    for name, value in arguments.items():
        if value not in (*others, last):
            raise InputError(f"`{name}` must be {', '.join(others)} or {last}, but got {value!r}.")


def require_positive(**sizes: int) -> None:
    """Refuses a size or a number that is below one."""
    for name, value in sizes.items():
        if value < 1:
            raise InputError(f"`{name} >= 1` must hold, but got {name}={value}.")
