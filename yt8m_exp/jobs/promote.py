"""Makes a challenger the champion of a registered model, if it is shown to be better."""

from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.jobs.steps import contest, naming, sources
from yt8m_exp.jobs.steps.contest import Models, Verdict
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.registry import aliases, audit, decisions, registration, versions
from yt8m_exp.registry.chain import Chain, Record
from yt8m_exp.registry.gate import Policy
from yt8m_exp.registry.lock import champion_lock
from yt8m_exp.serving import loading
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, store
from yt8m_exp.tracking.pages import cards
from yt8m_exp.tracking.runs import Run


def run(cfg: DictConfig) -> Summary:
    """Judges a challenger and, if it passes, makes it champion, as `conf/promote.yaml` says.

    Returns:
        Whether it was promoted and why, both versions with their GAP, the interval of the gain, the
        run and its report.

    Raises:
        InputError: there is no such model or version, a record is bad, or the champion's alias is
            not on the version that the records name.
        MissingInputError: a pattern matches no shard.
        ConnectionError: the tracking server went away.
    """
    policy, client = Policy(**cfg.policy), store.connect()
    version = _named(cfg, client)
    with champion_lock(cfg.name):
        chain, champion = aliases.current(client, cfg.name)
    if version is None:
        version = versions.challenger(client, cfg.name, exclude={champion, *chain.judged})
    if version is None or version == champion:
        with opened("promote", cfg) as tracked:
            return _unchanged(cfg, tracked, champion, version)
    # What is wrong with the input is refused before a run is opened.
    models = _loaded(cfg.name, version, champion)
    schema = models["challenger"].tagger.schema
    # The gate compares the checksums of all shards with those that were trained on.
    manifest = sources.checked(cfg, schema, all_before=True)
    against = f"against v{champion}" if champion else "no champion yet"
    name = naming.of_use("promote", f"{cfg.name} v{version}", against)
    with opened("promote", cfg, name=name) as tracked:
        _label(tracked, models)
        datasets.log_read(tracked, manifest, context="promote")
        verdict = contest.hold(models, manifest, policy, batch_size=cfg.batch_size)
        decision = _decision(cfg, tracked, chain, models, manifest, verdict)
        contest.log(tracked, cfg.name, decision, verdict, models)
        promoted, reason = decisions.decide(client, cfg.name, decision)
        return _told(cfg, tracked, decision, verdict, promoted=promoted, reason=reason)


def _decision(
    cfg: DictConfig,
    tracked: Run,
    chain: Chain,
    models: Models,
    manifest: Manifest,
    verdict: Verdict,
) -> Record:
    """Returns the record of what the gate found, for the chain of decisions."""
    return audit.record(
        chain,
        "promote" if verdict.passed else "refuse",
        int(models["challenger"].version or 0),
        champion=int(models["champion"].version or 0) if "champion" in models else None,
        reason=verdict.reason,
        run_id=tracked.id,
        evidence=contest.evidence(models, manifest, verdict) | {"report": _report(tracked)},
        policy=compose.plain(cfg.policy),
    )


def _report(tracked: Run) -> str:
    return f"runs:/{tracked.id}/report.html"


def _told(
    cfg: DictConfig,
    tracked: Run,
    decision: Record,
    verdict: Verdict,
    *,
    promoted: bool,
    reason: str,
) -> Summary:
    """Describes the run, and returns the summary of the verb."""
    name, version, champion = cfg.name, decision.version, decision.champion
    note = (
        f"**Version {version} of {name} is {'promoted' if promoted else 'refused'}.** {reason}"
        "\n\nThe artifacts are `report.html`, with the checks and figures, and the record."
    )
    cards.describe(tracked.client, tracked.id, note)
    if version:
        against = f"version {champion}" if champion else "no champion"
        digest = decision.evidence["data_digest"]
        said = f"{'promoted' if promoted else 'refused'}, judged against {against} on the shards"
        link = cards.run_link(tracked.client, tracked.id, f"{decision.at[:10]}, {said}")
        versions.note_decision(
            tracked.client, name, version, f"{link} of digest `{digest}`: {reason}"
        )
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
        "report": _report(tracked),
    }
    title = f"Version {version} of {name}, judged against {champion or 'no champion'}"
    return _ended(cfg, title, result, version if promoted else champion)


def _ended(cfg: DictConfig, title: str, result: dict[str, Any], champion: int | None) -> Summary:
    """Returns the summary of the verb, with the present champion."""
    rows = {key: value for key, value in result.items() if value is not None}
    rows = {"champion now": champion or "none"} | rows
    rows.pop("champion", None)
    status = 1 if cfg.require and not result["promoted"] else 0
    return Summary(title, result, rows, status=status)


def _loaded(name: str, challenger: int, champion: int | None) -> dict[str, Loaded]:
    """Loads both models."""
    sides = {"challenger": challenger, "champion": champion}
    return {
        side: loading.load(f"models:/{name}/{version}")
        for side, version in sides.items()
        if version is not None
    }


def _label(tracked: Run, models: Models) -> None:
    """Labels the run with both models."""
    for side, model in models.items():
        for key, value in model.tags().items():
            tracked.client.set_tag(tracked.id, f"{side}.{key.removeprefix('model.')}", value)


def _named(cfg: DictConfig, client: Any) -> int | None:
    """Returns the version that the command line names; registers a run's model as a version."""
    if cfg.version is not None or not (cfg.run_id or cfg.sweep):
        return cfg.version
    run_id = cfg.run_id or versions.best_run_of_sweep(client, cfg.sweep)
    return registration.register(client, versions.model_of_run(client, run_id), cfg.name)


def _unchanged(cfg: DictConfig, tracked: Run, champion: int | None, version: int | None) -> Summary:
    reason = f"Version {version} is the champion already."
    if version is None:
        reason = (
            "No version is left to judge: each was champion, or was refused since the last switch. "
            "Name one to judge it again: version=..."
        )
    result = {
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
    return _ended(cfg, "Nothing to promote", result, champion)
