"""Compares a challenger with the champion: measures both, and checks them at the gate."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from yt8m_exp.data import shards, vocabulary
from yt8m_exp.data.manifest import Manifest, contents
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.shards import Reading
from yt8m_exp.evaluation import metrics
from yt8m_exp.evaluation.metrics import Evaluation
from yt8m_exp.plots import comparison as drawn
from yt8m_exp.plots import drawing
from yt8m_exp.plots.style import class_label
from yt8m_exp.registry import eligibility, gate, measure, report
from yt8m_exp.registry.chain import Record
from yt8m_exp.registry.gate import Check, Comparison, Policy
from yt8m_exp.registry.measure import Measured
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.terminal import progress
from yt8m_exp.tracking.runs import Run

logger = logging.getLogger(__name__)

Models = Mapping[str, Loaded]
"""The `challenger`, and the `champion` if there is one."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """The result of the gate.

    Attributes:
        checks: all checks.
        measured: measurements of each model; empty if the models cannot be compared.
        comparison: comparison of the two; None if there is no champion.
    """

    checks: list[Check]
    measured: dict[str, Measured]
    comparison: Comparison | None

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """Sentences on every check that fails, or on what the challenger gains."""
        if not self.passed:
            return " ".join(check.sentence for check in self.checks if not check.passed)
        if self.comparison is None:
            gap = self.measured["challenger"].ranked.gap
            return f"The first champion, with a GAP of {gap:.4f}."
        low, high = self.comparison.interval
        return (
            f"GAP gains {self.comparison.gain:+.4f}, between {low:+.4f} and {high:+.4f}, and all "
            f"{len(self.checks)} checks hold."
        )


def hold(models: Models, manifest: Manifest, policy: Policy, *, batch_size: int | None) -> Verdict:
    """Checks whether the models can be compared, then measures both on the same shards.

    Args:
        models: see `Models`.
        manifest: the evaluation shards.
        policy: the rules.
        batch_size: videos in a batch; None chooses it by the level of the data.
    """
    candidates = {side: _candidate(model) for side, model in models.items()}
    challenger, champion = candidates["challenger"], candidates.get("champion")
    checks = eligibility.eligible(challenger, champion, manifest.contents, policy)
    if not all(check.passed for check in checks):
        return _told(Verdict(checks, {}, None))
    measured = {
        side: _measured(model, manifest, side, batch_size) for side, model in models.items()
    }
    comparison = None
    if "champion" in measured:
        logger.info("Drawing %d times from %d videos", policy.resamples, manifest.records)
        comparison = gate.compare(measured["challenger"], measured["champion"], policy)
    names = models["challenger"].tagger.names.tolist()
    checks += gate.check(measured["challenger"], comparison, policy, names)
    return _told(Verdict(checks, measured, comparison))


def evidence(models: Models, manifest: Manifest, verdict: Verdict) -> dict[str, Any]:
    """Returns the evidence for a decision, as plain data."""
    comparison = verdict.comparison
    return {side: _facts(model, manifest, verdict, side) for side, model in models.items()} | {
        "data_digest": manifest.digest,
        "shards": len(manifest.shards),
        "videos": manifest.records,
        "gain": comparison.gain if comparison else None,
        "interval": list(comparison.interval) if comparison else None,
        "checks": [check._asdict() for check in verdict.checks],
    }


def log(run: Run, name: str, decision: Record, verdict: Verdict, models: Models) -> None:
    """Logs a decision to its run: the numbers, the record, and the report with its figures.

    Args:
        run: the run.
        name: name of the registered model.
        decision: the record of the decision.
        verdict: the reasons for it.
        models: see `Models`.
    """
    facts = {side: decision.evidence[side] for side in models}
    table = {metric.key: metric for metric in metrics.on_versions()}
    numbers = {
        f"{side}/{table[key].name if key in table else key}": value
        for side, values in facts.items()
        for key, value in values.items()
        if isinstance(value, int | float)
    }
    if verdict.comparison:
        low, high = verdict.comparison.interval
        numbers |= {"gain": verdict.comparison.gain, "gain/low": low, "gain/high": high}
    run.writer.log(numbers, 0)
    names = models["challenger"].tagger.names.tolist()
    figures = {title: drawing.png(figure) for title, figure in _figures(verdict, names).items()}
    checks = sorted(verdict.checks, key=lambda check: check.passed)
    columns = {
        side: {
            table[key].title if key in table else key.replace("_", " "): _shown(value)
            for key, value in values.items()
        }
        for side, values in facts.items()
    }
    page = report.render(name, decision, checks, columns, figures, better=_better(facts))
    run.client.log_text(run.id, page, "report.html")
    run.client.log_text(run.id, decision.to_json(), "record.json")


def _candidate(model: Loaded) -> eligibility.Candidate:
    tagger, answers = model.tagger, None
    if model.signature is not None and model.signature.outputs is not None:
        params = [param.name for param in model.signature.params or []]
        answers = frozenset([*model.signature.outputs.input_names(), *params])
    trained = tagger.about.get("train")
    return eligibility.Candidate(
        version=int(model.version or 0),
        level=tagger.schema.level,
        features=tagger.schema.features,
        classes=tagger.schema.classes,
        vocabulary_digest=vocabulary.digest(tagger.names),
        answers=answers,
        trained_on=trained and contents(trained),
        model_bytes=tagger.model_bytes,
    )


def _measured(model: Loaded, manifest: Manifest, side: str, batch_size: int | None) -> Measured:
    tagger = model.tagger
    if tagger.schema != manifest.schema:  # this model takes other features of the shards
        bad = "skip" if manifest.skip_bad else "stop"
        reading = Reading(manifest.cache, check_bytes=None)
        manifest = shards.scan(manifest.source, tagger.schema, on_bad_record=bad, reading=reading)
    with progress.shown(f"Predicting, {side}", manifest.records, unit="videos") as advance:
        return measure.measure(
            tagger.predictor,
            ordered_batches(manifest, batch_size),
            tagger.schema.classes,
            advance=advance,
        )


def _told(verdict: Verdict) -> Verdict:
    for check in verdict.checks:
        logger.info("%s: %s", "Holds" if check.passed else "FAILS", check.sentence)
    return verdict


def _facts(model: Loaded, manifest: Manifest, verdict: Verdict, side: str) -> dict[str, Any]:
    chosen = model.tagger.about.get("validate", {"shards": []})
    facts: dict[str, Any] = {
        "version": int(model.version or 0),
        "model_id": model.model_id,
        "run_id": model.run_id,
        "model_bytes": model.tagger.model_bytes,
        "chosen_on_shards": len(manifest.contents.keys() & contents(chosen)),
    }
    if side in verdict.measured:
        measured = verdict.measured[side]
        latency = round(measured.latency_milliseconds, 2)
        found = metrics.values(Evaluation(measured.ranked), metrics.on_versions())
        facts |= found | {"latency_milliseconds": latency}
    return facts


def _figures(verdict: Verdict, names: list[str]) -> dict[str, Figure]:
    if not verdict.measured:
        return {}
    ranked = {side: measured.ranked for side, measured in reversed(verdict.measured.items())}
    lines = [(side, r.curve.recall, r.curve.precision, r.gap) for side, r in ranked.items()]
    figures = {"Precision and recall": drawn.precision_recall(lines)}
    if found := verdict.comparison:
        figures["Gain"] = drawn.gain(found.draws.gap, found.gain, found.interval)
        if found.classes.size:
            figures["Classes"] = drawn.by_class(
                found.ap_gain,
                found.ap_bound,
                ranked["champion"].positives[found.classes],
                [class_label(names[i], i) for i in found.classes],
            )
    return figures


def _better(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Returns the better of two models for each metric, by the metric's title."""
    if "champion" not in facts:
        return {}
    found = {}
    for metric in metrics.on_versions():
        ours, theirs = (facts[side].get(metric.key) for side in ("challenger", "champion"))
        if ours is not None and theirs is not None and ours != theirs:
            won = (ours > theirs) == metric.higher_is_better
            found[metric.title] = "challenger" if won else "champion"
    return found


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
