"""What a check of shards has found: its run, its page, and what the terminal shows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.data import vocabulary
from yt8m_exp.data.doctor import measured, release, survey
from yt8m_exp.data.doctor.extraction import Measured
from yt8m_exp.data.doctor.findings import KINDS, Finding, verdict
from yt8m_exp.data.doctor.survey import Survey
from yt8m_exp.plots import checkup, drawing
from yt8m_exp.terminal import table
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import store
from yt8m_exp.tracking.runs import Run


class Checked(NamedTuple):
    """What was found.

    Attributes:
        sets: what each set of shards holds, by the key that named it.
        findings: all problems, in the order of `KINDS`, then of the shards.
        steps: how the steps of an extraction are; empty if features were not looked at.
    """

    sets: Mapping[str, Survey]
    findings: Sequence[Finding]
    steps: Sequence[Measured]

    @property
    def counts(self) -> dict[str, int]:
        """How many problems of each kind there are."""
        return survey.counts(self.findings)


def log(cfg: DictConfig, tracked: Run, checked: Checked) -> None:
    """Logs metrics, the page with figures, and every finding."""
    found, counts = checked.sets["shards"], checked.counts
    tracked.writer.log({f"problems/{kind}": count for kind, count in counts.items()}, 0)
    comparisons = list(release.compare(found.features, found.labels_per_video))
    classes = release.compare_classes(found.class_counts, cfg.vocabulary)
    names = vocabulary.read(cfg.vocabulary, spec.CLASSES, key="vocabulary").names if classes else ()
    figures = checkup.figures(found, classes, names)
    said = verdict(counts)
    page = checkup.render(
        "Check of shards",
        said,
        checked.sets,
        checked.findings,
        comparisons,
        {title: drawing.png(figure) for title, figure in figures.items()},
        checked.steps,
    )
    tracked.client.log_text(tracked.id, page, "report.html")
    details = {
        "problems": counts,
        "findings": [finding.as_dict() for finding in checked.findings],
        "release": [row._asdict() | {"differs": row.differs} for row in comparisons],
        "classes": classes.listed() if classes else [],
        "steps": [row._asdict() | {"off": row.is_off} for row in checked.steps],
    }
    tracked.client.log_dict(tracked.id, details, "findings.json")
    note = f"{said} Among the artifacts: `report.html`, with figures."
    tracked.client.set_tag(tracked.id, "mlflow.note.content", note)


def told(cfg: DictConfig, tracked: Run, checked: Checked, output: str | None) -> Summary:
    """Shows the problems, and returns what the verb ends with."""
    sets, counts = checked.sets, checked.counts
    if checked.findings:
        columns = ("count", "what", "shards", "the first")
        table.show("Problems", columns, _rows(checked), numbers=(0, 2))
    off = [row for row in checked.steps if row.is_off]
    if cfg.features:
        measured.show(checked.steps)
    result: dict[str, Any] = {
        "run_id": tracked.id,
        "videos": sets["shards"].videos,
        "shards": len(sets["shards"].parts),
        "problems": counts,
        "report": f"runs:/{tracked.id}/report.html",
        "output": output and str(Path(output).absolute()),
    }
    result |= {"steps_off": [row.step for row in off]} if cfg.features else {}
    rows: dict[str, Any] = {
        "run_id": tracked.id,
        **{name: _size(found) for name, found in sets.items()},
    }
    rows |= {"problems": sum(counts.values()), "report": result["report"]}
    rows |= {"output": result["output"]} if output else {}
    if cfg.features:
        rows["steps off"] = ", ".join(f"{row.step} of {row.feature}" for row in off) or "none"
    where = store.pages(tracked.client, tracked.before.info)
    status = 1 if cfg.require and (checked.findings or off) else 0
    return Summary("Check of shards", result, rows, where, status)


def _rows(checked: Checked) -> Iterator[tuple[str, ...]]:
    """Yields a row for each kind of problem that there is."""
    for kind, count in checked.counts.items():
        ours = [finding for finding in checked.findings if finding.kind == kind]
        if ours:
            first = f"{Path(ours[0].path).name}, {ours[0].text}"
            yield f"{count:,}", KINDS[kind].title, f"{len(ours):,}", first


def _size(found: Survey) -> str:
    shards, levels = len(found.parts), " and ".join(found.levels)
    return f"{found.videos:,} videos, {levels} level, in {shards:,} shard{'s' * (shards != 1)}"
