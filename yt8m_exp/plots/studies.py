"""Figures of a study: its trials over time, curves, importances, slices, parallel coordinates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from yt8m_exp.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    annotate,
    new_figure,
    plain,
    si_prefixed,
    style_axes,
    use_si_prefixes,
)

COLORS = {"complete": BLUE, "pruned": GREY, "failed": RED, "requeued": FAINT, "running": GREEN}
MOST_CURVES = 200
"""Trials that are drawn as curves: the best of them."""


class Trial(NamedTuple):
    """A trial.

    Attributes:
        number: in the study.
        state: complete, pruned, infeasible, failed, requeued or running.
        values: of the objectives; empty if the trial is not complete.
        params: by key.
        curve: values of the first objective that it reported, by examples seen.
        began, ended: seconds since 1970; `ended` is None while it runs.
        examples: examples seen.
        reason: why it ended early; empty if it did not.
        address: where MLflow shows its run; None without a server.
    """

    number: int
    state: str
    values: Sequence[float]
    params: Mapping[str, Any]
    curve: Sequence[tuple[int, float]]
    began: float
    ended: float | None
    examples: int
    reason: str
    address: str | None


@dataclass(frozen=True, eq=False)
class Study:
    """A study.

    Attributes:
        name: of the study.
        objectives: `maximize` or `minimize` by metric.
        trials: its trials, by number.
        importances: how much each parameter mattered, in falling order.
        best: numbers of the best trial, or of the Pareto front.
    """

    name: str
    objectives: Mapping[str, str]
    trials: Sequence[Trial]
    importances: Mapping[str, float]
    best: Sequence[int]

    @property
    def metric(self) -> str:
        """The first objective."""
        return next(iter(self.objectives))

    @property
    def sign(self) -> int:
        """1 if the first objective is maximized, or -1."""
        return 1 if self.objectives[self.metric] == "maximize" else -1

    @cached_property
    def complete(self) -> list[Trial]:
        """The complete trials, the best last."""
        done = [trial for trial in self.trials if trial.state == "complete"]
        return sorted(done, key=lambda trial: self.sign * trial.values[0])

    @cached_property
    def keys(self) -> list[str]:
        """The parameters that the trials vary, the most important first."""
        found = dict.fromkeys(key for trial in self.trials for key in trial.params)
        return [*self.importances, *(key for key in found if key not in self.importances)]


def figures(study: Study) -> dict[str, Figure]:
    """Returns the figures of a study by name; none while no trial is complete."""
    if not study.complete:
        return {}
    drawn = {"history": history(study)}
    if len(study.objectives) > 1:
        drawn["pareto_front"] = pareto_front(study)
    elif any(trial.curve for trial in study.trials):
        drawn["curves"] = curves(study)
    if study.importances:
        drawn["importances"] = importances(study)
    if study.keys:
        drawn["slices"] = slices(study)
    if len(study.keys) > 1:
        drawn["parallel_coordinates"] = parallel_coordinates(study)
    drawn["timeline"] = timeline(study)
    return drawn


def history(study: Study) -> Figure:
    """Draws what each trial reached, and the best so far."""
    figure = new_figure(height=3.8)
    axes = style_axes(figure.subplots(), x="trial", y=study.metric)
    pruned = [t for t in study.trials if t.state == "pruned" and t.curve]
    axes.plot(
        [t.number for t in pruned], [t.curve[-1][1] for t in pruned], "o", color=GREY,
        markerfacecolor="none", markersize=5, label="pruned, at its last value",
    )  # fmt: skip
    done = sorted(study.complete)
    numbers, values = [t.number for t in done], np.array([t.values[0] for t in done])
    best = study.sign * np.maximum.accumulate(study.sign * values)
    axes.step(numbers, best, where="post", color=ORANGE, label="best so far")
    axes.plot(numbers, values, "o", color=BLUE, markersize=5, label="complete")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(*_range([*values, *(t.curve[-1][1] for t in pruned)]))
    axes.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=9)
    return figure


def curves(study: Study) -> Figure:
    """Draws the first objective over the examples seen, a curve for each trial."""
    figure = new_figure(height=4.3)
    axes = style_axes(figure.subplots(), x="examples seen", y=study.metric)
    shown = [trial for trial in study.trials if trial.curve]
    shown = sorted(shown, key=lambda trial: study.sign * trial.curve[-1][1])[-MOST_CURVES:]
    for trial in shown:
        steps, values = zip(*trial.curve, strict=True)
        ended = trial.state == "complete"
        (line,) = axes.plot(steps, values, color=_color(study, trial), **_weight(study, trial))
        axes.plot(
            steps[-1:], values[-1:], "o" if ended else "x", color=_color(study, trial), markersize=4
        )
        line.set_gid(f"trial-{trial.number}")
    for state, color in {"complete": BLUE, "pruned": GREY, "best": ORANGE}.items():
        axes.plot([], [], color=color, label=state)
    axes.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=9, ncols=3)
    axes.set_xlim(left=0)
    axes.set_ylim(*_range([value for trial in shown for _, value in trial.curve]))
    use_si_prefixes(axes)
    return figure


def importances(study: Study) -> Figure:
    """Draws how much each parameter mattered to the first objective."""
    shares = study.importances
    figure = new_figure(height=1 + 0.32 * len(shares))
    axes = style_axes(figure.subplots(), x=f"share of the differences in {study.metric}")
    positions = range(len(shares))
    axes.barh(positions, list(shares.values()), color=BLUE, height=0.65)
    for position, share in zip(positions, shares.values(), strict=True):
        annotate(axes, f"{share:.0%}", (share, position), color=INK)
    axes.set_yticks(positions, [plain(key) for key in shares], color=INK)
    axes.set(ylim=(len(shares) - 0.4, -0.6), xlim=(0, 1.1 * max(shares.values())))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(visible=False, axis="y")
    return figure


def slices(study: Study) -> Figure:
    """Draws the first objective over each parameter."""
    columns = min(len(study.keys), 3)
    rows = math.ceil(len(study.keys) / columns)
    figure = new_figure(width=3.6 * columns, height=2.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, key in zip(panels, study.keys, strict=False):
        style_axes(axes, x=plain(key), y=study.metric if axes in panels[::columns] else "")
        scale = Scale.of(key, study.trials)
        for trial in study.complete:
            if key in trial.params:
                place, value = scale.place(trial.params[key]), trial.values[0]
                size = 7 if trial.number in study.best else 4
                axes.plot(place, value, "o", color=_color(study, trial), markersize=size)
        axes.set_xlim(-0.06, 1.06)
        axes.set_xticks(*zip(*scale.ticks(4), strict=True), fontsize=8)
    for axes in panels[len(study.keys) :]:
        axes.set_visible(False)
    panels[0].set_ylim(*_range([trial.values[0] for trial in study.complete]))
    return figure


def parallel_coordinates(study: Study) -> Figure:
    """Draws each complete trial as a line over the axes of the parameters and the objective."""
    keys = [study.metric, *study.keys]
    values = [{study.metric: t.values[0], **t.params} for t in study.complete]
    scales = [Scale.of(key, values) for key in keys]
    figure = new_figure(width=max(7.2, 1.7 * len(keys)), height=4.4)
    axes = figure.subplots()
    for trial, row in list(zip(study.complete, values, strict=True))[-MOST_CURVES:]:
        places = [
            s.place(row[key]) if key in row else None for key, s in zip(keys, scales, strict=True)
        ]
        (line,) = axes.plot(
            range(len(keys)), [np.nan if place is None else place for place in places],
            color=_color(study, trial), **_weight(study, trial),
        )  # fmt: skip
        line.set_gid(f"trial-{trial.number}")
    _draw_axes(axes, keys, scales)
    return figure


def timeline(study: Study) -> Figure:
    """Draws when each trial ran, and how it ended."""
    figure = new_figure(height=min(1.4 + 0.16 * len(study.trials), 9))
    axes = style_axes(figure.subplots(), x="minutes since the study began", y="trial")
    first = min(trial.began for trial in study.trials)
    now = max(trial.ended or trial.began for trial in study.trials)
    for trial in study.trials:
        begin, end = (trial.began - first) / 60, ((trial.ended or now) - first) / 60
        color = COLORS.get(trial.state, RED)
        axes.barh(trial.number, end - begin, left=begin, color=color, height=0.7)
    states = dict.fromkeys(trial.state for trial in study.trials)
    for state in states:
        axes.barh(0, 0, color=COLORS.get(state, RED), label=state)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1),
                ncols=len(states))  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(max(trial.number for trial in study.trials) + 0.7, -0.7)
    axes.grid(visible=False, axis="y")
    return figure


def pareto_front(study: Study) -> Figure:
    """Draws the first two objectives of the complete trials."""
    figure = new_figure(height=4.3)
    x, y = list(study.objectives)[1::-1]
    axes = style_axes(figure.subplots(), x=x, y=y)
    for trial in study.complete:
        best = trial.number in study.best
        second, first = trial.values[1], trial.values[0]
        axes.plot(second, first, "o", color=ORANGE if best else BLUE, markersize=6 if best else 4)
    for label, color in {"no other is better in both": ORANGE, "others": BLUE}.items():
        axes.plot([], [], "o", color=color, label=label)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    use_si_prefixes(axes)
    return figure


@dataclass(frozen=True)
class Scale:
    """Where values lie between 0 and 1: numbers by size, perhaps logarithmic, others in order.

    Attributes:
        numbers: the values that occur, rising, if they are numbers.
        is_log: whether numbers are placed by their logarithm.
        names: the values that occur, if they are no numbers.
    """

    numbers: tuple[float, ...] = (0.0,)
    is_log: bool = False
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, rows: Sequence[Any]) -> "Scale":
        """Returns the scale of a key in trials, or in rows that hold it."""
        found = [row.params if isinstance(row, Trial) else row for row in rows]
        values = [row[key] for row in found if key in row]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            return cls(names=tuple(sorted(set(map(str, values)))))
        numbers = tuple(sorted(set(values)))
        return cls(numbers, is_log=0 < 8 * numbers[0] <= numbers[-1])

    def place(self, value: Any) -> float:
        """Returns the place of a value, in [0, 1]."""
        if self.names:
            return (self.names.index(str(value)) + 0.5) / len(self.names)
        low, high = self.numbers[0], self.numbers[-1]
        if low == high:
            return 0.5
        if self.is_log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Returns the places and texts of about as many ticks; of few values, all of them."""
        if self.names:
            return [(self.place(name), plain(_short(name))) for name in self.names]
        values: Sequence[float] = self.numbers
        if len(values) > most:
            low, high = values[0], values[-1]
            locator = LogLocator(subs=(1, 2, 5)) if self.is_log else MaxNLocator(most)
            values = [v for v in locator.tick_values(low, high) if low <= v <= high]
            values = values[:: math.ceil(len(values) / (most + 1)) or 1]
        if len(values) < 2:
            values = sorted({self.numbers[0], self.numbers[-1]})
        return [(self.place(value), _shown(value)) for value in values]


def _draw_axes(axes: Axes, keys: Sequence[str], scales: Sequence[Scale]) -> None:
    """Draws an axis with its ticks for each key, in an area from 0 to 1."""
    style_axes(axes)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.25, len(keys) - 0.6), ylim=(-0.04, 1.04), yticks=[])
    axes.set_xticks(range(len(keys)), [plain(_wrapped(key)) for key in keys], fontsize=9, color=INK)
    axes.tick_params(length=0)
    axes.xaxis.set_minor_locator(NullLocator())
    for place, scale in enumerate(scales):
        axes.axvline(place, color=GREY, linewidth=0.8, zorder=3)
        for height, text in scale.ticks(5):
            axes.plot([place - 0.02, place], [height, height], color=GREY, linewidth=0.8, zorder=3)
            annotate(axes, text, (place, height), offset=(-5, 0), color=INK, size=8, back=True)


def _color(study: Study, trial: Trial) -> str:
    if trial.number in study.best:
        return ORANGE
    return BLUE if trial.state == "complete" else GREY


def _weight(study: Study, trial: Trial) -> dict[str, Any]:
    if trial.number in study.best:
        return {"linewidth": 2.4, "zorder": 2.5}
    return {"linewidth": 1.1, "alpha": 0.55 if trial.state == "complete" else 0.4}


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Returns limits around values that a few far ones do not stretch."""
    low, high = min(values), max(values)
    if len(values) > 10:
        quarter, half, most = np.quantile(values, [0.25, 0.5, 0.75])
        low = max(low, half - 8 * (half - quarter + 1e-9))
        high = min(high, half + 8 * (most - half + 1e-9))
    margin = 0.06 * (high - low) or 0.01
    return low - margin, high + margin


def _shown(value: float) -> str:
    return si_prefixed(value) if abs(value) >= 1000 else f"{value:.3g}"


def _short(text: str, most: int = 14) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _wrapped(key: str) -> str:
    return key.replace(".", ".\n", key.count("."))
