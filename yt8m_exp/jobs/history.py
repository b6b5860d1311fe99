"""Prints the decisions on a registered model: who was champion when, and on what evidence."""

import logging
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.registry import aliases, audit, versions
from yt8m_exp.registry.chain import Chain, Record
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import store

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> Summary:
    """Reads the history of a registered model; nothing is changed.

    Returns:
        The champion by the records and by its alias, a list of problems, and every decision.

    Raises:
        InputError: there is no such registered model, or a record cannot be read.
    """
    client = store.connect()
    chain = audit.read(client, cfg.name)
    alias = versions.aliases(client, cfg.name).get(aliases.CHAMPION)
    problems = _problems(chain, alias, audit.lost(client, cfg.name, chain))
    for problem in problems:
        logger.warning(problem)
    result = {
        "name": cfg.name,
        "champion": alias,
        "champion_by_record": chain.champion,
        "previous": chain.previous,
        "problems": problems,
        "decisions": [_decision(chain, record) for record in chain.records],
    }
    return Summary(f"Decisions on {cfg.name}", result, rows=_lines(chain))


def _lines(chain: Chain) -> dict[str, Any]:
    switched = {record.number for record in chain.switches}
    lines = {}
    for record in chain.records:
        what: str = record.kind
        if record.number not in switched and record.kind != "refuse":
            what = "too late" if record in chain.too_late else "after a deleted record"
        place = f"{record.number}  {record.at[:19]}  {record.by}"
        lines[place] = f"{what} {record.champion or '-'} > {record.version or '-'}: {record.reason}"
    return lines


def _decision(chain: Chain, record: Record) -> dict[str, Any]:
    return {
        "number": record.number,
        "kind": record.kind,
        "at": record.at,
        "by": record.by,
        "from": record.champion,
        "to": record.version,
        "after": record.after,
        "switched": record in chain.switches,
        "completed": record.completed,
        "reason": record.reason,
        "run_id": record.run_id,
        "evidence": record.evidence,
        "policy": record.policy,
    }


def _problems(chain: Chain, alias: int | None, lost: list[int]) -> list[str]:
    problems = [
        f"Record {record.number} was changed after the next switch was recorded."
        for record in chain.altered
    ]
    problems += [f"Record {number} was deleted." for number in lost]
    if lost and alias != chain.champion:
        return [*problems, f"So the champion is not known; the alias is on version {alias}."]
    if chain.last and not chain.last.completed:
        problems.append(
            f"The aliases for record {chain.last_number} are not set yet; the next promote or "
            "rollback sets them."
        )
    elif chain.last and alias != chain.champion:
        problems.append(
            f"The alias is on version {alias}, but by record it belongs to {chain.champion}: it "
            "was moved without a record, or its version was deleted."
        )
    return problems
