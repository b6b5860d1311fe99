"""Makes the previous champion of a registered model champion again, with a record of it."""

from typing import Any

from omegaconf import DictConfig

from yt8m_exp.jobs.steps import naming
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.registry import aliases, audit, versions
from yt8m_exp.registry.chain import Chain
from yt8m_exp.registry.lock import champion_lock
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import store
from yt8m_exp.tracking.pages import cards
from yt8m_exp.tracking.runs import Run


def run(cfg: DictConfig) -> Summary:
    """Rolls back as a configuration of `conf/rollback.yaml` says.

    Returns:
        The present champion, the one before, and whether anything was changed.

    Raises:
        InputError: there is no such version, or none to go back to.
        ConnectionError: the tracking server went away.
    """
    client = store.connect()
    _target(client, cfg, audit.read(client, cfg.name), _current(client, cfg.name))
    with (
        opened("rollback", cfg, name=naming.of_use("rollback", cfg.name)) as tracked,
        champion_lock(cfg.name),
    ):
        chain = aliases.settle(tracked.client, cfg.name)
        now = _current(tracked.client, cfg.name)
        target = _target(tracked.client, cfg, chain, now)
        # Without records, an alias that was set by hand is taken over, unless there were some.
        known = chain.champion or (not audit.lost(tracked.client, cfg.name, chain) and target)
        changed = now != target or known != target
        if changed:
            _switch(cfg, tracked, chain, target, now)
        is_now = "is champion again" if changed else "was champion already"
        said = f"Version {target} of {cfg.name} {is_now}. {cfg.reason}".rstrip()
        cards.describe(tracked.client, tracked.id, said)
    result = {"changed": changed, "champion": target, "before": now, "run_id": tracked.id}
    rows = result | {"before": now or "none"}
    return Summary(f"Rollback of {cfg.name}", result, rows)


def _current(client: Any, name: str) -> int | None:
    return versions.aliases(client, name).get(aliases.CHAMPION)


def _target(client: Any, cfg: DictConfig, chain: Chain, now: int | None) -> int:
    """Returns the version to go back to."""
    target = cfg.version if cfg.version is not None else chain.previous
    if target is None:
        raise InputError(
            f"{cfg.name} has no champion {f'before version {now}' if now else 'yet'}. "
            "Name the version to go to: version=..."
        )
    if not versions.exists(client, cfg.name, target):
        others = ", ".join(map(str, aliases.restorable(client, cfg.name, chain)))
        raise InputError(
            f"Version {target} of {cfg.name} does not exist, or is deleted. Name another that "
            f"was champion, {others or 'if there is one'}: version=..."
        )
    return int(target)


def _switch(cfg: DictConfig, tracked: Run, chain: Chain, target: int, now: int | None) -> None:
    """Records the decision, and sets the aliases."""
    client, name = tracked.client, cfg.name
    before = chain.champion or now
    decision = audit.record(
        chain,
        "rollback",
        target,
        champion=before,
        reason=cfg.reason or f"Back from version {before}.",
        run_id=tracked.id,
    )
    audit.append(client, name, decision)
    client.log_text(tracked.id, decision.to_json(), "record.json")
    chain = aliases.settle(client, name)
    if decision.id not in {record.id for record in chain.switches}:
        raise InputError(
            f"Version {chain.champion} became champion of {name} at the same moment. "
            "Look at the history, and decide again."
        )
