"""The results of a study as plain data: its best trials, its counts, its description."""

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from yt8m_exp.tracking.pages import cards
from yt8m_exp.tuning.study import is_counted, is_infeasible

MAX_ROWS = 10


def best(study: optuna.Study) -> list[dict[str, Any]]:
    """Returns the best trial, or the Pareto front, sorted by the first objective.

    Each entry has the `trial`'s number, its `value` (a list where there are several objectives),
    its `params`, `run_id` and `model_uri`. The list is empty while no trial is complete.
    """
    if not study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        return []
    if len(study.directions) == 1:
        return [_described(study.best_trial)]
    falling = study.directions[0] == optuna.study.StudyDirection.MAXIMIZE
    front = sorted(study.best_trials, key=lambda trial: trial.values[0], reverse=falling)
    return [_described(trial) for trial in front]


def importances(study: optuna.Study) -> dict[str, float]:
    """Returns how much each parameter mattered to the first objective, in falling order.

    By PED-ANOVA (Watanabe et al., "PED-ANOVA", 2023, https://arxiv.org/abs/2304.10255). Empty where
    too few trials are complete to tell.
    """
    target = (lambda trial: trial.values[0]) if len(study.directions) > 1 else None
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # how Optuna says that it cannot tell
        try:
            found = optuna.importance.get_param_importances(study, target=target)
        except (ValueError, RuntimeError, UserWarning):
            return {}
    return {name: float(value) for name, value in found.items()}


def count_by_state(study: optuna.Study) -> dict[str, int]:
    """Returns the number of trials by state; `requeued` ones were queued again as another."""
    return dict(sorted(Counter(map(state, study.get_trials(deepcopy=False))).items()))


def last_reasons(study: optuna.Study) -> dict[str, str]:
    """Returns why the last trial of each state ended early, by the states of `count_by_state`."""
    trials = study.get_trials(deepcopy=False)
    reasons = {state(trial): trial.user_attrs.get("reason") for trial in trials}
    return {state: str(reason) for state, reason in reasons.items() if reason}


def state(trial: FrozenTrial) -> str:
    """Returns how a trial stands, in a word."""
    if is_infeasible(trial):
        return "infeasible"
    return "requeued" if _repeated(trial) else trial.state.name.lower()


def finished(study: optuna.Study) -> int:
    """Returns how many trials count to a study's total."""
    return sum(map(is_counted, study.get_trials(deepcopy=False)))


def progress(study: optuna.Study) -> dict[str, float]:
    """Returns the best value, as `best/...`, and the examples that all trials have seen."""
    trials = study.get_trials(deepcopy=False)
    examples = sum(trial.user_attrs.get("examples", 0) for trial in trials if not _repeated(trial))
    metrics, found = {"study/examples": float(examples)}, best(study)
    if found and len(study.directions) == 1:
        metrics[f"best/{study.metric_names[0]}"] = found[0]["value"]  # type: ignore[index]
    return metrics


def note(study: optuna.Study, description: str) -> str:
    """Returns the description of a study's run: its best trials and its purpose, in Markdown.

    The results come first: MLflow's page of a run shows five lines, and the others on request.
    """
    states = ", ".join(f"{count} {state}" for state, count in count_by_state(study).items())
    parts = [f"Trials: {states}.", *_table(study, best(study)[:MAX_ROWS]), description.strip()]
    return "\n\n".join(filter(None, parts))


def _table(study: optuna.Study, found: list[dict[str, Any]]) -> Iterator[str]:
    if not found:
        return
    names = study.metric_names or ["value"]
    params = list(dict.fromkeys(key for trial in found for key in trial["params"]))
    rows = []
    for trial in found:
        values = trial["value"] if len(names) > 1 else [trial["value"]]
        shown = [_short(trial["params"][key]) if key in trial["params"] else "" for key in params]
        rows.append([str(trial["trial"]), *(f"{value:.5g}" for value in values), *shown])
    yield cards.table(["trial", *names, *params], rows)


def _short(value: object) -> str:
    return f"`{value:.4g}`" if isinstance(value, float) else f"`{value}`"


def _repeated(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs.get("requeued"))  # the next attempt counts its examples


def _described(trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    return {
        "trial": trial.number,
        "value": trial.value if len(trial.values) == 1 else trial.values,
        "params": trial.params,
        "run_id": attributes.get("run_id"),
        "model_uri": attributes.get("model_uri"),
    }
