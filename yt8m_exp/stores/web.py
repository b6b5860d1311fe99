"""A web server as a store to read from."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from yt8m_exp.spec import InputError, UserError
from yt8m_exp.stores.gcs import hexadecimal
from yt8m_exp.stores.objects import FOLDER, Changed, Interrupted, Object, Sink
from yt8m_exp.stores.patterns import literal

RETRIES = Retry(total=6, connect=2, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504))
TIMEOUTS = (20, 60)
"""Seconds to connect, and between two pieces of an answer."""
CHUNK = 1 << 18
RAW = {"Accept-Encoding": "identity"}


class WebServer:
    """Files behind http:// and https://. A web server lists none: each is named by itself."""

    def list(self, patterns: Sequence[str], names: Sequence[str] = FOLDER) -> list[list[Object]]:
        for pattern in patterns:
            _require_plain(pattern)
        return [[found] if (found := self.stat(pattern)) else [] for pattern in patterns]

    def stat(self, uri: str) -> Object | None:
        with _explained(uri):
            answer = _session().head(uri, timeout=TIMEOUTS, allow_redirects=True, headers=RAW)
            if answer.status_code in (404, 410):
                return None
            _require_ok(answer, uri)
        if "Content-Length" not in answer.headers:
            raise UserError(f"The server of {uri} does not tell its size (Content-Length).")
        told = hashes(answer.headers)
        size, generation = int(answer.headers["Content-Length"]), _generation(answer.headers)
        generation = generation or secrets.token_hex(8)  # trusted by nobody but this process
        return Object(uri, size, generation, told.get("crc32c"), told.get("md5"))

    def read(self, found: Object, sink: Sink, *, start: int = 0) -> None:
        headers = RAW | ({"Range": f"bytes={start}-"} if start else {})
        with (
            _explained(found.uri),
            _session().get(found.uri, timeout=TIMEOUTS, headers=headers, stream=True) as answer,
        ):
            now = _generation(answer.headers)
            if answer.status_code in (404, 410, 416) or (now and now != found.generation):
                raise Changed(f"{found.uri} was replaced or deleted while it was in use.")
            _require_ok(answer, found.uri)
            skipped = 0 if answer.status_code == requests.codes.partial_content else start
            for data in answer.iter_content(CHUNK):
                if skipped < len(data):
                    sink(data[skipped:])
                skipped = max(skipped - len(data), 0)

    def write(self, file: Path, uri: str, *, replaces: Object | None) -> Object:
        raise InputError(f"Nothing can be written to a web server, but got {uri}.")

    def remove(self, uri: str) -> None:
        raise InputError(f"Nothing can be removed from a web server, but got {uri}.")


def _require_plain(uri: str) -> None:
    """Refuses patterns, and URLs with a secret in them, which a run's record would show."""
    parts = urlsplit(uri)
    if parts.query or parts.username or parts.password:
        raise InputError(
            "A URL of a shard must have no password and no query, as a run's record shows it, but "
            f"that of {parts.hostname}{parts.path} has. Use gs:// with your credentials."
        )
    if literal(uri) != uri or uri.endswith("/"):
        raise InputError(f"A web server lists no files: name each shard, not {uri!r}.")


def _require_ok(answer: requests.Response, uri: str) -> None:
    if answer.status_code in (401, 403):
        raise UserError(f"The server refuses access to {uri} (status {answer.status_code}).")
    if not answer.ok:
        raise Interrupted(f"The server answers {uri} with the status {answer.status_code}.")


def _generation(headers: Mapping[str, str]) -> str | None:
    for name in ("x-goog-generation", "ETag", "Last-Modified"):
        if name in headers:
            return headers[name]
    return None


def hashes(headers: Mapping[str, str]) -> dict[str, str | None]:
    """Returns what Google's public URLs tell: `crc32c=<base 64>, md5=<base 64>`."""
    pairs = [pair.strip().partition("=") for pair in headers.get("x-goog-hash", "").split(",")]
    return {name: hexadecimal(value) for name, _, value in pairs}


@cache  # its connections stay open
def _session() -> Any:
    session = requests.Session()
    for begin in ("http://", "https://"):
        session.mount(begin, HTTPAdapter(pool_maxsize=16, max_retries=RETRIES))
    return session


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        raise Interrupted(f"The transfer of {uri} failed: {type(error).__name__}.") from error
