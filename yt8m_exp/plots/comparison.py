"""The figures of a decision between two models."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    new_figure,
    plain,
    style_axes,
    use_si_prefixes,
)

Curve = tuple[str, NDArray, NDArray, float]
"""Name, recall, precision and GAP of a model."""


def precision_recall(curves: Sequence[Curve]) -> Figure:
    """Draws precision against recall of all predictions pooled, one curve for each model.

    Args:
        curves: one for each model, the champion's first.
    """
    figure = new_figure()
    axes = style_axes(
        figure.subplots(), title="Precision and recall, pooled", x="recall", y="precision"
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    for (name, recall, precision, gap), color in zip(
        curves, (BLUE, ORANGE)[-len(curves) :], strict=True
    ):
        axes.plot(recall, precision, color=color, label=f"{name}, GAP {gap:.4f}")
    axes.legend(loc="lower left", frameon=False, labelcolor=INK)
    return figure


def gain(draws: ArrayLike, measured: float, interval: tuple[float, float]) -> Figure:
    """Draws a histogram of the gain in GAP over the draws of a bootstrap.

    Args:
        draws: the gain of each draw, (R,).
        measured: the gain on all videos.
        interval: confidence interval of the gain.
    """
    figure = new_figure(height=3.4)
    result = f"{measured:+.4f}, between {interval[0]:+.4f} and {interval[1]:+.4f}"
    axes = style_axes(
        figure.subplots(), title="Gain of GAP", result=result, x="gain of GAP", y="draws of videos"
    )
    axes.hist(np.asarray(draws), bins=60, color=FAINT, edgecolor="white")
    axes.axvspan(*interval, color=BLUE, alpha=0.12, linewidth=0)
    axes.axvline(measured, color=ORANGE)
    axes.axvline(0, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    return figure


def by_class(
    gains: ArrayLike,
    bounds: ArrayLike,
    positives: ArrayLike,
    names: Sequence[str],
    *,
    rows: int = 15,
) -> Figure:
    """Draws the gain of classes in average precision: all, and those that change most.

    Args:
        gains: gain of each class, (W,).
        bounds: how much each class may differ by chance alone, (W,).
        positives: videos that have the class, (W,).
        names: names to show for the classes.
        rows: classes to name on each side.
    """
    values, chance, videos = (np.asarray(array, float) for array in (gains, bounds, positives))
    order = np.argsort(values, kind="stable")
    shown = np.unique(np.concatenate([order[:rows], order[-rows:]]))
    shown = shown[np.argsort(values[shown], kind="stable")]
    figure = new_figure(width=11, height=1.6 + 0.2 * max(shown.size, 14))
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    result = f"{(values > 0).sum()} better, {(values < 0).sum()} worse"
    title, gain = "Average precision by class", "gain in average precision"
    style_axes(left, title=title, result=result, x="videos with the class", y=gain)
    color = np.where(np.abs(values) <= chance, GREY, np.where(values > 0, GREEN, RED))
    left.scatter(videos, values, c=color.tolist(), s=12, alpha=0.7, linewidths=0)
    left.axhline(0, color=GREY, linewidth=0.8)
    left.set_xscale("log")
    use_si_prefixes(left)
    style_axes(right, title="Most changed", x=f"{gain}; whiskers: chance")
    positions = np.arange(shown.size)
    right.barh(
        positions, values[shown], xerr=chance[shown], color=color[shown].tolist(), ecolor=FAINT
    )
    right.set_yticks(positions, [plain(names[i]) for i in shown], fontsize=8, color=INK)
    right.grid(visible=False, axis="y")
    return figure
