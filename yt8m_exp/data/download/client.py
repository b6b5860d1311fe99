"""Files over HTTP: a transfer that was cut goes on from there, and its end is checked."""

import hashlib
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from yt8m_exp.data.download.partitions import File
from yt8m_exp.spec import UserError
from yt8m_exp.stores.web import hashes

T = TypeVar("T")
BLOCK_BYTES = 1 << 20
TIMEOUT_SECONDS = (10, 60)  # to connect, and between two blocks
LONGEST_WAIT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 600.0
BUSY = (408, 425, 429)
RANGE_NOT_SATISFIABLE = 416
HEADERS = {"Accept-Encoding": "identity"}
CUT = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
)


class TransferError(UserError):
    """A file that could not be had, and why."""


class UnreachableError(TransferError):
    """A server that did not answer."""


class StoppedError(Exception):
    """The transfer was told to stop."""


class _AgainError(Exception):
    """What may be gone at the next attempt."""

    def __init__(self, reason: str, wait_seconds: float | None = None):
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class Client:
    """Fetches from a server that may be busy, cut transfers, or send wrong bytes.

    Threads may share it.

    Args:
        connections: how many are kept open.
        attempts: how often in a row something may fail without a new byte.
        backoff_seconds: wait after the first failure; it doubles with each, up to a minute.
            A server's Retry-After goes first.
    """

    def __init__(self, *, connections: int, attempts: int, backoff_seconds: float):
        self.stop = Event()
        self._attempts, self._backoff_seconds = attempts, backoff_seconds
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
        self._session.headers.update(HEADERS)

    def read(self, url: str, parse: Callable[[bytes], T]) -> T:
        """Returns what a small file says.

        Args:
            url: where it is.
            parse: reads it; a UserError of it may be the fault of the transfer.

        Raises:
            TransferError: it cannot be had, or never be read.
        """

        def action() -> T:
            with self._session.get(url, timeout=TIMEOUT_SECONDS) as response:
                _require(response)
                _require_md5(hashlib.md5(response.content), hashes(response.headers).get("md5"))
            try:
                return parse(response.content)
            except UserError as error:
                raise _AgainError(str(error).rstrip("."), 0.0) from None

        return self._persist(url, action)

    def size(self, url: str) -> int | None:
        """Returns the bytes of a file, None where the server does not tell.

        Raises:
            UnreachableError: the server does not answer.
        """

        def action() -> int | None:
            with self._session.head(url, timeout=TIMEOUT_SECONDS, allow_redirects=True) as response:
                _require(response)
                length = response.headers.get("Content-Length", "")
                return int(length) if length.isdecimal() else None

        try:
            return self._persist(url, action)
        except UnreachableError:
            raise
        except TransferError:
            return None

    def fetch(self, file: File, part: Path, report: Callable[[int], None]) -> None:
        """Fetches a file, or the rest of it.

        Args:
            file: what to fetch.
            part: where it grows; what is there already is not fetched again.
            report: takes how many bytes are there.

        Raises:
            TransferError: it cannot be had, or is never what its checksum says.
            StoppedError: `stop` is set.
            OSError: the disk does not take it.
        """
        if file.md5 is None:
            part.unlink(missing_ok=True)  # what nothing checks is not pieced together
        self._persist(file.url, lambda: self._transfer(file, part, report), lambda: _bytes(part))

    def _persist(
        self, url: str, action: Callable[[], T], progress: Callable[[], int] = lambda: 0
    ) -> T:
        """Repeats an action until it succeeds, or has failed too often without progress."""
        failures, most = 0, progress()
        while True:
            error: type[TransferError] = TransferError
            try:
                return action()
            except _AgainError as again:
                reason, wait = str(again), again.wait_seconds
            except CUT as cut:
                reason, wait, error = _reason(cut), None, UnreachableError
            except requests.RequestException as refused:  # no address, redirects without end
                raise TransferError(f"{url} cannot be read: {refused}") from None
            done = progress()
            failures = 1 if done > most else failures + 1
            most = max(most, done)
            if failures >= self._attempts:
                raise error(f"{url}: {reason} ({failures} attempts).")
            if self.stop.wait(self._backoff(failures) if wait is None else wait):
                raise StoppedError

    def _backoff(self, failures: int) -> float:
        wait = min(self._backoff_seconds * 2 ** (failures - 1), LONGEST_WAIT_SECONDS)
        return wait * random.uniform(0.5, 1)  # so that transfers do not return all at once

    def _transfer(self, file: File, part: Path, report: Callable[[int], None]) -> None:
        """Fetches once what is not there yet, and checks the whole."""
        start, digest = _digest(part)
        if start and digest.hexdigest() == file.md5:
            return
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._session.get(
            file.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
        ) as response:
            if start and response.status_code == RANGE_NOT_SATISFIABLE:
                part.unlink()
                raise _AgainError("what was there already is longer than the file", 0.0)
            _require(response)
            if not (start and _continues(response, start)):
                start, digest = 0, hashlib.md5(usedforsecurity=False)
            with part.open("r+b" if start else "wb") as opened:
                opened.seek(start)
                # What came before a cut is kept: `iter_content` would lose a block.
                for block in iter(lambda: response.raw.read1(BLOCK_BYTES), b""):
                    if self.stop.is_set():
                        raise StoppedError
                    opened.write(block)
                    digest.update(block)
                    start += len(block)
                    report(start)
        try:
            _require_md5(digest, file.md5 or hashes(response.headers).get("md5"))
        except _AgainError:
            part.unlink()
            report(0)
            raise


def _require(response: requests.Response) -> None:
    """Raises where the answer is not what was asked for."""
    status = f"the server answers {response.status_code} {response.reason}"
    if response.status_code in BUSY or response.status_code >= 500:
        raise _AgainError(status, _retry_after(response.headers))
    if response.status_code >= 400:
        raise TransferError(f"{response.url}: {status}.")


def _require_md5(digest: "hashlib._Hash", expected: str | None) -> None:
    if expected not in (None, digest.hexdigest()):
        raise _AgainError(f"its MD5 should be {expected}, but is {digest.hexdigest()}", 0.0)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = Retry().parse_retry_after(headers["Retry-After"])
    except (KeyError, InvalidHeader):
        return None
    return min(seconds, LONGEST_RETRY_AFTER_SECONDS)


def _continues(response: requests.Response, start: int) -> bool:
    """Whether the answer begins behind what is there; otherwise it must be the whole file."""
    if response.status_code != requests.codes.partial_content:
        return False
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise TransferError(f"{response.url}: the server sends another range than was asked for.")
    return True


def _digest(part: Path) -> tuple[int, "hashlib._Hash"]:
    """Returns the bytes of a file, 0 without one, and their MD5 so far."""
    if not part.exists():
        return 0, hashlib.md5(usedforsecurity=False)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        return file.tell(), digest


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """Returns why a connection ended, without the layers of libraries around it."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "there is no connection to the server"
    return "the transfer was cut"
