"""Many runs, curves and models in few queries: a query each takes minutes of a thousand runs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Metric, Run, ViewType
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

CHUNK = 100
"""Ids in a query: the most that a server takes for curves, and a page of models."""
MOST_POINTS = 25_000
"""The most that a query for curves answers."""
CURVES = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"


def runs(client: MlflowClient, run_ids: Iterable[str]) -> dict[str, Run]:
    """Returns the runs that exist, by id, also deleted ones."""
    wanted = [run_id for run_id in dict.fromkeys(run_ids) if run_id.isalnum()]
    if not wanted:
        return {}
    places = [found.experiment_id for found in client.search_experiments(view_type=ViewType.ALL)]
    found: dict[str, Run] = {}
    for some in _chunks(wanted):
        chosen = f"attributes.run_id IN ({_listed(some)})"
        answer = search(client, places, chosen, run_view_type=ViewType.ALL, max_results=CHUNK)
        found |= {run.info.run_id: run for run in answer}
    return found


def search(client: MlflowClient, *asked: Any, **options: Any) -> list[Run]:
    """Returns the runs of a page of `MlflowClient.search_runs`."""
    if not hasattr(client._tracking_client.store, "engine"):  # a server
        return list(client.search_runs(*asked, **options))
    # Imported here: it takes 0.7 s, and a server needs none of it.
    from yt8m_exp.tracking import plain_rows

    return plain_rows.search(client, *asked, **options)


def models(client: MlflowClient, of: Sequence[Run]) -> dict[str, LoggedModel]:
    """Returns the models that runs logged, by id."""
    places = sorted({run.info.experiment_id for run in of})
    outputs = (output for run in of if run.outputs for output in run.outputs.model_outputs)
    found: dict[str, LoggedModel] = {}
    for some in _chunks(output.model_id for output in outputs):
        chosen = f"model_id IN ({_listed(some)})"
        answer = client.search_logged_models(places, chosen, max_results=CHUNK)
        found |= {model.model_id: model for model in answer}
    return found


def points(client: MlflowClient, run_ids: Iterable[str], key: str) -> dict[str, list[Metric]]:
    """Returns the points of a metric, by step and time, for each run that has some."""
    found: dict[str, list[Metric]] = defaultdict(list)
    for some in _chunks(run_ids):
        pairs = list(_points(client, some, key))
        if len(pairs) >= MOST_POINTS:  # not all of them
            pairs = [(run, point) for run in some for point in client.get_metric_history(run, key)]
        for run_id, point in pairs:
            found[run_id].append(point)
    for of_run in found.values():
        of_run.sort(key=lambda point: (point.step, point.timestamp))
    return dict(found)


def histories(client: MlflowClient, of: Sequence[Run]) -> Iterator[tuple[Run, list[Metric]]]:
    """Yields runs with the points of all their metrics, by metric, step and time."""
    for start in range(0, len(of), CHUNK):
        some = of[start : start + CHUNK]
        found: dict[str, list[Metric]] = {run.info.run_id: [] for run in some}
        for key in sorted({key for run in some for key in run.data.metrics}):
            ids = [run.info.run_id for run in some if key in run.data.metrics]
            for run_id, theirs in points(client, ids, key).items():
                found[run_id] += theirs
        yield from ((run, found[run.info.run_id]) for run in some)


def _points(client: MlflowClient, run_ids: Sequence[str], key: str) -> Iterator[tuple[str, Metric]]:
    """Yields points with the run of each, asked for as MLflow's own pages do."""
    store: Any = client._tracking_client.store  # no public function takes several runs
    if hasattr(store, "get_metric_history_bulk"):  # a database
        for row in store.get_metric_history_bulk(run_ids, key, MOST_POINTS):
            yield row.run_id, row
        return
    credentials = get_default_host_creds(client.tracking_uri)
    asked = {"run_id": run_ids, "metric_key": key, "max_results": MOST_POINTS}
    answer = http_request(credentials, CURVES, "GET", params=asked)
    answer.raise_for_status()
    for row in answer.json()["metrics"]:
        values = (float(row["value"]), int(row["timestamp"]), int(row["step"]))
        yield row["run_id"], Metric(key, *values)


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    every = list(ids)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(f"'{one}'" for one in ids)
