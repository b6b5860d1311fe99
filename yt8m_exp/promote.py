"""Makes a challenger the champion of a registered model, if it is shown to be better."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command

if TYPE_CHECKING:
    from yt8m_exp.registry.chain import Record
    from yt8m_exp.registry.gate import Policy
    from yt8m_exp.serving.loading import Loaded
    from yt8m_exp.tracking.runs import Run

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> dict[str, Any]:
    """Judges a challenger and, if it passes, switches; as `conf/promote.yaml` says.

    Returns:
        Whether it was promoted and why, both versions with their GAP, the interval of the gain, the
        run and its report.

    Raises:
        ValueError: there is no such model or version, a record is bad, or the champion's alias is
            not where the records say.
        FileNotFoundError: a pattern matches no shard.
        ConnectionError: the tracking server went away.
    """
    from yt8m_exp.registry.gate import Policy
    from yt8m_exp.tracking.runs import open_run

    policy = Policy(**cfg.policy)
    with open_run(
        "promote",
        experiment=cfg.tracking.experiment,
        config=OmegaConf.to_container(cfg, resolve=True),  # type: ignore[arg-type]
        root=Path(cfg.tracking.runs),
        name=cfg.tracking.run_name or "promote",
        system_metrics=cfg.tracking.system_metrics,
    ) as tracked:
        return _promote(cfg, tracked, policy)


def _promote(cfg: DictConfig, tracked: "Run", policy: "Policy") -> dict[str, Any]:
    from yt8m_exp.terminal import quiet, summary

    with quiet.startup():
        from yt8m_exp import contest
    from yt8m_exp.registry import audit, versions
    from yt8m_exp.tracking import inputs, switching

    version = _named(cfg, tracked)
    with switching.alone(cfg.name):
        chain, champion = audit.current(tracked.client, cfg.name)
    if version is None:
        version = versions.challenger(tracked.client, cfg.name, but={champion, *chain.judged})
    if version is None or version == champion:
        return _unchanged(tracked, champion, version)
    models = _loaded(cfg.name, tracked, version, champion)
    manifest = inputs.scanned(
        tracked,
        OmegaConf.to_object(cfg)["shards"],  # type: ignore[index, call-overload]
        models["challenger"].tagger.schema,
        context="promote",
        on_bad_record=cfg.on_bad_record,
    )
    verdict = contest.hold(models, manifest, policy, batch_size=cfg.batch_size)
    report = f"runs:/{tracked.id}/report.html"
    decision = audit.record(
        chain,
        "promote" if verdict.passed else "refuse",
        version,
        champion=champion,
        reason=verdict.reason,
        run_id=tracked.id,
        evidence=contest.evidence(models, manifest, verdict) | {"report": report},
        policy=OmegaConf.to_container(cfg.policy, resolve=True),  # type: ignore[arg-type]
    )
    contest.log(tracked, cfg.name, decision, verdict, models)
    promoted, reason = decide(tracked.client, cfg.name, decision)
    note = (
        f"**Version {version} of {cfg.name} is {'promoted' if promoted else 'refused'}.** {reason}"
        "\n\nAmong the artifacts: `report.html`, with what must hold and figures, and the record."
    )
    tracked.client.set_tag(tracked.id, "mlflow.note.content", note)
    gaps = {side: measured.ranked.gap for side, measured in verdict.measured.items()}
    result = {
        "promoted": promoted,
        "reason": reason,
        "champion": champion,
        "challenger": version,
        "champion_gap": gaps.get("champion"),
        "challenger_gap": gaps.get("challenger"),
        "interval": list(verdict.comparison.interval) if verdict.comparison else None,
        "run_id": tracked.id,
        "report": report,
    }
    summary.show(f"Version {version} of {cfg.name}, against {champion or 'nobody'}", result, {})
    return result


def _loaded(
    name: str, tracked: "Run", challenger: int, champion: int | None
) -> dict[str, "Loaded"]:
    """Loads both models, and labels the run with them."""
    from yt8m_exp.serving import loading

    sides = {"challenger": challenger, "champion": champion}
    models = {
        side: loading.load(f"models:/{name}/{version}")
        for side, version in sides.items()
        if version is not None
    }
    for side, model in models.items():
        for key, value in model.tags().items():
            tracked.client.set_tag(tracked.id, f"{side}.{key.removeprefix('model.')}", value)
    return models


def _named(cfg: DictConfig, tracked: "Run") -> int | None:
    """Returns the version that the command line names; a run's model may have to become one."""
    from yt8m_exp.registry import versions

    client = tracked.client
    given = [key for key in ("version", "run_id", "sweep") if cfg[key] is not None]
    if len(given) > 1:
        raise ValueError(f"One of version, run_id and sweep may be given, but got {given}.")
    if cfg.version is not None:
        if not isinstance(cfg.version, int):
            raise ValueError(f"`version` must be a number, but got {cfg.version!r}.")
        if not versions.exists(client, cfg.name, cfg.version):
            raise ValueError(f"No version {cfg.version} of {cfg.name} in {client.tracking_uri}.")
        return cfg.version
    if not given:
        return None
    run_id = cfg.run_id or versions.best_run_of_sweep(client, cfg.sweep)
    return versions.register(client, versions.model_of_run(client, run_id), cfg.name)


def _unchanged(tracked: "Run", champion: int | None, version: int | None) -> dict[str, Any]:
    reason = f"Version {version} is the champion already."
    if version is None:
        reason = (
            "No version is left to judge: each was champion, or was refused since the last switch. "
            "Name one to judge it again: version=..."
        )
    logger.info(reason)
    return {
        "promoted": False,
        "reason": reason,
        "champion": champion,
        "challenger": version,
        "champion_gap": None,
        "challenger_gap": None,
        "interval": None,
        "run_id": tracked.id,
        "report": None,
    }


def decide(client: Any, name: str, decision: "Record") -> tuple[bool, str]:
    """Writes a decision and, if it is the first after the last switch, lets the aliases follow.

    Args:
        client: a client of the tracking store.
        name: of the registered model.
        decision: what the gate found, made after the last switch there was before.

    Returns:
        Whether the champion is now another, and why.

    Raises:
        ConnectionError: the tracking server went away.
    """
    from yt8m_exp.registry import audit
    from yt8m_exp.tracking import switching

    with switching.alone(name):
        now, champion = audit.current(client, name)
        if decision.kind == "promote" and (
            (now.last_number, champion) != (decision.after, decision.champion)
        ):
            decision = replace(decision, kind="refuse", reason=_late(decision, champion))
        audit.append(client, name, decision)
        if decision.kind == "refuse":
            return False, decision.reason
        now = audit.settle(client, name)
        if decision.id in {record.id for record in now.switches}:
            return True, decision.reason
        return False, _late(decision, now.champion)


def _late(decision: "Record", champion: int | None) -> str:
    return (
        f"Version {decision.version} was judged against version {decision.champion}, but meanwhile "
        f"version {champion} became champion. Judge it again: version={decision.version}"
    )


if __name__ == "__main__":
    command.run("promote", run)
