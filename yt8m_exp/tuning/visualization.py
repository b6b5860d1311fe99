"""The figures of a study, drawn by Optuna: one interactive page, and pictures."""

import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import matplotlib
import optuna
from matplotlib import pyplot
from matplotlib.figure import Figure
from optuna.trial import TrialState
from optuna.visualization import matplotlib as still

from yt8m_exp.plots import page
from yt8m_exp.tuning import study_summary

CAPTIONS = {
    "history": "What each trial reached, and the best so far.",
    "intermediate_values": "Values over examples seen; short curves are pruned trials.",
    "importances": "How much each parameter mattered to the objective (PED-ANOVA).",
    "parallel_coordinates": "Each line is a trial; drag along an axis to pick some.",
    "slices": "The objective over each parameter.",
    "timeline": "When each trial ran, and how it ended.",
    "pareto_front": "Trials that no other trial beats in every objective.",
}
MAX_CURVES_NAMED = 10


def html(study: optuna.Study) -> str:
    """Returns all figures as one HTML page; empty where there are none."""
    sections = [
        (name.replace("_", " ").capitalize(), CAPTIONS[name], figure)
        for name, figure in _drawn(study, optuna.visualization)
    ]
    return page.render(f"Study {study.study_name}", sections)


def pictures(study: optuna.Study) -> dict[str, Figure]:
    """Returns the figures by name as matplotlib's, outside pyplot's global state."""
    matplotlib.use("Agg")
    drawn = {}
    with pyplot.rc_context():
        for name, axes in _drawn(study, still):
            figure = axes.figure if hasattr(axes, "figure") else axes.flat[0].figure
            pyplot.close(figure)
            if name == "intermediate_values":
                _label_curves(axes, study)
            drawn[name] = figure
    return drawn


def _label_curves(axes: Any, study: optuna.Study) -> None:
    """Names the axes, and removes a legend that is longer than the figure."""
    value = (study.metric_names or ["value"])[0]
    axes.set(title=f"Study {study.study_name}", xlabel="examples seen", ylabel=value)
    legend = axes.get_legend()
    if legend and len(legend.get_texts()) > MAX_CURVES_NAMED:
        legend.remove()


def _drawn(study: optuna.Study, visualization: ModuleType) -> Iterator[tuple[str, Any]]:
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    several = len(study.directions) > 1
    about: dict[str, Any] = {}
    if study.metric_names:
        about["target_name"] = study.metric_names[0]
    if several:
        about["target"] = _first
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental, and short of trials
        if not complete:
            return
        yield "history", visualization.plot_optimization_history(study, **about)
        if several:
            yield "pareto_front", visualization.plot_pareto_front(study)
        elif any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
            yield "intermediate_values", visualization.plot_intermediate_values(study)
        if study_summary.importances(study):
            yield "importances", visualization.plot_param_importances(study, **about)
        yield "parallel_coordinates", visualization.plot_parallel_coordinate(study, **about)
        yield "slices", visualization.plot_slice(study, **about)
        yield "timeline", visualization.plot_timeline(study)


def _first(trial: optuna.trial.FrozenTrial) -> float:
    return trial.values[0]
