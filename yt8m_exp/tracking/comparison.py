"""What MLflow holds of runs that are compared: configuration, metrics, cost, curves, videos."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException

from yt8m_exp.evaluation import metrics
from yt8m_exp.evaluation.metrics import GAP
from yt8m_exp.plots.browser import versus
from yt8m_exp.spec import InputError
from yt8m_exp.tracking import configuration, datasets, queries, store
from yt8m_exp.tracking.machine.cost import JOULES, SECONDS
from yt8m_exp.tracking.pages import browser
from yt8m_exp.tracking.pages.browser import Logged
from yt8m_exp.tracking.runs import BETWEEN

UNCOMPARED = ("tracking.", "figures", "register", "resume", "memory_check")
"""Keys that say nothing of a model."""
SIZES = {"parameters": "parameters", "bytes of the model": "bytes"}
"""Facts of a logged model, by what they are called on the page."""

LEAKS = {datasets.IDS_IN_TRAIN: "videos", datasets.SHARDS_IN_TRAIN: "shards"}
"""What a run logs that was measured on what its model was trained on."""


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
    found = _named(client, run_ids) if chosen is None else _search(client, experiment, chosen, most)
    if len(found) < least:
        needed = "two runs are compared" if least == 2 else f"{least} run must be found"
        raise InputError(f"At least {needed}, but got {len(found)}. Set runs or filter.")
    return found


def describe(client: MlflowClient, runs: Sequence[Run]) -> list[versus.Run]:
    """Reads what is compared of the runs; an evaluation is told of by its model's training."""
    names = _short([run.info.run_name or run.info.run_id[:8] for run in runs])
    count = Counter(names)
    trainings = _trainings(client, runs)
    curves = queries.points(client, {run.info.run_id for run in trainings}, GAP.name)
    models = queries.models(client, trainings)
    return [
        versus.Run(
            run.info.run_id,
            name if count[name] == 1 else f"{name} {run.info.run_id[:6]}",
            _config(trained),
            _values(run),
            _cost(trained, models),
            [(point.step, point.value) for point in curves.get(trained.info.run_id, ())],
            store.address(client, run.info.experiment_id, run.info.run_id),
            device=trained.data.tags.get("hardware", ""),
            study=trained.data.tags.get("study", ""),
            leaked=_leaked(run),
        )
        for run, trained, name in zip(runs, trainings, names, strict=True)
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


def _named(client: MlflowClient, run_ids: Sequence[str]) -> list[Run]:
    found = queries.runs(client, run_ids)
    for run_id in run_ids:
        if run_id not in found:
            raise InputError(
                f"A run that is named must exist, but {client.tracking_uri} has no run '{run_id}'. "
                "Check the id, and that MLFLOW_TRACKING_URI names the store that holds it."
            )
    return [found[run_id] for run_id in dict.fromkeys(run_ids)]


def _search(client: MlflowClient, experiment: str, chosen: str, most: int) -> list[Run]:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise InputError(f"There is no experiment '{experiment}'. Set tracking.experiment.")
    try:
        return queries.search(
            client,
            [found.experiment_id],
            chosen,
            max_results=most,
            order_by=[f"metrics.`{GAP.name}` DESC"],
        )
    except MlflowException as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"filter must be a filter of MLflow, but got {chosen!r}: {reason}"
        ) from error


def _short(names: Sequence[str]) -> list[str]:
    """Returns names of runs without what all of them have, but with how they begin."""
    parts = [name.split(BETWEEN) for name in names]
    shared = set(parts[0]).intersection(*parts)
    return [BETWEEN.join([first, *(p for p in rest if p not in shared)]) for first, *rest in parts]


def _trainings(client: MlflowClient, runs: Sequence[Run]) -> list[Run]:
    """Returns the runs that trained what runs evaluated, or the runs themselves."""
    of = [run.data.tags.get("model.run_id", "") for run in runs]
    found = queries.runs(client, filter(None, of))  # some may be deleted for good
    return [found.get(run_id, run) for run, run_id in zip(runs, of, strict=True)]


def _config(run: Run) -> dict[str, str]:
    current = configuration.current(run.data.params).items()
    config = {key.removeprefix(configuration.PREFIX): value for key, value in current}
    return {key: value for key, value in config.items() if not key.startswith(UNCOMPARED)}


def _values(run: Run) -> dict[str, float]:
    """Returns the metrics of a run's best model, or of what it evaluated."""
    logged = run.data.metrics
    found = {m.key: logged.get(metrics.BEST + m.name, logged.get(m.name)) for m in metrics.TABLE}
    return {key: value for key, value in found.items() if value is not None}


def _leaked(run: Run) -> str:
    """Returns how much of what a run was measured on its model was trained on; or nothing."""
    logged = run.data.metrics
    counts = {name: int(logged.get(key, 0)) for key, name in LEAKS.items()}
    return ", ".join(f"{count:,} of the {name}" for name, count in counts.items() if count)


def _cost(run: Run, models: Mapping[str, LoggedModel]) -> dict[str, float]:
    cost: dict[str, Any] = {}
    logged = run.data.metrics
    if SECONDS in logged:
        cost["minutes"] = logged[SECONDS] / 60
    elif run.info.end_time:
        cost["minutes"] = (run.info.end_time - run.info.start_time) / 60_000
    if JOULES in logged:
        cost["watt hours"] = logged[JOULES] / 3600
    # The last step of a curve: only these objects have it, a query for the curve would, too.
    if seen := [point.step for point in run.data._metric_objs if point.key == "train/loss"]:
        cost["examples"] = max(seen)
    cost["examples per second"] = logged.get("train/examples_per_second")
    for output in run.outputs.model_outputs if run.outputs else ():
        facts = models[output.model_id].params or {} if output.model_id in models else {}
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
