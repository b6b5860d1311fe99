"""How trials look in figures: colors, weights, limits of axes, legends."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from yt8m_exp.plots.studies.trials import Study, Trial
from yt8m_exp.plots.style import BLUE, FAINT, GREEN, GREY, INK, ORANGE, PURPLE, RED

COLORS = {
    "complete": BLUE,
    "pruned": GREY,
    "infeasible": PURPLE,
    "fail": RED,
    "requeued": FAINT,
    "running": GREEN,
}
MOST_CURVES = 200
"""Trials that are drawn as curves: the best of them."""


def color_of(study: Study, trial: Trial) -> str:
    """Returns the color of a trial: the best stands out."""
    if trial.number in study.best:
        return ORANGE
    return BLUE if trial.state == "complete" else GREY


def weight(study: Study, trial: Trial) -> dict[str, Any]:
    """Returns how heavy the line of a trial is."""
    if trial.number in study.best:
        return {"linewidth": 2.4, "zorder": 2.5}
    return {"linewidth": 1.1, "alpha": 0.55 if trial.state == "complete" else 0.4}


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Returns limits around values that a few far ones do not stretch."""
    low, high = min(values), max(values)
    if len(values) > 10:
        quarter, half, most = np.quantile(values, [0.25, 0.5, 0.75])
        low = max(low, half - 8 * (half - quarter + 1e-9))
        high = min(high, half + 8 * (most - half + 1e-9))
    margin = 0.06 * (high - low) or 0.01
    return low - margin, high + margin


def legend_above(axes: Axes, columns: int) -> None:
    """Names what is drawn above it, right of the title, where it hides nothing."""
    axes.legend(
        frameon=False,
        labelcolor=INK,
        fontsize=9,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=columns,
    )
