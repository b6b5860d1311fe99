"""Runs of a database, whose parameters, tags and metrics are read as plain rows.

MLflow's search makes an object of SQLAlchemy of each parameter, which takes seconds of a thousand
runs.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunData, RunTag
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import false, select
from sqlalchemy.orm import selectinload

PARTS = (SqlRun.latest_metrics, SqlRun.params, SqlRun.tags)
HYDRATION = SqlAlchemyStore._get_eager_run_query_options.__name__
"""The method of the store that says how a search reads these parts."""


def search(client: MlflowClient, *asked: Any, **options: Any) -> list[Run]:
    """Returns what `MlflowClient.search_runs` returns."""
    store: SqlAlchemyStore = client._tracking_client.store
    with _bare(store):
        found = list(client.search_runs(*asked, **options))
    data = _data(store, [run.info.run_id for run in found])
    return [Run(run.info, data[run.info.run_id], run.inputs, run.outputs) for run in found]


@contextmanager
def _bare(store: SqlAlchemyStore) -> Iterator[None]:
    """Makes searches leave out the `PARTS` of runs while it holds."""
    nothing = [selectinload(part.and_(false())) for part in PARTS]
    vars(store)[HYDRATION] = lambda: nothing
    try:
        yield
    finally:
        del vars(store)[HYDRATION]


def _data(store: SqlAlchemyStore, run_ids: Sequence[str]) -> dict[str, RunData]:
    parts: tuple[dict[str, list], ...] = (defaultdict(list), defaultdict(list), defaultdict(list))
    metrics, params, tags = parts
    latest = SqlLatestMetric
    with store.ManagedSessionMaker() as session:

        def rows(table: Any, *columns: Any) -> Iterator[Any]:
            asked = select(table.run_uuid, table.key, table.value, *columns)
            return session.execute(asked.where(table.run_uuid.in_(run_ids)))

        for run_id, key, value, time, step, is_nan in rows(
            latest, latest.timestamp, latest.step, latest.is_nan
        ):
            metrics[run_id].append(Metric(key, float("nan") if is_nan else value, time, step))
        for run_id, key, value in rows(SqlParam):
            params[run_id].append(Param(key, value))
        for run_id, key, value in rows(SqlTag):
            tags[run_id].append(RunTag(key, value))
    return {run_id: RunData(*(part[run_id] for part in parts)) for run_id in run_ids}
