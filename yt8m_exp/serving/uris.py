"""Finds the model that a URI names, without loading it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from yt8m_exp import spec
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.terminal.suggestions import did_you_mean
from yt8m_exp.tracking.pages import logged_models


def resolve(model_uri: str) -> tuple[str, str | None, str | None]:
    """Resolves an alias or `latest` to a version, so that it cannot move while it is in use.

    Returns:
        The URI, and the name and version of the registered model; None if the URI names none.

    Raises:
        InputError: there is no such model, version or alias.
    """
    if model_uri.startswith("runs:/"):
        return of_run(model_uri), None, None
    path = model_uri.removeprefix("models:/")
    if path == model_uri or path.startswith("m-") or not any(mark in path for mark in "@/"):
        return model_uri, None, None
    client = mlflow.MlflowClient()
    try:
        if "@" in path:
            name, alias = path.rsplit("@", 1)
            version = _of_alias(client, name, alias)
        else:
            name, version = path.rsplit("/", 1)
            if version == "latest":
                version = max(
                    (found.version for found in client.search_model_versions(f"name='{name}'")),
                    key=int,
                    default="1",
                )
            client.get_model_version(name, version)
    except MlflowException as error:
        raise InputError(missing(model_uri, error)) from error
    return f"models:/{name}/{version}", name, str(version)


def _of_alias(client: mlflow.MlflowClient, name: str, alias: str) -> str:
    try:
        return client.get_model_version_by_alias(name, alias).version
    except MlflowException as error:
        known = client.get_registered_model(name).aliases
        meant = did_you_mean(alias, known) or f" It has {', '.join(known) or 'none'}."
        raise MlflowException(f"{name} has no alias {alias}.{meant}") from error


def of_run(model_uri: str) -> str:
    """Returns the URI of a logged model by its run and its role or name: `runs:/<id>/best`.

    Returns:
        The same URI if the run has no such model.
    """
    run_id, _, role = model_uri.removeprefix("runs:/").partition("/")
    client = mlflow.MlflowClient()
    try:
        found = logged_models.of_run(client, client.get_run(run_id), role)
    except MlflowException:
        return model_uri
    return f"models:/{found[-1].model_id}" if found else model_uri


def require(model_uri: str) -> None:
    """Raises InputError if a URI names no model; does not read the model's files."""
    uri, name, _ = resolve(model_uri)
    client = mlflow.MlflowClient()
    try:
        if uri.startswith("runs:/"):
            client.get_run(uri.removeprefix("runs:/").partition("/")[0])
        elif uri.startswith("models:/") and name is None:
            client.get_logged_model(uri.removeprefix("models:/"))
        elif ":/" not in uri and not Path(uri).is_dir():
            raise MissingInputError("no such folder")
    except (MlflowException, MissingInputError) as error:
        raise InputError(missing(model_uri, error)) from error


def facts(model_uri: str) -> Mapping[str, str]:
    """Returns what the store knows of a model: its size, features, classes; nothing of a folder."""
    uri, name, version = resolve(model_uri)
    client = mlflow.MlflowClient()
    if not uri.startswith("models:/"):
        return {}
    tags: Mapping[str, str] = {}
    model_id = uri.removeprefix("models:/")
    if name and version:
        tags = client.get_model_version(name, version).tags
        model_id = tags.get("model_id", "")
    try:
        return {**tags, **client.get_logged_model(model_id).params}
    except MlflowException:  # it is deleted, and the version keeps its own files
        return tags


def schema(known: Mapping[str, str]) -> Schema | None:
    """Returns what a record must hold for a model, by its `facts`; None if they do not tell."""
    if not {"features", "classes", "level"} <= known.keys():
        return None
    return Schema(json.loads(known["features"]), int(known["classes"]), known["level"])  # type: ignore[arg-type]  # Schema checks it


def require_frames(model_uri: str, schema: Schema) -> None:
    """Raises InputError if a model takes features of whole videos, which have no segments."""
    if schema.level == "video":
        raise InputError(
            f"Segments are predicted by models that take frames, but {model_uri} takes features of "
            "whole videos. Give another model_uri, or segments=false."
        )


def missing(model_uri: str, error: Exception) -> str:
    """Returns the message for a URI that names no model."""
    reason = str(error)
    end = "" if reason.endswith((".", "?")) else "."
    where = mlflow.get_tracking_uri()
    return f"No model at {model_uri!r} in {where}: {reason}{end} {_remedy(model_uri, reason)}"


def _remedy(model_uri: str, reason: str) -> str:
    path = model_uri.removeprefix("models:/")
    if re.fullmatch(spec.RUN_ID, model_uri):
        return f"The best model of a training run is runs:/{model_uri}/best"
    if re.fullmatch(r"[^/:]+(/\d+|@\w+)", model_uri):
        return f"A version of a registered model is models:/{model_uri}"
    if found := re.fullmatch(f"(runs:/{spec.RUN_ID})/(?!best$).*", model_uri):
        return f"The best model of a training run is {found[1]}/best"
    if "has no alias champion" in reason:
        return f"Promote a version: yt8m promote name={path.rpartition('@')[0]}"
    if path != model_uri and not path.startswith("m-") and not any(mark in path for mark in "@/"):
        return f"Of a registered model, name a version or an alias: models:/{path}/1"
    return "Train and register one: yt8m train register=yt8m"
