"""What MLflow holds of runs that are compared: configuration, metrics, cost, curves, videos."""

import itertools
from collections.abc import Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from yt8m_exp.evaluation import metrics
from yt8m_exp.evaluation.metrics import GAP
from yt8m_exp.plots.browser import versus
from yt8m_exp.spec import InputError
from yt8m_exp.tracking import configuration, store
from yt8m_exp.tracking.machine.cost import JOULES
from yt8m_exp.tracking.pages import browser
from yt8m_exp.tracking.pages.browser import Logged

UNCOMPARED = ("tracking.", "figures", "register", "resume", "memory_check")
"""Keys that say nothing of a model."""
SIZES = {"parameters": "parameters", "bytes of the model": "bytes"}
"""Facts of a logged model, by what they are called on the page."""


def find(
    client: MlflowClient,
    experiment: str,
    run_ids: Sequence[str],
    chosen: str | None,
    *,
    most: int,
    least: int = 2,
) -> list[Run]:
    """Returns the runs that ids name or that a filter finds.

    Args:
        client: a client of the tracking store.
        experiment: the experiment in which a filter finds runs.
        run_ids: ids of runs.
        chosen: MLflow's filter of runs, where no ids are given; the best GAP comes first.
        most: runs that a filter may find.
        least: runs that must be found.

    Raises:
        InputError: a run or the experiment does not exist, the filter is none, or fewer runs than
            `least` are found.
    """
    if chosen is None:
        found = [_run(client, run_id) for run_id in dict.fromkeys(run_ids)]
    else:
        found = _search(client, experiment, chosen, most)
    if len(found) < least:
        needed = "two runs are compared" if least == 2 else f"{least} run must be found"
        raise InputError(f"At least {needed}, but got {len(found)}. Set runs or filter.")
    return found


def describe(client: MlflowClient, runs: Sequence[Run]) -> list[versus.Run]:
    """Reads what is compared of the runs; an evaluation is told of by its model's training."""
    names = [run.info.run_name or run.info.run_id[:8] for run in runs]
    repeated = {name for name in names if names.count(name) > 1}
    return [
        _described(client, run, f"{name} {run.info.run_id[:6]}" if name in repeated else name)
        for run, name in zip(runs, names, strict=True)
    ]


def predictions(client: MlflowClient, runs: Sequence[Run]) -> list[Logged] | None:
    """Returns what two runs, or evaluations of their models, predicted of the same data.

    None if there are more runs, no such evaluations, or other classes.
    """
    if len(runs) != 2:
        return None
    for pair in itertools.product(*(_evaluations(client, run) for run in runs)):
        if len({_digest(run) for run in pair}) == 1:
            read = [found for run in pair if (found := browser.read(client, run.info.run_id))]
            if len(read) == 2 and read[0].words.names == read[1].words.names:
                return read
    return None


def _run(client: MlflowClient, run_id: str) -> Run:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        raise InputError(
            f"A run that is named must exist, but {client.tracking_uri} has no run '{run_id}'. "
            "Check the id, and that MLFLOW_TRACKING_URI names the store that holds it."
        ) from error


def _search(client: MlflowClient, experiment: str, chosen: str, most: int) -> list[Run]:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise InputError(f"There is no experiment '{experiment}'. Set tracking.experiment.")
    try:
        return list(
            client.search_runs(
                [found.experiment_id],
                chosen,
                max_results=most,
                order_by=[f"metrics.`{GAP.name}` DESC"],
            )
        )
    except MlflowException as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"filter must be a filter of MLflow, but got {chosen!r}: {reason}"
        ) from error


def _described(client: MlflowClient, run: Run, name: str) -> versus.Run:
    trained = _training(client, run)
    history = client.get_metric_history(trained.info.run_id, GAP.name)
    return versus.Run(
        run.info.run_id,
        name,
        _config(trained),
        _values(run),
        _cost(client, trained),
        sorted((point.step, point.value) for point in history),
        store.addresses(client, run.info.run_id)(run.info.run_id),
    )


def _training(client: MlflowClient, run: Run) -> Run:
    """Returns the run that trained what a run evaluated, or the run itself."""
    trained = run.data.tags.get("model.run_id")
    try:
        return client.get_run(trained) if trained else run
    except MlflowException:  # it was deleted for good
        return run


def _config(run: Run) -> dict[str, str]:
    current = configuration.current(run.data.params).items()
    config = {key.removeprefix(configuration.PREFIX): value for key, value in current}
    return {key: value for key, value in config.items() if not key.startswith(UNCOMPARED)}


def _values(run: Run) -> dict[str, float]:
    """Returns the metrics of a run's best model, or of what it evaluated."""
    logged = run.data.metrics
    found = {m.key: logged.get(metrics.BEST + m.name, logged.get(m.name)) for m in metrics.TABLE}
    return {key: value for key, value in found.items() if value is not None}


def _cost(client: MlflowClient, run: Run) -> dict[str, float]:
    cost: dict[str, Any] = {}
    if run.info.end_time:
        cost["minutes"] = (run.info.end_time - run.info.start_time) / 60_000
    if JOULES in run.data.metrics:
        cost["watt hours"] = run.data.metrics[JOULES] / 3600
    if seen := client.get_metric_history(run.info.run_id, "train/loss"):
        cost["examples"] = max(point.step for point in seen)
    cost["examples per second"] = run.data.metrics.get("train/examples_per_second")
    for output in run.outputs.model_outputs if run.outputs else ():
        facts = client.get_logged_model(output.model_id).params or {}
        cost |= {name: int(facts[key]) for name, key in SIZES.items() if key in facts}
    return {name: value for name, value in cost.items() if value is not None}


def _evaluations(client: MlflowClient, run: Run) -> list[Run]:
    """Returns the evaluations of a run's model, the latest first; an evaluation is its own."""
    if run.data.tags.get("verb") == "eval":
        return [run]
    chosen = f"tags.verb = 'eval' and tags.`model.run_id` = '{run.info.run_id}'"
    return list(
        client.search_runs(
            [run.info.experiment_id], chosen, order_by=["attributes.start_time DESC"]
        )
    )


def _digest(run: Run) -> str:
    """Returns the digest of the data that a run evaluated on."""
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return " ".join(sorted(data.dataset.digest for data in inputs)) or run.info.run_id
