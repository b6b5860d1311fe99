"""Figures and tables of classes: average precision by frequency, the best and the worst."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    annotate,
    class_label,
    new_figure,
    plain,
    style_axes,
    use_si_prefixes,
)


def ap_by_frequency(ap: ArrayLike, counts: ArrayLike, *, of: str = "training") -> Figure:
    """Draws the average precision of each class over its frequency, and a histogram of classes.

    Classes without a video are drawn in a strip at the left.

    Args:
        ap: Average precision of each class, NaN if unknown, (C,).
        counts: Videos that have the class, (C,).
        of: Which videos these are: training or evaluation.
    """
    values, videos = np.asarray(ap, float), np.asarray(counts, float)
    known = ~np.isnan(values)
    values, videos = values[known], videos[known]
    edges = _half_decades(videos[videos > 0])
    unseen = edges[0] / 10**0.25  # the middle of a bin of its own
    if (videos == 0).any():
        edges = np.append(edges[0] / 10**0.5, edges)
        videos = np.where(videos > 0, videos, unseen)
    middles, (low, median, high) = _quartiles(values, videos, np.digitize(videos, edges))
    figure = new_figure()
    above, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 5])
    result = f"{values.size:,} classes, mean {values.sum() / max(values.size, 1):.3f}"
    style_axes(
        above, title="Average precision by frequency of the class", result=result, y="classes"
    )
    above.hist(videos, bins=edges, color=FAINT, edgecolor="white")
    style_axes(axes, x=f"{of} videos with the class", y="average precision")
    if (videos == unseen).any():
        axes.axvspan(*edges[:2], color=FAINT, alpha=0.5, linewidth=0)
        annotate(axes, "no video", (edges[0], 1.02), offset=(0, 6), size=7.5)
    axes.plot(videos, values, ".", color=BLUE, alpha=0.25, markersize=4, markeredgewidth=0)
    axes.fill_between(middles, low, high, color=ORANGE, alpha=0.2, linewidth=0)
    axes.plot(middles, median, "o-", color=ORANGE, markersize=5, label="median and quartiles")
    axes.legend(loc="lower right", frameon=False, labelcolor=INK)
    axes.set(xscale="log", xlim=(edges[0] / 1.1, edges[-1]), ylim=(-0.02, 1.02))
    use_si_prefixes(axes)
    axes.xaxis.set_minor_locator(NullLocator())  # each tick takes more than a millisecond
    return figure


def class_table(
    ap: ArrayLike,
    positives: ArrayLike,
    names: Sequence[str],
    *,
    rows: int = 20,
    min_positives: int = 10,
) -> pd.DataFrame:
    """Lists the best classes, best first, and the worst, worst first.

    Args:
        ap: Average precision of each class, (C,).
        positives: Videos that have the class, (C,).
        names: Names of the classes; some may be empty or repeated.
        rows: Most classes of each group.
        min_positives: Classes with fewer positives are left out, because their value is chance.

    Returns:
        Columns `class_id`, `name`, `positives`, `ap`, `group` ("best" or "worst").
    """
    table = pd.DataFrame({"name": names, "positives": np.asarray(positives), "ap": np.asarray(ap)})
    table = table.rename_axis("class_id").reset_index()
    table = table[table["ap"].notna() & (table["positives"] >= min_positives)]
    table = table.sort_values(["ap", "positives"], ascending=False, kind="stable")
    half = min(rows, (len(table) + 1) // 2)
    best, worst = table.head(half), table.iloc[half:].tail(rows)[::-1]
    return pd.concat([best.assign(group="best"), worst.assign(group="worst")], ignore_index=True)


def class_chart(table: pd.DataFrame) -> Figure:
    """Draws what `class_table` returned as two columns of bars.

    A class is shown as `name (id)`, because names may be repeated.
    """
    longest = max((len(rows) for _, rows in table.groupby("group")), default=1)
    figure = new_figure(width=11, height=1.2 + 0.24 * longest)
    colors = {"best": GREEN, "worst": RED}
    for axes, group in zip(figure.subplots(1, 2), colors, strict=True):
        style_axes(axes, title=f"The {group} classes", x="average precision")
        axes.set_title("videos", loc="right", fontsize=8, color=GREY, y=1)
        _draw_bars(axes, table[table["group"] == group], colors[group])
        axes.set(xlim=(0, 1.25), ylim=(longest - 0.4, -0.6), xticks=np.arange(6) / 5)
    return figure


def _draw_bars(axes: Axes, rows: pd.DataFrame, color: str) -> None:
    positions = range(len(rows))
    axes.barh(positions, rows["ap"], color=color, height=0.72)
    for position, value, positives in zip(positions, rows["ap"], rows["positives"], strict=True):
        annotate(axes, f"{value:.3f}", (value, position), color=INK, size=7.5)
        annotate(axes, f"{positives:,}", (1.25, position), offset=(-0.1, 0), size=7.5)
    for text in axes.texts:
        text.set_in_layout(False)  # all are within the axes: no room has to be found for them
    names = zip(rows["name"], rows["class_id"], strict=True)
    labels = [plain(class_label(name, class_id)) for name, class_id in names]
    axes.set_yticks(positions, labels, fontsize=8, color=INK)
    axes.yaxis.set_label_coords(0, 0.5)  # no label is there; without a place one is searched for
    axes.grid(visible=False, axis="y")


def _half_decades(counts: NDArray) -> NDArray:
    bounds = [counts.min(), counts.max()] if counts.size else [1, 1]
    first, last = np.floor(2 * np.log10(bounds))
    return 10 ** (np.arange(first, last + 2) / 2)


def _quartiles(ap: NDArray, videos: NDArray, bins: NDArray) -> tuple[NDArray, NDArray]:
    """Geometric mean of the videos in each bin that holds a class, and quartiles, (3, bins)."""
    filled = [bins == place for place in np.unique(bins)]
    quartiles = [np.quantile(ap[rows], [0.25, 0.5, 0.75]) for rows in filled]
    middles = [np.exp(np.mean(np.log(videos[rows]))) for rows in filled]
    return np.array(middles), np.reshape(quartiles, (-1, 3)).T
