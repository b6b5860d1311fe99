"""Figures of a study over its parameters: each alone, and all together."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from yt8m_exp.plots.studies.look import MOST_CURVES, color_of, limits, weight
from yt8m_exp.plots.studies.scales import Scale
from yt8m_exp.plots.studies.trials import Study
from yt8m_exp.plots.style import GREY, INK, annotate, new_figure, plain, style_axes


def slices(study: Study) -> Figure:
    """Draws the first objective over each parameter."""
    columns = min(len(study.keys), 3)
    rows = math.ceil(len(study.keys) / columns)
    figure = new_figure(width=3.6 * columns, height=2.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, key in zip(panels, study.keys, strict=False):
        title = "Each parameter alone" if axes is panels[0] else ""
        style_axes(
            axes, title=title, x=plain(key), y=study.metric if axes in panels[::columns] else ""
        )
        scale = Scale.of(key, study.trials)
        for trial in study.complete:
            if key in trial.params:
                place, value = scale.place(trial.params[key]), trial.values[0]
                size = 7 if trial.number in study.best else 4
                axes.plot(place, value, "o", color=color_of(study, trial), markersize=size)
        axes.set_xlim(-0.06, 1.06)
        axes.set_xticks(*zip(*scale.ticks(4), strict=True), fontsize=8)
    for axes in panels[len(study.keys) :]:
        axes.remove()
    panels[0].set_ylim(*limits([trial.values[0] for trial in study.complete]))
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
            color=color_of(study, trial), **weight(study, trial),
        )  # fmt: skip
        line.set_gid(f"trial-{trial.number}")
    _draw_axes(axes, keys, scales)
    return figure


def _draw_axes(axes: Axes, keys: Sequence[str], scales: Sequence[Scale]) -> None:
    """Draws an axis with its ticks for each key, in an area from 0 to 1."""
    style_axes(axes, title="All parameters together")
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


def _wrapped(key: str) -> str:
    return key.replace(".", ".\n", key.count("."))
