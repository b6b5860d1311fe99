"""Figures of GAP within parts of the videos or of the classes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from yt8m_exp.evaluation.mistakes import Bin
from yt8m_exp.plots.style import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    annotate,
    new_figure,
    si_prefixed,
    style_axes,
)


class Panel(NamedTuple):
    """The parts of one or two models.

    Attributes:
        x: what is counted.
        of: what the parts consist of: videos or classes.
        models: the parts of each model.
    """

    x: str
    of: str
    models: Mapping[str, Sequence[Bin]]


def gap_by(panels: Sequence[Panel]) -> Figure:
    """Draws GAP over parts, a panel each, and how many videos or classes each part has."""
    figure = new_figure(width=5.6 * len(panels), height=3.8)
    columns = figure.subplots(2, len(panels), squeeze=False, sharex="col", height_ratios=[1, 4])
    for panel, above, axes in zip(panels, *columns, strict=True):
        style_axes(above, y=panel.of)
        style_axes(axes, x=panel.x, y="GAP")
        known = {part.first: part for parts in panel.models.values() for part in parts}
        _draw_sizes(above, [known[first].size for first in sorted(known)])
        _draw_gaps(axes, panel.models, sorted(known))
        names = [_label(known[first]) for first in sorted(known)]
        axes.set_xticks(range(len(known)), names, fontsize=8)
    return figure


def _draw_sizes(axes: Axes, sizes: Sequence[int]) -> None:
    axes.bar(range(len(sizes)), sizes, color=FAINT, width=0.8)
    axes.set(yticks=[], ylim=(0, 1.4 * max(sizes, default=1)))
    axes.grid(visible=False)
    for place, size in enumerate(sizes):
        annotate(axes, si_prefixed(size), (place, size), offset=(0, 5), size=7.5, center=True)


def _draw_gaps(axes: Axes, models: Mapping[str, Sequence[Bin]], firsts: Sequence[int]) -> None:
    for (name, parts), color in zip(models.items(), (BLUE, ORANGE), strict=False):
        places = [firsts.index(part.first) for part in parts]
        gaps = [part.gap for part in parts]
        axes.plot(places, gaps, "o-", color=color, label=name, markersize=5)
    if len(models) > 1:
        axes.legend(frameon=False, labelcolor=INK)
    axes.set_ylim(0, 1)


def _label(part: Bin) -> str:
    if part.last is None:
        return f"≥ {si_prefixed(part.first)}"
    if part.last == part.first:
        return str(part.first)
    return f"{si_prefixed(part.first)}-{si_prefixed(part.last)}"
