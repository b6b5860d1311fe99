"""Sends MLflow's requests to a tracking server, again while they fail in a way that may pass.

MLflow's own limits count attempts, and add up to many minutes (mlflow/mlflow#5744, open in 3.17).
So its requests go through a session of ours, which tries each one again until the server has given
no answer for a time; see `patience`.
"""

import functools
import logging
import math
import os
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from mlflow.exceptions import MlflowException
from mlflow.utils import request_utils
from requests.utils import rewind_body
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from yt8m_exp.spec import RefusedError, UnansweredError, caused_by
from yt8m_exp.tracking import patience
from yt8m_exp.tracking.connection import refusal

logger = logging.getLogger(__name__)
Thing = TypeVar("Thing")

PAUSE_SECONDS = 0.25, 5.0
"""The first pause between two attempts, which doubles, and the longest one."""
TOLD_ATTEMPT = 4
READ_BYTES = 1 << 25
"""The largest body that is read as a whole, even if MLflow would read it in parts."""
TRANSIENT = {408, 429, 500, 502, 503, 504}
MAKES = ("/runs/create", "/model-versions/create")
"""Requests that make one thing more each time that the server gets them."""


def made_once(make: Callable[[], Thing], find: Callable[[], Thing | None]) -> Thing:
    """Makes a thing on the server; if the answer is lost on its way, finds what was made.

    Args:
        make: asks the server to make it.
        find: looks for it.
    """
    while True:
        try:
            return make()
        except MlflowException as error:
            if not caused_by(error, _LostAnswer):
                raise
            if (found := find()) is not None:
                return found


def install() -> None:
    """Has MLflow send its requests through our session."""
    request_utils._get_request_session = lambda *args, **kwargs: _session(os.getpid())


@functools.cache
def _session(pid: int) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


class _LostAnswer(Exception):
    """The server may have done what it was asked, and must not be asked twice."""


class _Adapter(request_utils.TCPKeepAliveHTTPAdapter):
    """Sends a request again while it fails in a way that may pass, until the time is over."""

    def send(self, request: Any, stream: bool = False, *args: Any, **options: Any) -> Any:
        size = int(_size(request, 0))
        attempts, first = 0, time.monotonic()
        while True:
            began, attempts = time.monotonic(), attempts + 1
            options["timeout"] = patience.attempt_seconds(size)
            try:
                response = super().send(request, stream, *args, **options)
                if not stream or _size(response) <= READ_BYTES:
                    _ = response.content  # a body that is cut fails here
            except requests.RequestException as error:
                patience.note_failure(began, options["timeout"])
                if patience.is_once():
                    raise
                if request.path_url.endswith(MAKES) and _was_sent(error):
                    raise _LostAnswer from error
                reason, asked = _in_words(error), None
            else:
                if not self._may_pass(response, options):
                    patience.note_answer()
                    _require_login(response)
                    return response
                patience.note_failure(began, options["timeout"])
                if patience.is_once():
                    return response
                reason = f"status {response.status_code} {response.reason}"
                asked = response.headers.get("Retry-After")
            _pause(request.url, reason, asked, size, attempts, first)
            if hasattr(request.body, "seek"):
                rewind_body(request)

    def _may_pass(self, response: requests.Response, options: dict[str, Any]) -> bool:
        if response.status_code == requests.codes.unauthorized:
            ask = functools.partial(super().send, **options)
            return not refusal.is_final(response, ask, TRANSIENT)
        return response.status_code in TRANSIENT


def _require_login(response: requests.Response) -> None:
    """Raises RefusedError where a server does not accept the login, or does so no longer."""
    if response.status_code == requests.codes.unauthorized:
        raise RefusedError(
            f"The tracking server at {_place(response.url)} does not accept the login. Set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )


def _place(url: str) -> str:
    """Returns a server's address, without a login or a path, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or ''}"


def _size(message: Any, unknown: float = math.inf) -> float:
    return float(message.headers.get("Content-Length") or unknown)


def _pause(
    url: str, reason: str, retry_after: str | None, size: int, attempts: int, first: float
) -> None:
    """Waits until the next attempt.

    Raises:
        UnansweredError: the time is over, or will be before the server wants to be asked again.
    """
    asked = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
    shortest, longest = PAUSE_SECONDS
    seconds = max(asked, min(shortest * 2 ** (attempts - 1), longest))
    if patience.left(size) <= seconds:
        waited = time.monotonic() - first
        asks = f", to be asked again after {asked:g} s" if asked else ""
        raise UnansweredError(
            f"No tracking server answers at {_place(url)} as it should: {reason}{asks} "
            f"(waited {waited:.0f} s)."
        )
    if attempts == TOLD_ATTEMPT:  # a moment's failure is not worth a line
        logger.info("Waiting for the tracking server: %s", reason)
    time.sleep(seconds)


def _was_sent(error: requests.RequestException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return not isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _in_words(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer"
    found = re.search(r"\[Errno -?\d+\] ([\w ]+)", str(error))
    return found[1].lower() if found else "a broken connection"
