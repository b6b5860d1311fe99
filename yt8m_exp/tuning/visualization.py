"""A study of Optuna as plain data, for its page and its figures."""

from collections.abc import Callable
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial

from yt8m_exp.plots.studies.trials import Study, Trial
from yt8m_exp.tuning import study_summary

Address = Callable[[str], str | None]


def described(study: optuna.Study, address: Address) -> Study:
    """Returns a study as plain data.

    Args:
        study: the study.
        address: where MLflow shows a run, by its id.
    """
    names = study.metric_names or ["value"]
    trials = study.get_trials(deepcopy=False)
    return Study(
        study.study_name,
        {name: way.name.lower() for name, way in zip(names, study.directions, strict=True)},
        [_described(trial, address) for trial in trials if trial.datetime_start],
        study_summary.importances(study),
        [found["trial"] for found in study_summary.best(study)],
    )


def _described(trial: FrozenTrial, address: Address) -> Trial:
    known = trial.user_attrs
    run_id = known.get("run_id")
    return Trial(
        number=trial.number,
        state=study_summary.state(trial),
        values=trial.values or (),
        params=trial.params,
        curve=sorted(trial.intermediate_values.items()),
        began=_seconds(trial.datetime_start) or 0.0,
        ended=_seconds(trial.datetime_complete),
        examples=known.get("examples", 0),
        reason=known.get("reason", ""),
        address=address(run_id) if run_id else None,
    )


def _seconds(time: datetime | None) -> float | None:
    return time.timestamp() if time else None
