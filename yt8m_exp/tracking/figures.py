"""The figures that a run keeps: how it learned, and which classes it knows.

Plain arrays go in, a matplotlib `Figure` or a DataFrame comes out; nothing global is touched.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

BLUE, ORANGE, GREEN, RED = "#2563a8", "#d9762b", "#3a8f5c", "#b8403a"
INK, GREY, FAINT = "#24292f", "#6b7280", "#dfe3e8"
Points = Sequence[tuple[int, float]]
_SIZE = (7.2, 4.3)  # inches; at 150 dots an inch it fills a page's width


def gap_curve(points: Points, *, best: int | None = None) -> Figure:
    """Draws GAP on the validation videos against the examples seen.

    Args:
        points: (examples seen, GAP) of each evaluation, at least one, by rising examples.
        best: Examples seen at the evaluation to mark; by default that of the highest GAP.

    Raises:
        ValueError: `best` is no evaluation.
    """
    seen, gaps = np.array(points, float).T
    at = int(np.argmax(gaps)) if best is None else int(np.argmin(np.abs(seen - best)))
    if best is not None and seen[at] != best:
        raise ValueError(f"`best` must be one of the points, but got {best}, nearest {seen[at]}.")
    figure = _figure()
    axes = _axes(figure, "GAP on the validation videos", "examples seen", "GAP@20")
    axes.plot(seen, gaps, color=BLUE, marker="o", markersize=4 if seen.size <= 40 else 0)
    axes.axhline(gaps[at], color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.plot(seen[at], gaps[at], "o", color=ORANGE, markersize=8)
    axes.set_title(f"best {gaps[at]:.4f} at {_engineered(seen[at])} examples", **_RIGHT)
    span = max(float(np.ptp(gaps)), 1e-3)
    axes.set_ylim(max(gaps.min() - 0.1 * span, 0), gaps.max() + 0.1 * span)
    axes.set_xlim(left=0)
    return figure


def loss_curve(train_points: Points, val_points: Points) -> Figure:
    """Draws the loss on training batches and on the validation videos against the examples seen.

    Args:
        train_points: (examples seen, loss), by rising examples; a smooth line is drawn over many.
        val_points: The same of the evaluations; may be empty.
    """
    figure = _figure()
    axes = _axes(figure, "Loss", "examples seen", "loss per video")
    seen, losses = np.array(train_points, float).reshape(-1, 2).T
    window = max(losses.size // 50, 1)
    axes.plot(seen, losses, color=BLUE, alpha=0.3 if window > 1 else 1, linewidth=1)
    if window > 1:
        smooth = pd.Series(losses).rolling(window, min_periods=1, center=True).median()
        axes.plot(seen, smooth, color=BLUE)
    axes.plot([], [], color=BLUE, label="training batches")
    if val_points:
        axes.plot(
            *np.array(val_points, float).T, "o-", color=ORANGE, markersize=4, label="validation"
        )
    axes.legend(frameon=False, labelcolor=INK)
    values = np.append(losses, [loss for _, loss in val_points])
    if values.min() > 0 and values.max() > 10 * values.min():  # the first steps dwarf the rest
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(left=0)
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
    precision, recall, threshold = map(np.asarray, (precision, recall, threshold))
    figure = _figure()
    axes = _axes(figure, "Precision and recall, all classes pooled", "recall", "precision")
    _draw_equal_f1(axes)
    axes.fill_between(recall, precision, color=BLUE, alpha=0.10, linewidth=0)
    axes.plot(recall, precision, color=BLUE)
    for score in (0.9, 0.7, 0.5, 0.3, 0.1):
        at = int(np.searchsorted(-threshold, -score, side="right")) - 1
        if at >= 0 and threshold[-1] < score:
            axes.plot(recall[at], precision[at], "o", color=BLUE, markersize=4)
            _note(axes, f"{score:g}", (recall[at], precision[at]), (-5, -5), color=BLUE, ha="right")
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    at = int(np.argmax(f1))
    axes.plot(recall[at], precision[at], "o", color=ORANGE, markersize=8)
    text = f"best F1 {f1[at]:.3f}\nat scores from {threshold[at]:.2f}"
    _note(axes, text, (recall[at], precision[at]), (10, 4), color=ORANGE)
    axes.set_title(f"area: GAP {gap:.4f}", **_RIGHT)
    _note(axes, "dots: score thresholds", (0, 0), (8, 8), color=BLUE)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    return figure


def ap_by_frequency(ap: ArrayLike, counts: ArrayLike) -> Figure:
    """Draws each class' average precision against its frequency, and how many classes are where.

    Args:
        ap: Average precision of each class, NaN where unknown, (C,).
        counts: Videos that have the class, in training or in the evaluation, (C,).
    """
    ap, counts = np.asarray(ap, float), np.asarray(counts)
    known = ~np.isnan(ap) & (counts > 0)
    ap, counts = ap[known], counts[known]
    figure = _figure()
    above, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 5])
    _dress(above, "Average precision by frequency of the class", "", "classes")
    _dress(axes, "", "videos with the class", "average precision")
    above.set_title(f"{ap.size:,} classes, mean {ap.mean():.3f}", **_RIGHT)
    edges = _half_decades(counts)
    above.hist(counts, bins=edges, color=FAINT, edgecolor="white")
    axes.plot(counts, ap, ".", color=BLUE, alpha=0.25, markersize=4, markeredgewidth=0)
    middles, quartiles = _quartiles(ap, np.digitize(counts, edges), edges)
    axes.fill_between(
        middles, quartiles[:, 0], quartiles[:, 2], color=ORANGE, alpha=0.2, linewidth=0
    )
    axes.plot(
        middles, quartiles[:, 1], "o-", color=ORANGE, markersize=5, label="median and quartiles"
    )
    axes.legend(frameon=False, labelcolor=INK, loc="lower right")
    axes.set(xscale="log", xlim=(edges[0], edges[-1]), ylim=(-0.02, 1.02))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    return figure


def class_table(
    ap: ArrayLike,
    positives: ArrayLike,
    names: Sequence[str],
    *,
    rows: int = 20,
    least_positives: int = 10,
) -> pd.DataFrame:
    """Lists the best and the worst classes, best first.

    Args:
        ap: Average precision of each class, (C,).
        positives: Videos that have the class, (C,).
        names: Names of the classes; neither complete nor distinct.
        rows: Classes of each group.
        least_positives: Classes with fewer are left out, as chance decides there.

    Returns:
        Columns `class_id`, `name`, `positives`, `ap`, `group` ("best" or "worst").
    """
    table = pd.DataFrame({"name": names, "positives": np.asarray(positives), "ap": np.asarray(ap)})
    table = table.rename_axis("class_id").reset_index()
    table = table[table["ap"].notna() & (table["positives"] >= least_positives)]
    table = table.sort_values(["ap", "positives"], ascending=False, kind="stable")
    half = min(rows, (len(table) + 1) // 2)
    best, worst = table.head(half), table.iloc[half:].tail(rows)
    return pd.concat([best.assign(group="best"), worst.assign(group="worst")], ignore_index=True)


def class_chart(table: pd.DataFrame) -> Figure:
    """Draws what `class_table` returned as two columns of bars.

    A class is shown as `name (index)`, as names are not distinct.
    """
    figure = _figure()
    longest = max(table["group"].value_counts().max(), 5) if len(table) else 5
    figure.set_size_inches(11, 1.1 + 0.24 * longest)
    panels = zip(figure.subplots(1, 2), (("best", GREEN), ("worst", RED)), strict=True)
    for axes, (group, color) in panels:
        _dress(axes, f"The {group} classes", "average precision", "")
        _draw_bars(axes, table[table["group"] == group], color)
        axes.set_ylim(longest - 0.4, -0.6)
    return figure


_RIGHT: dict = {"loc": "right", "fontsize": 10, "color": ORANGE, "pad": 10}


def _figure() -> Figure:
    return Figure(figsize=_SIZE, dpi=150, layout="constrained", facecolor="white")


def _axes(figure: Figure, title: str, x: str, y: str) -> Axes:
    axes = figure.subplots()
    _dress(axes, title, x, y)
    if x == "examples seen":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    return axes


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(x, color=GREY)
    axes.set_ylabel(y, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(color=FAINT, labelcolor=GREY, which="both")
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _note(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    offset: tuple[float, float],
    *,
    color: str,
    ha: str = "left",
) -> None:
    axes.annotate(
        text,
        at,
        offset,
        textcoords="offset points",
        color=color,
        ha=ha,
        fontsize=9,
        va="bottom" if offset[1] > 0 else "top",
    )


def _engineered(value: float) -> str:
    return EngFormatter(places=2, sep="")(value)


def _draw_equal_f1(axes: Axes) -> None:
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / 2 + 1e-3, 1, 200)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color=GREY, linewidth=0.6, alpha=0.5)
        _note(axes, f"F1 {f1:g}", (1, f1 / (2 - f1)), (-2, 2), color=GREY, ha="right")


def _half_decades(counts: NDArray) -> NDArray:
    low, high = np.log10(counts.min()), np.log10(counts.max())
    first, last = np.floor(2 * low), np.floor(2 * high) + 1
    return 10 ** (np.arange(first, last + 1) / 2)


def _quartiles(ap: NDArray, bins: NDArray, edges: NDArray) -> tuple[NDArray, NDArray]:
    """Middles of the bins that hold a class, and the quartiles there, (bins, 3)."""
    filled = np.unique(bins)
    quartiles = [np.quantile(ap[bins == i], [0.25, 0.5, 0.75]) for i in filled]
    return np.sqrt(edges[filled - 1] * edges[filled]), np.array(quartiles)


def _draw_bars(axes: Axes, rows: pd.DataFrame, color: str) -> None:
    places = np.arange(len(rows))
    axes.barh(places, rows["ap"], color=color, height=0.72)
    for place, value, positives in zip(places, rows["ap"], rows["positives"], strict=True):
        text = f"{value:.3f} of {positives:,}"
        axes.annotate(
            text, (value, place), (4, 0), textcoords="offset points", va="center", fontsize=7
        )
    names = zip(rows["name"], rows["class_id"], strict=True)
    axes.yaxis.set_major_locator(FixedLocator(places))
    axes.set_yticklabels(
        [_label(name, class_id) for name, class_id in names], fontsize=8, color=INK
    )
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1.2)


def _label(name: str, class_id: int, *, longest: int = 30) -> str:
    shown = name if len(name) <= longest else name[: longest - 1] + "…"
    return f"{shown} ({class_id})".strip().replace("$", r"\$")  # no formulas
