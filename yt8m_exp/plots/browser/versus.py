"""The page on which runs are compared: configuration, metrics, cost, curves, and two models."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation.metrics import Metric
from yt8m_exp.plots import curves, document, drawing
from yt8m_exp.plots.browser import page
from yt8m_exp.plots.browser.page import Model

MOST_COLUMNS = 6
SUMS = ("examples", "minutes", "watt hours")
SAME = "The runs have the same configuration."


@dataclass(frozen=True)
class Run:
    """A run that is compared.

    Attributes:
        run_id: its id.
        name: its name, unlike that of any other run of the comparison.
        config: the configuration of its model's training, by key.
        values: metrics by key.
        cost: what the training took, by what is told: a number each.
        curve: examples seen and GAP at each evaluation of the training.
        address: where MLflow shows it; None without a server.
        device: the machine that trained.
        study: the study whose trial it is; empty if it is none.
        leaked: how much of what it was measured on it was trained on, as 9 of the shards; or empty.
    """

    run_id: str
    name: str
    config: Mapping[str, str]
    values: Mapping[str, float]
    cost: Mapping[str, float]
    curve: Sequence[tuple[int, float]]
    address: str | None
    device: str = ""
    study: str = ""
    leaked: str = ""


class Pair(NamedTuple):
    """Two models' predictions of the same videos.

    Attributes:
        models: the models, with the videos that both evaluations kept.
        ap: average precision of each class, of each model, (2, C).
        positives: videos that have the class, (C,).
        words: names and verticals of the classes.
    """

    models: Sequence[Model]
    ap: NDArray
    positives: NDArray
    words: Vocabulary


def render(runs: Sequence[Run], metrics: Sequence[Metric], pair: Pair | None) -> str:
    """Returns a page of HTML that needs no other file.

    Args:
        runs: the runs, at least two.
        metrics: those that are listed.
        pair: what two of them predicted; None if that is not known.
    """
    title = " and ".join(run.name for run in runs) if len(runs) < 4 else f"{len(runs)} runs"
    parts = [*_tables(runs, metrics), *_curves(runs)]
    if pair is None:
        return document.page(title, [f"<h1>{escape(title)}</h1>", *parts], wide=True)
    first, second = (model.name for model in pair.models)
    gains = pair.ap[1] - pair.ap[0]
    known = ~np.isnan(gains)
    counts = f"{(gains[known] > 0).sum():,} classes, worse in {(gains[known] < 0).sum():,}"
    parts += [
        "<h2>Where one wins</h2>",
        f"<p>{escape(second)} is better than {escape(first)} in {counts}.</p>",
    ]
    columns = {
        "videos": pair.positives,
        f"AP, {first}": pair.ap[0],
        f"AP, {second}": pair.ap[1],
        "gain": gains,
    }
    return page.render(title, parts, pair.models, pair.words, columns)


def _tables(runs: Sequence[Run], metrics: Sequence[Metric]) -> Iterator[str]:
    yield "<h2>Metrics</h2>"
    yield _table(runs, list(_metrics(runs, metrics)))
    if leaked := [f"{escape(run.name)} ({run.leaked})" for run in runs if run.leaked]:
        yield f"<p>Too high, because measured on what was trained on: {', '.join(leaked)}.</p>"
    yield "<h2>Cost of training</h2>"
    yield _table(runs, list(_costs(runs)))
    if studies := _by_study(runs):
        yield "<h2>Cost by study</h2>"
        head = ("study", "trials", *SUMS, "device")
        yield document.table(head, studies, numbers=range(1, len(head) - 1))
    yield "<h2>Configuration</h2>"
    rows = list(_differences(runs))
    same = len(set().union(*(run.config for run in runs))) - len(rows)
    yield _table(runs, rows, numbers=False) if rows else f"<p>{SAME}</p>"
    yield f"<p><small>{same} more keys are the same.</small></p>" if rows else ""


def _table(runs: Sequence[Run], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> str:
    """Returns a table with a column for each run, or with a row for each if they are many."""
    names = [_linked(run) for run in runs]
    heads = [head for head, *_ in rows]
    if len(runs) > MOST_COLUMNS:
        head = heads
        cells: list[Sequence[str]] = list(zip(names, *(v for _, *v in rows), strict=True))
    else:
        head, cells = names, list(rows)
    places = range(1, len(head) + 1) if numbers else ()
    return document.table(["", *head], cells, numbers=places, plain=False)


def _linked(run: Run) -> str:
    name = escape(run.name)
    return f'<a href="{escape(run.address)}">{name}</a>' if run.address else name


def _metrics(runs: Sequence[Run], metrics: Sequence[Metric]) -> Iterator[list[str]]:
    for metric in metrics:
        values = [run.values.get(metric.key) for run in runs]
        known = [value for value in values if value is not None]
        if known:
            best = max(known) if metric.higher_is_better else min(known)
            shown = ["" if value is None else f"{value:.4f}" for value in values]
            cells = [
                document.good(text) if value == best else text
                for text, value in zip(shown, values, strict=True)
            ]
            yield [f'<span title="{escape(metric.meaning)}">{escape(metric.title)}</span>', *cells]


def _costs(runs: Sequence[Run]) -> Iterator[list[str]]:
    for name in dict.fromkeys(name for run in runs for name in run.cost):
        yield [escape(name), *(_number(run.cost.get(name)) for run in runs)]
    if any(run.device for run in runs):
        yield ["device", *(escape(run.device) for run in runs)]


def _differences(runs: Sequence[Run]) -> Iterator[list[str]]:
    """Yields the keys whose values differ; a key that a run lacks is empty."""
    for key in dict.fromkeys(key for run in runs for key in run.config):
        values = [run.config.get(key, "") for run in runs]
        if len(set(values)) > 1:
            yield [
                f"<code>{escape(key)}</code>",
                *(f"<code>{escape(value)}</code>" for value in values),
            ]


def _curves(runs: Sequence[Run]) -> Iterator[str]:
    points = {run.name: run.curve for run in runs if run.curve}
    if points:
        yield drawing.svg(curves.gap_curves(points))


def _by_study(runs: Sequence[Run]) -> list[list[str]]:
    """Returns a row for each study: its trials, the sums of what is known of them, and where."""
    studies: dict[str, list[Run]] = {}
    for run in runs:
        if run.study:
            studies.setdefault(run.study, []).append(run)
    return [
        [
            escape(study),
            f"{len(trials):,}",
            *(_number(_sum(trials, name)) for name in SUMS),
            escape("; ".join(sorted({trial.device for trial in trials if trial.device}))),
        ]
        for study, trials in sorted(studies.items())
    ]


def _sum(runs: Sequence[Run], name: str) -> float | None:
    known = [run.cost[name] for run in runs if name in run.cost]
    return sum(known) if known else None


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}"
