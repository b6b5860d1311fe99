"""Decides who is champion: one decision takes effect, however many are made at once."""

from dataclasses import replace
from typing import Any

from yt8m_exp.registry import aliases, audit
from yt8m_exp.registry.chain import Record
from yt8m_exp.registry.lock import champion_lock


def decide(client: Any, name: str, decision: Record) -> tuple[bool, str]:
    """Writes a decision and, if it takes effect, sets the aliases.

    Args:
        client: a client of the tracking store.
        name: name of the registered model.
        decision: the gate's decision, which names the last switch that was known to it.

    Returns:
        Whether the decision changed the champion, and the reason.

    Raises:
        ConnectionError: the tracking server went away.
    """
    with champion_lock(name):
        now, champion = aliases.current(client, name)
        if decision.kind == "promote" and (
            (now.last_number, champion) != (decision.after, decision.champion)
        ):
            decision = replace(decision, kind="refuse", reason=_late(decision, champion))
        audit.append(client, name, decision)
        if decision.kind == "refuse":
            return False, decision.reason
        now = aliases.settle(client, name)
        if decision.id in {record.id for record in now.switches}:
            return True, decision.reason
        return False, _late(decision, now.champion)


def _late(decision: Record, champion: int | None) -> str:
    return (
        f"Version {decision.version} was judged against version {decision.champion}, but meanwhile "
        f"version {champion} became champion. Judge it again: version={decision.version}"
    )
