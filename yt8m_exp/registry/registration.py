"""Makes a logged model a version of a registered model, with facts for decisions."""

import contextlib
import io
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

from yt8m_exp.evaluation import metrics
from yt8m_exp.registry import versions
from yt8m_exp.spec import InputError
from yt8m_exp.tracking.connection import session
from yt8m_exp.tracking.pages import cards

logger = logging.getLogger(__name__)
Version = TypeVar("Version")

ABOUT = """Names the classes of videos. Each version is a model with its card. The alias `champion`
is on the one that is served, and the versions of `{name}.decisions` say why.

* Load: `mlflow.pyfunc.load_model("models:/{name}@champion")`
* Serve: `mlflow models serve -m models:/{name}@champion --env-manager local`
* Judge another version: `yt8m promote name={name} version=...`
"""
FACTS = ("parameters", "examples", "bytes", "features", "classes", "vocabulary.digest")
MEASURED = ("members", "latency_milliseconds", "gap_loss")
"""Tags of an ensemble's logged model that its version takes over."""
ORIGIN = ("git.commit", "git.dirty", "trial.study", "trial.number", "mlflow.parentRunId")
ATTEMPTS = 50
"""Attempts to get a number while other processes get theirs; MLflow 3.17 makes three, too few."""


def register(client: MlflowClient, model_uri: str, name: str) -> int:
    """Makes a logged model a version of a registered one, unless it is one already.

    Processes that register the same model at once all get the version that was made first.

    Args:
        client: a client of the tracking store.
        model_uri: `models:/<model id>` or `runs:/<run id>/<name>`.
        name: name of the registered model.

    Returns:
        The version.

    Raises:
        InputError: there is no such model.
    """
    model = _logged(client, model_uri)
    source = f"models:/{model.model_id}"
    if same := _of_source(client, name, source):
        return same[0]
    with contextlib.redirect_stderr(io.StringIO()):  # MLflow prints what the next line logs
        tags = _facts(client, model)
        made = numbered(
            partial(
                session.made_once,
                lambda: int(mlflow.register_model(source, name, tags=tags).version),
                lambda: next(iter(_of_source(client, name, source)), None),
            )
        )
    first = _of_source(client, name, source)[0]
    if first != made:
        client.delete_model_version(name, str(made))
    elif card := model.tags.get(cards.NOTE):
        client.update_model_version(name, str(made), card)
    _describe(client, name)
    logger.info("Registered %s as version %d of %s", source, first, name)
    return first


def numbered(make: Callable[[], Version]) -> Version:
    """Makes a version, which gets the next number while other processes get theirs."""
    for _ in range(ATTEMPTS - 1):
        try:
            return make()
        except MlflowException as error:
            if "Giving up after" not in str(error):
                raise
    return make()


def _describe(client: MlflowClient, name: str) -> None:
    """Describes a registered model, unless it is described already."""
    if not client.get_registered_model(name).description:
        client.update_registered_model(name, ABOUT.format(name=name))


def _logged(client: MlflowClient, model_uri: str) -> LoggedModel:
    try:
        if RunsArtifactRepository.is_runs_uri(model_uri):
            run_id, _ = RunsArtifactRepository.parse_runs_uri(model_uri)
            model_uri = versions.model_of_run(client, run_id)
        return client.get_logged_model(model_uri.removeprefix("models:/"))
    except MlflowException as error:
        if error.error_code not in versions.MISSING:
            raise
        raise InputError(f"No logged model at '{model_uri}' in {client.tracking_uri}.") from error


def _of_source(client: MlflowClient, name: str, source: str) -> list[int]:
    return [int(found.version) for found in versions.find(client, name) if found.source == source]


def _facts(client: MlflowClient, model: LoggedModel) -> dict[str, str]:
    """Returns the facts for the tags of a model's version; the model's run may be deleted.

    MLflow's pages show tags in this order, so the metrics come first.
    """
    newest: dict[str, Any] = {}
    for metric in sorted(model.metrics or [], key=lambda m: m.timestamp):
        newest[metrics.key_of(metric.key)] = metric
    known = [metric for metric in metrics.on_versions() if metric.key in newest]
    tags = {metric.name: repr(newest[metric.key].value) for metric in known}
    tags |= {key: model.params[key] for key in FACTS if key in model.params}
    tags |= {key: model.tags[key] for key in MEASURED if key in model.tags}
    tags |= {"model_id": model.model_id, "run_id": model.source_run_id or ""}
    if gap := newest.get(metrics.GAP.key):
        tags["data.name"], tags["data.digest"] = gap.dataset_name, gap.dataset_digest
    if model.source_run_id:
        run_tags = client.get_run(model.source_run_id).data.tags
        tags |= {key: run_tags[key] for key in ORIGIN if key in run_tags}
    return {key: value for key, value in tags.items() if value}
