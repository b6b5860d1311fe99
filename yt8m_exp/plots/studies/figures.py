"""Figures of a study: its trials over time, curves, importances, slices, parallel coordinates."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from yt8m_exp.plots.studies.look import COLORS, MOST_CURVES, color_of, legend_above, limits, weight
from yt8m_exp.plots.studies.parameters import parallel_coordinates, slices
from yt8m_exp.plots.studies.trials import Study
from yt8m_exp.plots.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    annotate,
    new_figure,
    plain,
    style_axes,
    use_si_prefixes,
)


def draw(study: Study) -> dict[str, Figure]:
    """Returns the figures of a study by name; none while no trial is complete."""
    if not study.complete:
        return {}
    drawn = {"history": history(study)}
    if len(study.objectives) > 1:
        drawn["pareto_front"] = pareto_front(study)
    elif any(trial.curve for trial in study.trials):
        drawn["curves"] = curves(study)
    if len(study.importances) > 1:
        drawn["importances"] = importances(study)
    drawn["timeline"] = timeline(study)
    if study.keys:
        drawn["slices"] = slices(study)
    if len(study.keys) > 1:
        drawn["parallel_coordinates"] = parallel_coordinates(study)
    return drawn


def history(study: Study) -> Figure:
    """Draws what each trial reached, and the best so far."""
    figure = new_figure(height=4.3)
    axes = style_axes(figure.subplots(), title="Trials", x="trial", y=study.metric)
    pruned = [t for t in study.trials if t.state == "pruned" and t.curve]
    axes.plot(
        [t.number for t in pruned], [t.curve[-1][1] for t in pruned], "o", color=GREY,
        markerfacecolor="none", markersize=5, label="pruned",
    )  # fmt: skip
    done = sorted(study.complete)
    numbers, values = [t.number for t in done], np.array([t.values[0] for t in done])
    best = study.sign * np.maximum.accumulate(study.sign * values)
    axes.step(numbers, best, where="post", color=ORANGE, label="best so far")
    axes.plot(numbers, values, "o", color=BLUE, markersize=5, label="complete")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(*limits([*values, *(t.curve[-1][1] for t in pruned)]))
    legend_above(axes, 3)
    return figure


def curves(study: Study) -> Figure:
    """Draws the first objective over the examples seen, a curve for each trial."""
    figure = new_figure(height=4.3)
    axes = style_axes(figure.subplots(), title="Curves", x="examples seen", y=study.metric)
    shown = [trial for trial in study.trials if trial.curve]
    shown = sorted(shown, key=lambda trial: study.sign * trial.curve[-1][1])[-MOST_CURVES:]
    for trial in shown:
        steps, values = zip(*trial.curve, strict=True)
        ended = trial.state == "complete"
        color = color_of(study, trial)
        (line,) = axes.plot(steps, values, color=color, **weight(study, trial))
        axes.plot(
            steps[-1:],
            values[-1:],
            "o" if ended else "x",
            color=color_of(study, trial),
            markersize=4,
        )
        line.set_gid(f"trial-{trial.number}")
    for state, color in {"complete": BLUE, "pruned": GREY, "best": ORANGE}.items():
        axes.plot([], [], color=color, label=state)
    legend_above(axes, 3)
    axes.set_xlim(left=0)
    axes.set_ylim(*limits([value for trial in shown for _, value in trial.curve]))
    use_si_prefixes(axes)
    return figure


def importances(study: Study) -> Figure:
    """Draws how much each parameter mattered to the first objective."""
    shares = study.importances
    figure = new_figure(height=1 + 0.32 * len(shares))
    axes = style_axes(
        figure.subplots(),
        title="Importance of the parameters",
        x=f"share of the differences in {study.metric}",
    )
    positions = range(len(shares))
    axes.barh(positions, list(shares.values()), color=BLUE, height=0.65)
    for position, share in zip(positions, shares.values(), strict=True):
        annotate(axes, f"{share:.0%}", (share, position), color=INK)
    axes.set_yticks(positions, [plain(key) for key in shares], color=INK)
    axes.set(ylim=(len(shares) - 0.4, -0.6), xlim=(0, 1.1 * max(shares.values())))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(visible=False, axis="y")
    return figure


def timeline(study: Study) -> Figure:
    """Draws when each trial ran, and how it ended."""
    figure = new_figure(height=min(1.4 + 0.16 * len(study.trials), 9))
    axes = style_axes(
        figure.subplots(), title="When trials ran", x="minutes since the study began", y="trial"
    )
    first = min(trial.began for trial in study.trials)
    now = max(trial.ended or trial.began for trial in study.trials)
    for trial in study.trials:
        begin, end = (trial.began - first) / 60, ((trial.ended or now) - first) / 60
        axes.barh(trial.number, end - begin, left=begin, color=COLORS[trial.state], height=0.7)
    states = dict.fromkeys(trial.state for trial in study.trials)
    for state in states:
        axes.barh(0, 0, color=COLORS[state], label=state)
    legend_above(axes, len(states))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(max(trial.number for trial in study.trials) + 0.7, -0.7)
    axes.grid(visible=False, axis="y")
    return figure


def pareto_front(study: Study) -> Figure:
    """Draws the first two objectives of the complete trials."""
    figure = new_figure(height=4.3)
    x, y = list(study.objectives)[1::-1]
    axes = style_axes(figure.subplots(), title="Objectives", x=x, y=y)
    for trial in study.complete:
        best = trial.number in study.best
        second, first = trial.values[1], trial.values[0]
        axes.plot(second, first, "o", color=ORANGE if best else BLUE, markersize=6 if best else 4)
    for label, color in {"no other is better in both": ORANGE, "others": BLUE}.items():
        axes.plot([], [], "o", color=color, label=label)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    use_si_prefixes(axes)
    return figure
