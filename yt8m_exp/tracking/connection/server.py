"""A tracking server over HTTP: its version, who is logged in, and what that user may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import requests
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from yt8m_exp.spec import OutsideError

VERSION = "/version"
USER = "/api/2.0/mlflow/users/current"
PERMISSION = "/api/3.0/mlflow/users/permissions/get"
EXPERIMENT = "/api/2.0/mlflow/experiments/get-by-name"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
REQUEST_SECONDS = 10.0
CAN_WRITE = ("EDIT", "MANAGE")
"""MLflow's words for permissions to write."""


@dataclass(frozen=True)
class User:
    """A user whose name the server has verified.

    Attributes:
        name: the user's name.
        is_admin: whether the server lets the user do everything.
    """

    name: str
    is_admin: bool


def is_server(uri: str) -> bool:
    """Tells whether a tracking URI names a server."""
    return uri.startswith(("http://", "https://"))


@cache
def user(uri: str) -> User | None:
    """Returns the user of this process; None where the store has no logins.

    Args:
        uri: the tracking URI.

    Raises:
        OutsideError: the server does not answer, or refuses the login.
    """
    answer = _ask(uri, USER) if is_server(uri) else None
    if answer is None or not _is_json(answer):
        return None  # a server without logins has no such page
    found = answer.json()["user"]
    return User(found["username"], bool(found["is_admin"]))


def permission(uri: str, kind: str, name: str) -> str | None:
    """Returns MLflow's word for what this user may do with something; None without logins.

    Args:
        uri: the tracking URI.
        kind: `experiment` or `registered_model`.
        name: the experiment's id, or the registered model's name.

    Raises:
        OutsideError: the server does not answer, or refuses the login.
    """
    who = user(uri)
    if who is None or who.is_admin:
        return "MANAGE" if who else None
    asked = {"username": who.name, "resource_type": kind, "resource_id": name}
    answer = _ask(uri, PERMISSION, asked)
    return str(answer.json()["permission"]) if _is_json(answer) else None


def version(uri: str) -> str:
    """Returns the version of the server's MLflow.

    Raises:
        OutsideError: the server does not answer, or refuses the login.
    """
    answer = _ask(uri, VERSION)
    if not answer.ok:
        raise OutsideError(
            f"A server answers at {uri} (status {answer.status_code}), but it is no tracking "
            "server of MLflow. Check MLFLOW_TRACKING_URI."
        )
    return answer.text.strip()


def experiment_id(uri: str, name: str) -> str | None:
    """Returns the id of an experiment; None where there is none.

    Raises:
        OutsideError: the server does not answer, or refuses the login.
    """
    answer = _ask(uri, EXPERIMENT, {"experiment_name": name})
    return answer.json()["experiment"]["experiment_id"] if _is_json(answer) else None


def require_artifacts(uri: str, experiment_id: str) -> None:
    """Raises OutsideError where the server cannot list an experiment's artifacts."""
    answer = _ask(uri, ARTIFACTS, {"path": experiment_id})
    if not answer.ok:
        raise OutsideError(
            f"The tracking server at {uri} cannot list artifacts (status {answer.status_code}: "
            f"{' '.join(answer.text.split())[:200]}). Is its bucket or object store running?"
        )


def _ask(uri: str, endpoint: str, params: Mapping[str, str] | None = None) -> requests.Response:
    credentials, options = get_default_host_creds(uri), {"params": params} if params else {}
    try:
        answer = http_request(
            credentials, endpoint, "GET", max_retries=0, timeout=REQUEST_SECONDS, **options
        )
    except MlflowException as error:
        raise OutsideError(
            f"No tracking server answers at {uri} ({' '.join(str(error).split())[-200:]}). Start "
            "it, or check MLFLOW_TRACKING_URI."
        ) from error
    if answer.status_code == 401:
        raise OutsideError(
            f"The tracking server at {uri} does not accept the login. Set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    return answer


def _is_json(answer: requests.Response) -> bool:
    return answer.ok and "json" in answer.headers.get("Content-Type", "")
