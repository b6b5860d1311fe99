"""Finds versions of a registered model, and the models of runs that can become one."""

import logging
from collections.abc import Collection

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from yt8m_exp.evaluation import metrics
from yt8m_exp.spec import InputError
from yt8m_exp.tracking.pages import logged_models

logger = logging.getLogger(__name__)

CHALLENGER = "challenger"
DECISIONS = "\n\n**Decisions**\n\n"
BEST_GAP = (metrics.BEST + metrics.GAP.name, metrics.GAP.key)
"""The metric with the GAP of a training run's best model: its name today, and in older stores."""
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")


def note_decision(client: MlflowClient, name: str, version: int, sentence: str) -> None:
    """Adds a decision to the card of a version, above those that were noted before."""
    card = client.get_model_version(name, str(version)).description or ""
    before, _, after = card.partition(DECISIONS)
    text = f"{before.rstrip()}{DECISIONS}* {sentence}\n{after}".lstrip()
    client.update_model_version(name, str(version), text)


def find(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Returns all versions of a registered model that are not deleted, by rising number."""
    found: list[ModelVersion] = []
    token = None
    quote = '"' if "'" in name else "'"  # MLflow 3.17 has no escape (not reported)
    while True:
        page = client.search_model_versions(
            f"name={quote}{name}{quote}", order_by=["version_number ASC"], page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def exists(client: MlflowClient, name: str, version: int | None) -> bool:
    """Returns whether a version exists and is not deleted."""
    if version is None:
        return False
    try:
        client.get_model_version(name, str(version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def require(client: MlflowClient, name: str, version: int) -> None:
    """Raises InputError if a version does not exist or is deleted."""
    if not exists(client, name, version):
        raise InputError(f"No version {version} of {name} in {client.tracking_uri}.")


def aliases(client: MlflowClient, name: str) -> dict[str, int]:
    """Returns the version of each alias of a registered model.

    Raises:
        InputError: there is no such registered model.
    """
    try:
        found = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise InputError(
            f"No registered model '{name}' in {client.tracking_uri}. Train and register one: "
            f"yt8m train register={name}"
        ) from error
    return {alias: int(version) for alias, version in found.items()}


def challenger(client: MlflowClient, name: str, *, exclude: Collection[int | None]) -> int | None:
    """Returns the version to judge next: the alias `challenger`, or the highest GAP.

    Args:
        client: a client of the tracking store.
        name: name of the registered model.
        exclude: versions that are left out.

    Returns:
        The version; None if none is left. Of versions with equal GAP, or without a tag for their
        GAP, the newest.
    """
    named = aliases(client, name).get(CHALLENGER)
    if named is not None and named not in exclude:
        return named
    left = [found for found in find(client, name) if int(found.version) not in exclude]
    ranked = sorted(left, key=lambda v: (_gap(v), int(v.version)))
    return int(ranked[-1].version) if ranked else None


def _gap(version: ModelVersion) -> float:
    names = metrics.GAP.name, metrics.GAP.key  # the second is the name in older stores
    return float(next((version.tags[name] for name in names if name in version.tags), "-inf"))


def model_of_run(client: MlflowClient, run_id: str) -> str:
    """Returns the URI of the best model of a training run.

    Raises:
        InputError: there is no such run, or it logged no model.
    """
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        raise InputError(f"No run '{run_id}' in {client.tracking_uri}. Check the id.") from error
    models = logged_models.of_run(client, run, logged_models.BEST)
    if not models:
        raise InputError(
            f"A run must have logged its best model to be promoted, but run {run_id} "
            f"({run.info.status}) has none. Did it end?"
        )
    return f"models:/{models[-1].model_id}"


def best_run_of_sweep(client: MlflowClient, sweep: str) -> str:
    """Returns the finished run of a sweep with the highest GAP; see `best_runs_of_sweep`."""
    return best_runs_of_sweep(client, sweep, 1)[0]


def best_runs_of_sweep(client: MlflowClient, sweep: str, most: int) -> list[str]:
    """Returns the finished runs of a sweep with the highest GAP, the best first.

    Args:
        client: a client of the tracking store.
        sweep: the sweep's run id, or the name of its study.
        most: how many of them.

    Raises:
        InputError: there is no such sweep, or none of its runs has finished.
    """
    experiments = [found.experiment_id for found in client.search_experiments()]
    found = [
        (run.data.metrics[gap], run.info.run_id)
        for gap in BEST_GAP
        for key in ("mlflow.parentRunId", "trial.study")
        for run in client.search_runs(
            experiments,
            f"tags.`{key}` = '{sweep}' and attributes.status = 'FINISHED' and metrics.`{gap}` > 0",
            order_by=[f"metrics.`{gap}` DESC"],
            max_results=most,
        )
    ]
    if not found:
        raise InputError(
            f"No finished run of a sweep '{sweep}' in {client.tracking_uri}. Give the id of the "
            "sweep's run, or the name of its study."
        )
    # A run is found by its parent and by its study, and may have its GAP under both names.
    by_gap = sorted(found, key=lambda pair: -pair[0])
    return list(dict.fromkeys(run_id for _, run_id in by_gap))[:most]
