"""The figures of a study, Optuna's own: one interactive page, and pictures."""

import warnings
from collections.abc import Iterator
from html import escape
from types import ModuleType
from typing import Any

import optuna
from optuna.trial import TrialState

from yt8m_exp.tuning import results

SAYS = {
    "history": "What each trial reached, and the best so far.",
    "intermediate_values": "What trials reported at examples seen; short ones were pruned.",
    "importances": "How much each parameter mattered to the objective (PED-ANOVA).",
    "parallel_coordinates": "Each line is a trial; drag along an axis to pick some.",
    "slices": "The objective over each parameter.",
    "timeline": "When each trial ran, and how it ended.",
    "pareto_front": "Trials that no other is better than in every objective.",
}
MOST_CURVES_NAMED = 10
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;
color:#24292f}}h2{{margin:2.5rem 0 0}}p{{color:#6b7280;margin:0}}</style></head>
<body><h1>{title}</h1>{sections}</body></html>"""


def page(study: optuna.Study) -> str:
    """Returns all figures as one HTML page, which needs no network; empty where there are none."""
    from optuna import visualization

    sections = [
        f"<h2>{name.replace('_', ' ').capitalize()}</h2><p>{SAYS[name]}</p>"
        + figure.to_html(full_html=False, include_plotlyjs=number == 0)
        for number, (name, figure) in enumerate(_drawn(study, visualization))
    ]
    if not sections:
        return ""
    title = escape(f"Study {study.study_name}")
    return PAGE.format(title=title, sections="".join(sections))


def pictures(study: optuna.Study) -> dict[str, Any]:
    """Returns the figures by name as matplotlib's, outside pyplot's global state."""
    import matplotlib
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as visualization

    matplotlib.use("Agg")
    drawn = {}
    with pyplot.rc_context():
        for name, axes in _drawn(study, visualization):
            figure = axes.figure if hasattr(axes, "figure") else axes.flat[0].figure
            pyplot.close(figure)
            if name == "intermediate_values":
                _label_curves(axes, study)
            drawn[name] = figure
    return drawn


def _label_curves(axes: Any, study: optuna.Study) -> None:
    """Names the axes; a legend that is longer than the figure tells nobody which curve is whose."""
    value = (study.metric_names or ["value"])[0]
    axes.set(title=f"Study {study.study_name}", xlabel="examples seen", ylabel=value)
    legend = axes.get_legend()
    if legend and len(legend.get_texts()) > MOST_CURVES_NAMED:
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
        if results.importances(study):
            yield "importances", visualization.plot_param_importances(study, **about)
        yield "parallel_coordinates", visualization.plot_parallel_coordinate(study, **about)
        yield "slices", visualization.plot_slice(study, **about)
        yield "timeline", visualization.plot_timeline(study)


def _first(trial: optuna.trial.FrozenTrial) -> float:
    return trial.values[0]
