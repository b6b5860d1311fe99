"""What is said where the decisions on a registered model and its aliases do not fit together.

Each sentence names the model, the registered model of its decisions, and the rollback that decides.
"""

import shlex
from collections.abc import Sequence

from yt8m_exp.registry.chain import Chain

SHOWN = 5
"""Numbers of deleted records that are named."""


def deleted(
    name: str, decisions: str, numbers: Sequence[int], alias: int | None, chain: Chain
) -> str:
    """Says that records are missing; the alias `champion` is on a version, or on none."""
    shown = ", ".join(map(str, numbers[:SHOWN])) + (", ..." if len(numbers) > SHOWN else "")
    what = f"Record {shown}" if len(numbers) == 1 else f"Records {shown}"
    known = f"version {chain.champion} by what is left" if chain.champion else "unknown"
    return (
        f"{what} of {decisions} {'was' if len(numbers) == 1 else 'were'} deleted, so that "
        f"the champion of {name} is {known}; its alias is on version {alias or 'none'}. "
        f"Decide: {_rollback(name)}{alias or chain.champion or '...'} (if {name} was renamed, "
        "rename its decisions, too)"
    )


def moved(name: str, decisions: str, alias: int, chain: Chain) -> str:
    """Says that the alias is on another version than the last record names."""
    return (
        f"The alias champion of {name} is on version {alias}, but by record {chain.last_number} of "
        f"{decisions} it belongs to version {chain.champion}: it was moved without a record. "
        f"Choose one of the two: {_rollback(name)}{alias} (or {chain.champion})"
    )


def gone(name: str, decisions: str, chain: Chain, *, there: bool, before: Sequence[int]) -> str:
    """Says that the champion has no alias: it is deleted, unless it is still `there`.

    The last of the champions `before` it can be restored.
    """
    return (
        f"Version {chain.champion} of {name}, the champion by record {chain.last_number} of "
        f"{decisions}, {'has lost its alias' if there else 'is deleted'}. Restore one: "
        f"{_rollback(name)}{before[-1] if before else '...'}"
    )


def _rollback(name: str) -> str:
    return f"yt8m rollback {shlex.quote(f'name={name}')} version="
