"""Figures of curves: GAP and loss over the examples seen, precision over recall."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from yt8m_exp.plots.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    PALETTE,
    annotate,
    log_y,
    new_figure,
    plain,
    si_prefixed,
    style_axes,
    use_si_prefixes,
)
from yt8m_exp.spec import InputError

Points = Sequence[tuple[int, float]]
LINES = ("-", "--", ":")
MOST_NAMED = 24
"""Curves of one figure that are told apart; more are too many for a legend."""


def gap_curve(points: Points, *, best: int | None = None, label: str = "GAP") -> Figure:
    """Draws GAP on the validation videos against the examples seen.

    Args:
        points: (examples seen, GAP) of each evaluation, at least one, by rising examples.
        best: Examples seen at the evaluation to mark; by default that of the highest GAP.
        label: Label of the GAP axis.

    Raises:
        InputError: there was no evaluation at `best`.
    """
    seen, gaps = np.array(points, float).T
    at = int(np.argmax(gaps)) if best is None else int(np.argmin(np.abs(seen - best)))
    if best is not None and seen[at] != best:
        raise InputError(
            f"`best` must be an evaluation, but got {best}; the nearest is at {seen[at]:.0f}."
        )
    figure = new_figure()
    result = f"best {gaps[at]:.4f} at {si_prefixed(seen[at])} examples"
    axes = style_axes(figure.subplots(), title="GAP on the validation videos", result=result)
    axes.set(xlabel="examples seen", ylabel=label)
    axes.axhline(gaps[at], color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.plot(seen, gaps, color=BLUE, marker="o", markersize=4 if seen.size <= 40 else 0)
    axes.plot(seen[at], gaps[at], "o", color=ORANGE, markersize=8)
    pad = max(0.1 * float(np.ptp(gaps)), 0.02)
    axes.set_ylim(max(gaps.min() - pad, 0), gaps.max() + pad)
    axes.set_xlim(left=0)
    use_si_prefixes(axes)
    return figure


def gap_curves(points: Mapping[str, Points]) -> Figure:
    """Draws GAP against the examples seen, a curve for each run; the best have their name."""
    figure = new_figure(width=9, height=4.5)
    axes = style_axes(
        figure.subplots(), title="GAP on the validation videos", x="examples seen", y="GAP@20"
    )
    best = sorted(points, key=lambda name: points[name][-1][1], reverse=True)
    named = set(best[:MOST_NAMED])
    if others := best[MOST_NAMED:]:
        axes.add_collection(LineCollection([points[name] for name in others], colors=FAINT))
    for place, name in enumerate(name for name in points if name in named):
        seen, gaps = np.array(points[name], float).T
        color = PALETTE[place % len(PALETTE)]
        dashes = LINES[place // len(PALETTE) % len(LINES)]
        axes.plot(seen, gaps, dashes, color=color, marker="o", markersize=4, label=plain(name))
    axes.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=9)
    axes.autoscale_view()
    axes.set_xlim(left=0)
    use_si_prefixes(axes)
    return figure


def loss_curve(train_points: Points, val_points: Points) -> Figure:
    """Draws the loss on training batches and on the validation videos against the examples seen.

    Args:
        train_points: (examples seen, loss), by rising examples; a running median smooths them.
        val_points: The same for the evaluations. One of the two may be empty, but not both.
    """
    figure = new_figure()
    axes = style_axes(figure.subplots(), title="Loss", x="examples seen", y="loss per video")
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
    use_si_prefixes(axes)
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
    if not x.size:  # nothing was predicted of any video
        x, y, scores = (np.zeros(1) for _ in range(3))
    f1 = 2 * x * y / np.maximum(x + y, 1e-12)
    best = int(np.argmax(f1))
    figure = new_figure()
    result = f"area = GAP {gap:.4f} · best F1 {f1[best]:.3f} at {scores[best]:.2f}"
    axes = style_axes(figure.subplots(), title="Precision and recall, pooled", result=result)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    for level in (0.2, 0.4, 0.6, 0.8):
        line = np.linspace(level / 2 + 1e-3, 1, 200)
        axes.plot(line, level * line / (2 * line - level), color=GREY, linewidth=0.6, alpha=0.4)
        annotate(axes, f"F1 {level:g}", (1, level / (2 - level)))
    axes.fill_between(x, y, color=BLUE, alpha=0.1, linewidth=0)
    axes.plot(x, y, color=BLUE)
    for score in (0.9, 0.7, 0.5, 0.3, 0.1):
        at = int(np.count_nonzero(scores >= score)) - 1
        if at >= 0 and scores[-1] < score:
            axes.plot(x[at], y[at], "o", color=BLUE, markersize=4)
            annotate(axes, f"{score:g}", (x[at], y[at]), offset=(-5, -8), color=BLUE)
    axes.plot(x[best], y[best], "o", color=ORANGE, markersize=8)
    annotate(axes, "dots: score thresholds", (0, 0), offset=(8, 12), color=BLUE)
    return figure
