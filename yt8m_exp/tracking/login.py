"""Who is logged in to the tracking server, and what the server lets that user do."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from yt8m_exp.spec import OutsideError

CURRENT = "/api/2.0/mlflow/users/current"
PERMISSION = "/api/3.0/mlflow/users/permissions/get"
REQUEST_SECONDS = 10.0
ADMIN = "MANAGE"
CAN_WRITE = ("EDIT", ADMIN)


@dataclass(frozen=True)
class Login:
    """A user of a tracking server.

    Attributes:
        name: the user's name, which the server has verified.
        is_admin: whether the server lets the user do everything.
    """

    name: str
    is_admin: bool


@cache
def current(uri: str) -> Login | None:
    """Returns the user of this process; None where the store has no logins.

    Args:
        uri: the tracking URI.

    Raises:
        OutsideError: the server refuses the login.
        MlflowException: the server does not answer.
    """
    if not uri.startswith(("http://", "https://")):
        return None
    answer = _ask(uri, CURRENT, {})
    if answer.status_code == 401:
        raise OutsideError(
            f"The tracking server at {uri} does not accept the login. Set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    if not answer.ok or "json" not in answer.headers.get("Content-Type", ""):
        return None  # a server without logins has no such page
    user = answer.json()["user"]
    return Login(user["username"], bool(user["is_admin"]))


def permission(uri: str, kind: str, name: str) -> str | None:
    """Returns MLflow's word for what this user may do with something; None without logins.

    Args:
        uri: the tracking URI.
        kind: `experiment` or `registered_model`.
        name: the experiment's id, or the registered model's name.

    Returns:
        READ, USE, EDIT, MANAGE or NO_PERMISSIONS.
    """
    user = current(uri)
    if user is None or user.is_admin:
        return ADMIN if user else None
    asked = {"username": user.name, "resource_type": kind, "resource_id": name}
    answer = _ask(uri, PERMISSION, asked)
    return str(answer.json()["permission"]) if answer.ok else None


def _ask(uri: str, endpoint: str, params: Mapping[str, str]):  # type: ignore[no-untyped-def]
    credentials = get_default_host_creds(uri)
    options = {"max_retries": 0, "timeout": REQUEST_SECONDS, "params": params}
    return http_request(credentials, endpoint, "GET", **options)
