"""The figures that a run keeps: how it learned, and which classes it knows.

Plain arrays go in, a matplotlib `Figure` or a DataFrame comes out; nothing global is touched.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.tracking.drawing import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    dress,
    engineer_x,
    engineered,
    log_y,
    new_figure,
    note,
)

Points = Sequence[tuple[int, float]]


def gap_curve(points: Points, *, best: int | None = None, label: str = "GAP") -> Figure:
    """Draws GAP on the validation videos against the examples seen.

    Args:
        points: (examples seen, GAP) of each evaluation, at least one, by rising examples.
        best: Examples seen at the evaluation to mark; by default that of the highest GAP.
        label: Of the axis of GAP.

    Raises:
        ValueError: `best` is no evaluation.
    """
    seen, gaps = np.array(points, float).T
    at = int(np.argmax(gaps)) if best is None else int(np.argmin(np.abs(seen - best)))
    if best is not None and seen[at] != best:
        raise ValueError(
            f"`best` must be an evaluation, but got {best}; the nearest is at {seen[at]:.0f}."
        )
    figure = new_figure()
    result = f"best {gaps[at]:.4f} at {engineered(seen[at])} examples"
    axes = dress(figure.subplots(), title="GAP on the validation videos", result=result)
    axes.set(xlabel="examples seen", ylabel=label)
    axes.axhline(gaps[at], color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.plot(seen, gaps, color=BLUE, marker="o", markersize=4 if seen.size <= 40 else 0)
    axes.plot(seen[at], gaps[at], "o", color=ORANGE, markersize=8)
    pad = max(0.1 * float(np.ptp(gaps)), 0.02)
    axes.set_ylim(max(gaps.min() - pad, 0), gaps.max() + pad)
    axes.set_xlim(left=0)
    engineer_x(axes)
    return figure


def loss_curve(train_points: Points, val_points: Points) -> Figure:
    """Draws the loss on training batches and on the validation videos against the examples seen.

    Args:
        train_points: (examples seen, loss), by rising examples; many get a running median.
        val_points: The same of the evaluations. Either may be empty, not both.
    """
    figure = new_figure()
    axes = dress(figure.subplots(), title="Loss", x="examples seen", y="loss per video")
    seen, losses = np.array(train_points, float).reshape(-1, 2).T
    window = max(losses.size // 50, 1)
    smooth = pd.Series(losses).rolling(window, min_periods=1, center=True).median()
    axes.plot(seen, losses, color=BLUE, alpha=0.3, linewidth=1)
    axes.plot(seen, smooth, color=BLUE, label="training batches")
    tested, val_losses = np.array(val_points, float).reshape(-1, 2).T
    axes.plot(tested, val_losses, "o-", color=ORANGE, markersize=4, label="validation")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=INK)
    values = np.append(losses, val_losses)
    if 0 < 10 * values.min() < values.max():  # the first steps dwarf the rest
        log_y(axes)
    axes.set_xlim(left=0)
    engineer_x(axes)
    return figure


def precision_recall(
    precision: ArrayLike, recall: ArrayLike, threshold: ArrayLike, *, gap: float
) -> Figure:
    """Draws precision against recall of all predictions pooled; GAP is the area under the curve.

    Args:
        precision: Precision where the score is at least the threshold, (points,).
        recall: Recall there, rising.
        threshold: The scores, falling.
        gap: GAP of the same predictions.
    """
    x, y, scores = np.asarray(recall), np.asarray(precision), np.asarray(threshold)
    f1 = 2 * x * y / np.maximum(x + y, 1e-12)
    best = int(np.argmax(f1))
    figure = new_figure()
    result = f"area = GAP {gap:.4f} · best F1 {f1[best]:.3f} at {scores[best]:.2f}"
    axes = dress(figure.subplots(), title="Precision and recall, pooled", result=result)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    for level in (0.2, 0.4, 0.6, 0.8):
        line = np.linspace(level / 2 + 1e-3, 1, 200)
        axes.plot(line, level * line / (2 * line - level), color=GREY, linewidth=0.6, alpha=0.4)
        note(axes, f"F1 {level:g}", (1, level / (2 - level)))
    axes.fill_between(x, y, color=BLUE, alpha=0.1, linewidth=0)
    axes.plot(x, y, color=BLUE)
    for score in (0.9, 0.7, 0.5, 0.3, 0.1):
        at = int(np.count_nonzero(scores >= score)) - 1
        if at >= 0 and scores[-1] < score:
            axes.plot(x[at], y[at], "o", color=BLUE, markersize=4)
            note(axes, f"{score:g}", (x[at], y[at]), offset=(-5, -8), color=BLUE)
    axes.plot(x[best], y[best], "o", color=ORANGE, markersize=8)
    note(axes, "dots: score thresholds", (0, 0), offset=(8, 12), color=BLUE)
    return figure


def ap_by_frequency(ap: ArrayLike, counts: ArrayLike, *, of: str = "training") -> Figure:
    """Draws each class' average precision against its frequency, and how many classes are where.

    Classes without a video are drawn in a strip at the left.

    Args:
        ap: Average precision of each class, NaN where unknown, (C,).
        counts: Videos that have the class, (C,).
        of: What the videos are of: training, evaluation.
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
    dress(above, title="Average precision by frequency of the class", result=result, y="classes")
    above.hist(videos, bins=edges, color=FAINT, edgecolor="white")
    dress(axes, x=f"{of} videos with the class", y="average precision")
    if (videos == unseen).any():
        axes.axvspan(*edges[:2], color=FAINT, alpha=0.5, linewidth=0)
        note(axes, "no video", (edges[0], 1.02), offset=(0, 6), size=7.5)
    axes.plot(videos, values, ".", color=BLUE, alpha=0.25, markersize=4, markeredgewidth=0)
    axes.fill_between(middles, low, high, color=ORANGE, alpha=0.2, linewidth=0)
    axes.plot(middles, median, "o-", color=ORANGE, markersize=5, label="median and quartiles")
    axes.legend(loc="lower right", frameon=False, labelcolor=INK)
    axes.set(xscale="log", xlim=(edges[0] / 1.1, edges[-1]), ylim=(-0.02, 1.02))
    engineer_x(axes)
    return figure


def class_table(
    ap: ArrayLike,
    positives: ArrayLike,
    names: Sequence[str],
    *,
    rows: int = 20,
    least_positives: int = 10,
) -> pd.DataFrame:
    """Lists the best classes, best first, and the worst, worst first.

    Args:
        ap: Average precision of each class, (C,).
        positives: Videos that have the class, (C,).
        names: Names of the classes; neither complete nor distinct.
        rows: Classes of each group, fewer if there are not as many.
        least_positives: Classes with fewer are left out, as chance decides there.

    Returns:
        Columns `class_id`, `name`, `positives`, `ap`, `group` ("best" or "worst").
    """
    table = pd.DataFrame({"name": names, "positives": np.asarray(positives), "ap": np.asarray(ap)})
    table = table.rename_axis("class_id").reset_index()
    table = table[table["ap"].notna() & (table["positives"] >= least_positives)]
    table = table.sort_values(["ap", "positives"], ascending=False, kind="stable")
    half = min(rows, (len(table) + 1) // 2)
    best, worst = table.head(half), table.iloc[half:].tail(rows)[::-1]
    return pd.concat([best.assign(group="best"), worst.assign(group="worst")], ignore_index=True)


def class_chart(table: pd.DataFrame) -> Figure:
    """Draws what `class_table` returned as two columns of bars.

    A class is shown as `name (index)`, as names are not distinct.
    """
    longest = max((len(rows) for _, rows in table.groupby("group")), default=1)
    figure = new_figure(width=11, height=1.2 + 0.24 * longest)
    colors = {"best": GREEN, "worst": RED}
    for axes, group in zip(figure.subplots(1, 2), colors, strict=True):
        dress(axes, title=f"The {group} classes", x="average precision")
        axes.set_title("videos", loc="right", fontsize=8, color=GREY)
        _draw_bars(axes, table[table["group"] == group], colors[group])
        axes.set(xlim=(0, 1.25), ylim=(longest - 0.4, -0.6), xticks=np.arange(6) / 5)
    return figure


def _draw_bars(axes: Axes, rows: pd.DataFrame, color: str) -> None:
    places = range(len(rows))
    axes.barh(places, rows["ap"], color=color, height=0.72)
    for place, value, positives in zip(places, rows["ap"], rows["positives"], strict=True):
        note(axes, f"{value:.3f}", (value, place), color=INK, size=7.5)
        note(axes, f"{positives:,}", (1.25, place), offset=(-0.1, 0), size=7.5)
    names = zip(rows["name"], rows["class_id"], strict=True)
    labels = [_label(name, class_id) for name, class_id in names]
    axes.set_yticks(places, labels, fontsize=8, color=INK)
    axes.grid(visible=False, axis="y")


def _label(name: str, class_id: int, *, longest: int = 32) -> str:
    shown = name if len(name) <= longest else name[: longest - 1] + "…"
    return f"{shown} ({class_id})".strip().replace("$", r"\$")  # no formulas


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
