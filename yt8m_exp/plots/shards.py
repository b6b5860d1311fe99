"""Figures of shards: lengths of features, frames, labels, and how both compare with the release."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.plots.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    RED,
    annotate,
    class_label,
    new_figure,
    style_axes,
)

BAR = 0.4
"""The width of a bar of norms; fakes end where a bar does."""


def norms(real: ArrayLike, fake: ArrayLike, step: float, *, known: Sequence[float] = ()) -> Figure:
    """Draws the distribution of L2 norms.

    Args:
        real: videos in each interval, from zero on, (bins,).
        fake: the same of fakes.
        step: the width of an interval.
        known: the norms that 1 %, 50 % and 99 % of the release's videos do not exceed, if known.
    """
    width = max(round(BAR / step), 1)
    starts = np.arange(0, len(np.asarray(real)), width)
    videos, fakes = (np.add.reduceat(np.asarray(counts), starts) for counts in (real, fake))
    last = int(np.flatnonzero(videos + fakes).max(initial=0)) + 1
    left = starts[:last] * step
    figure = new_figure(height=3.4)
    axes = style_axes(figure.subplots(), x="L2 norm of the feature", y="videos")
    bar: dict[str, Any] = {"width": step * width, "align": "edge", "alpha": 0.75}
    axes.bar(left, videos[:last], color=BLUE, **bar)
    if fakes.any():
        axes.bar(left, fakes[:last], color=RED, bottom=videos[:last], label="fakes", **bar)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, labelcolor=INK)
    axes.set_xlim(0, max(left[-1] + step * width, *(1.1 * norm for norm in known), 1))
    top = axes.get_ylim()[1]
    for norm, name in zip(known, ("1 %", "median", "99 % of the release"), strict=False):
        axes.axvline(norm, color=ORANGE, linewidth=1, linestyle=(0, (4, 3)))
        side = -3 if norm == known[-1] else 3
        annotate(axes, name, (norm, top), offset=(side, -6), color=ORANGE, size=8)
    return figure


def deviations(measured: ArrayLike, known: Sequence[float]) -> Figure:
    """Draws the standard deviation of each dimension, beside that of the release.

    Args:
        measured: of each dimension, (D,).
        known: the release's mean in each of as many equal parts of the dimensions; may be empty.
    """
    values = np.asarray(measured)
    figure = new_figure(height=3.4)
    axes = style_axes(figure.subplots(), x="dimension", y="standard deviation")
    axes.plot(values, ".", color=BLUE, alpha=0.5, markersize=3, label="these shards")
    if len(known):
        edges = np.linspace(0, len(values), len(known) + 1)
        axes.stairs(known, edges, color=ORANGE, linewidth=1.8, baseline=None, label="the release")
    axes.set_ylim(0, 1.15 * max(values.max(initial=0), *known, 0.1))
    axes.legend(loc="lower left", frameon=False, labelcolor=INK, ncols=2)
    return figure


def frequencies(
    counts: ArrayLike, expected: ArrayLike, odd: ArrayLike, names: Sequence[str], *, rows: int = 6
) -> Figure:
    """Draws how many videos have each class against how many of the release's would.

    Args:
        counts: of each class, (C,).
        expected: the same of as many videos of the release, (C,).
        odd: the classes that differ by no chance.
        names: of the classes.
        rows: odd classes to name.
    """
    measured, known, far = np.asarray(counts), np.asarray(expected), np.asarray(odd, int)
    figure = new_figure(height=4.8)
    result = f"{np.count_nonzero(measured):,} of {len(measured):,} classes"
    axes = style_axes(
        figure.subplots(),  result=result,
        x="videos expected of the release", y="videos in these shards",
    )  # fmt: skip
    low = max(known[known > 0].min(initial=1), 1e-3)
    ends = [low, max(known.max(), measured.max(), 2) * 1.6]
    shown = np.maximum(measured, 0.5)
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(known, shown, ".", color=BLUE, alpha=0.35, markersize=4, markeredgewidth=0)
    axes.plot(known[far], shown[far], "o", color=RED, markersize=4, markeredgewidth=0)
    for place in _apart(far[np.argsort(-np.abs(measured[far] - known[far]))], shown)[:rows]:
        name = class_label(names[place], place)
        annotate(axes, name, (known[place], shown[place]), offset=(-6, 0), color=RED, size=8)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=(0.4, ends[1]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    annotate(axes, "none", (ends[0], 0.5), offset=(6, 6), size=8)
    return figure


def _apart(places: NDArray, heights: NDArray, *, ratio: float = 1.25) -> list[int]:
    """Leaves out places whose heights are too near to those before them to be named, too."""
    kept: list[int] = []
    for place in places.tolist():
        if all(not 1 / ratio < heights[place] / heights[other] < ratio for other in kept):
            kept.append(place)
    return kept


def frames(counts: ArrayLike) -> Figure:
    """Draws how many frames videos have; `counts` are videos of 0, 1, 2, ... frames."""
    videos = np.asarray(counts)
    figure, axes = _axes_of_counts(videos, "frames of the video", digits=0)
    width = 10 if len(videos) > 60 else 1
    binned = np.add.reduceat(videos, np.arange(0, len(videos), width))
    axes.bar(np.arange(len(binned)) * width, binned, width, align="edge", color=BLUE, alpha=0.75)
    axes.set_xlim(left=0)
    return figure


def labels(counts: ArrayLike) -> Figure:
    """Draws how many labels labelled videos have; `counts` are videos of 0, 1, 2, ... labels."""
    videos = np.where(np.arange(len(np.asarray(counts))) > 0, counts, 0)
    figure, axes = _axes_of_counts(videos, "labels of the video", digits=2)
    axes.bar(np.arange(len(videos)), videos, 0.8, color=BLUE, alpha=0.75)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="x")
    return figure


def _axes_of_counts(videos: NDArray, x: str, *, digits: int) -> tuple[Figure, Axes]:
    """Returns a figure whose axes are those of videos by a count, with the mean of the count."""
    mean = videos @ np.arange(len(videos)) / max(videos.sum(), 1)
    figure = new_figure(height=3.4)
    axes = figure.subplots()
    style_axes(axes, result=f"mean {mean:.{digits}f}", x=x, y="videos")
    return figure, axes
