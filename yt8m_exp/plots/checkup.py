"""The page that tells what is wrong with shards, and what they hold."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from yt8m_exp.data.doctor import release, statistics, survey
from yt8m_exp.data.doctor.extraction import Measured
from yt8m_exp.data.doctor.findings import KINDS, Finding
from yt8m_exp.data.doctor.release import Classes, Comparison
from yt8m_exp.data.doctor.survey import Survey
from yt8m_exp.plots import document, shards

SETS = ("set", "shards", "bytes", "videos", "level", "digest")
STEPS = ("step", "feature", "", "these shards", "the release", "")
COMPARED = ("", "these shards", "the release", "")
FOUND = ("shard", "what", "count", "the first")
FEWEST = 10
"""Videos without which a feature is not drawn."""
MOST_SHARDS = 200
"""Findings of more shards are counted, but not listed."""


def render(
    title: str,
    verdict: str,
    sets: Mapping[str, Survey],
    findings: Sequence[Finding],
    comparisons: Sequence[Comparison],
    figures: Mapping[str, bytes],
    steps: Sequence[Measured] = (),
) -> str:
    """Returns a page of HTML that needs no other file.

    Args:
        title: of the page.
        verdict: what came out, in a sentence.
        sets: the sets of shards by name.
        findings: what is wrong with them.
        comparisons: numbers beside the release's.
        figures: PNG images by title.
        steps: of the extraction of the features, measured.
    """
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(verdict)}</p>"]
    parts.append(document.table(SETS, _sets(sets), numbers=(1, 2, 3)))
    if findings:
        parts += [
            "<h2>Problems</h2>",
            document.table(("count", "what", ""), _kinds(findings), numbers=(0,)),
        ]
    if steps:
        rows = map(_step, steps)
        parts += ["<h2>Steps of the extraction</h2>", document.table(STEPS, rows, numbers=(3, 4))]
    if comparisons:
        rows = map(_comparison, comparisons)
        parts += ["<h2>Beside the release</h2>", document.table(COMPARED, rows, numbers=(1, 2))]
    parts += [document.image(name, png) for name, png in figures.items()]
    if findings:
        parts += [
            "<h2>Problems by shard</h2>",
            document.table(FOUND, _shards(findings), numbers=(2,)),
        ]
        if len(findings) > MOST_SHARDS:
            parts.append(f"<p>{len(findings) - MOST_SHARDS:,} more are in findings.json.</p>")
    return document.page(title, parts)


def figures(found: Survey, classes: Classes | None, names: Sequence[str]) -> dict[str, Figure]:
    """Returns figures of a set of shards by title.

    Args:
        found: the set.
        classes: its videos of each class beside the release's, if they can be compared.
        names: the names of the classes.
    """
    drawn: dict[str, Figure] = {}
    for name, feature in found.features.items():
        if feature.count < FEWEST:
            continue
        known = release.FEATURES.get(name, release.Known())
        drawn[f"Lengths of {name}"] = shards.norms(
            feature.norms, feature.fake_norms, statistics.NORM_STEP, known=known.norms
        )
        drawn[f"Deviations of {name}"] = shards.deviations(feature.deviations(), known.deviations)
    if found.frames_per_video.any():
        drawn["Frames of a video"] = shards.frames(found.frames_per_video)
    if found.labels_per_video[1:].any():
        drawn["Labels of a video"] = shards.labels(found.labels_per_video)
    if classes:
        drawn["Videos of each class"] = shards.frequencies(
            classes.counts, classes.expected, classes.odd, names
        )
    return drawn


def _sets(sets: Mapping[str, Survey]) -> Iterator[tuple[str, ...]]:
    for name, found in sets.items():
        levels = ", ".join(
            level if len(found.levels) == 1 else f"{level} ({count:,})"
            for level, count in found.levels.items()
        )
        numbers = (f"{number:,}" for number in (len(found.parts), found.bytes, found.videos))
        yield escape(name), *numbers, levels, f"<code>{found.manifest(())['digest']}</code>"


def _kinds(findings: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    for kind, count in survey.counts(findings).items():
        if count:
            title, meaning = KINDS[kind]
            yield f"{count:,}", document.bad(title), _marked(meaning)


def _comparison(found: Comparison) -> tuple[str, ...]:
    word = document.bad("differs") if found.differs else document.good("alike")
    return escape(found.name), f"{found.measured:.3g}", f"{found.known:.3g}", word


def _step(found: Measured) -> tuple[str, ...]:
    word = document.bad("off") if found.is_off else document.good("right")
    note = f"{word} {_marked(found.meaning) if found.is_off else ''}"
    names = (
        escape(found.step),
        f"<code class=name>{escape(found.feature)}</code>",
        escape(found.what),
    )
    return *names, f"{found.value:.3g}", f"{found.release:.3g}", note


def _shards(findings: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    for found in findings[:MOST_SHARDS]:
        name = f'<span title="{escape(found.path)}">{escape(Path(found.path).name)}</span>'
        yield name, escape(KINDS[found.kind].title), f"{found.count:,}", escape(found.text)


def _marked(text: str) -> str:
    return re.sub(r"`(.*?)`", r"<code>\1</code>", escape(text))
