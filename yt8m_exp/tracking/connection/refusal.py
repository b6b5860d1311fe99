"""Whether a server that answers 401 refuses the login, or cannot check it."""

from collections.abc import Callable, Collection

import requests

ARTIFACTS, USER = "/api/2.0/mlflow-artifacts/", "/api/2.0/mlflow/users/current"


def is_final(
    refused: requests.Response,
    ask: Callable[[requests.PreparedRequest], requests.Response],
    transient: Collection[int],
) -> bool:
    """Returns whether the server would refuse the login again.

    MLflow 3.17 answers requests for artifacts with 401 while the database of its users is away.
    The page of the user then answers otherwise.

    Args:
        refused: the answer.
        ask: sends a request to the server.
        transient: statuses of failures that may pass.
    """
    sent = refused.request
    server, artifacts, _ = (sent.url or "").partition(ARTIFACTS)
    if not artifacts:
        return True
    login = {k: v for k, v in sent.headers.items() if k.lower() == "authorization"}
    try:
        status = ask(requests.Request("GET", server + USER, login).prepare()).status_code
    except requests.RequestException:
        return False
    return not (status in transient or status == requests.codes.ok)
