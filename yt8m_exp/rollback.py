"""Makes the previous champion of a registered model champion again, with a record of it."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command


def run(cfg: DictConfig) -> dict[str, Any]:
    """Rolls back as a configuration of `conf/rollback.yaml` says.

    Returns:
        The champion now, the one before, and whether anything was changed.

    Raises:
        ValueError: there is no such version, or none to go back to.
        ConnectionError: the tracking server went away.
    """
    from yt8m_exp.registry import audit, versions
    from yt8m_exp.registry.lock import champion_lock
    from yt8m_exp.terminal import summary
    from yt8m_exp.tracking.runs import open_run

    with open_run(
        "rollback",
        experiment=cfg.tracking.experiment,
        config=OmegaConf.to_container(cfg, resolve=True),  # type: ignore[arg-type]
        root=Path(cfg.tracking.runs),
        name=cfg.tracking.run_name or "rollback",
        system_metrics=False,
    ) as tracked:
        client, name = tracked.client, cfg.name
        with champion_lock(name):
            chain = audit.settle(client, name)
            now = versions.aliases(client, name).get(audit.CHAMPION)
            target = cfg.version if cfg.version is not None else chain.previous
            if target is None:
                raise ValueError(
                    f"{name} has no champion before {f'version {now}' if now else 'the first'}. "
                    "Name the version to go to: version=..."
                )
            if not versions.exists(client, name, target):
                others = ", ".join(map(str, chain.line[:-1])) or "of which there is none"
                raise ValueError(
                    f"Version {target} of {name} does not exist, or is deleted. Name another that "
                    f"was champion, {others}: version=..."
                )
            changed = now != target or chain.champion not in (None, target)
            if changed:
                decision = audit.record(
                    chain,
                    "rollback",
                    int(target),
                    champion=chain.champion or now,
                    reason=cfg.reason or f"Back from version {now or chain.champion}.",
                    run_id=tracked.id,
                )
                audit.append(client, name, decision)
                tracked.client.log_text(tracked.id, decision.to_json(), "record.json")
                chain = audit.settle(client, name)
                if decision.id not in {record.id for record in chain.switches}:
                    raise ValueError(
                        f"Version {chain.champion} became champion of {name} at the same moment. "
                        "Look at the history, and decide again."
                    )
        result = {
            "changed": changed,
            "champion": int(target),
            "before": now,
            "run_id": tracked.id,
        }
        summary.show(f"Rollback of {name}", result, {})
        return result


if __name__ == "__main__":
    command.run("rollback", run)
