"""The login in a tracking URI, which MLflow reads from variables."""

import os
from urllib.parse import unquote, urlsplit

USERNAME, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


def moved(uri: str) -> str:
    """Moves `user:password@` of a server's URI to variables of this process and its children.

    MLflow would send it, but also print it and keep it with runs.

    Returns:
        The URI without it.
    """
    if urlsplit(uri).scheme not in ("http", "https") or "@" not in urlsplit(uri).netloc:
        return uri
    login, _, host = urlsplit(uri).netloc.rpartition("@")
    name, _, password = login.partition(":")
    os.environ.update({USERNAME: unquote(name), PASSWORD: unquote(password)})
    plain = urlsplit(uri)._replace(netloc=host).geturl()
    os.environ["MLFLOW_TRACKING_URI"] = plain
    return plain
