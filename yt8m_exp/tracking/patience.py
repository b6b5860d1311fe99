"""How long this process waits for a tracking server that fails or does not answer.

The limits are of the whole process. `connection.session` heeds them in each request.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

START_SECONDS = 15.0
MIDDLE_SECONDS = 180.0
CLOSE_SECONDS = 60.0
SIGNAL_SECONDS = 10.0
ATTEMPT_SECONDS = 30.0
LAST_SECONDS = 2.0
"""What an attempt may take even if the time is over: the server may be back."""
BODY_BYTES = 10e6
"""Bytes of a request's body for which it may take a second longer."""


@dataclass
class _Limits:
    """The limits of this process, and what it knows of the server.

    Attributes:
        seconds: how long the server may give no answer.
        since: when this limit began.
        end: when this process stops waiting altogether.
        failing: when the first request failed that no answer has followed.
    """

    seconds: float = START_SECONDS
    since: float = -math.inf
    end: float = math.inf
    failing: float | None = None


class _OfThread(threading.local):
    once: float | None = None


# State of a module: MLflow makes requests in places to which no limits can be handed.
_limits = _Limits()
_thread = _OfThread()


@contextmanager
def of(seconds: float) -> Iterator[None]:
    """Lets the server give no answer for so many seconds while the block lasts."""
    before = replace(_limits)
    begin(seconds)
    try:
        yield
    finally:
        _limits.seconds, _limits.since, _limits.end = before.seconds, before.since, before.end


def begin(seconds: float) -> None:
    """Lets the server give no answer for so many seconds from now on."""
    _limits.seconds, _limits.since = seconds, time.monotonic()


def close() -> None:
    """Waits for a minute at most from now on, as nothing is left to do but to log."""
    begin(min(_limits.seconds, CLOSE_SECONDS))


def hurry(seconds: float = SIGNAL_SECONDS) -> None:
    """Has this process wait for so many seconds more, all together."""
    _limits.end = min(_limits.end, time.monotonic() + seconds)


@contextmanager
def once(seconds: float) -> Iterator[None]:
    """Makes one attempt at each request of this thread, which may take so many seconds."""
    before, _thread.once = _thread.once, seconds
    try:
        yield
    finally:
        _thread.once = before


def is_once() -> bool:
    """Returns whether this thread makes one attempt at each request."""
    return _thread.once is not None


def left(size: int = 0) -> float:
    """Returns how many seconds a request with a body of so many bytes may take from now on."""
    now = time.monotonic()
    began = now if _limits.failing is None else max(_limits.failing, _limits.since)
    end = min(began + _limits.seconds, _limits.end)
    return max(end + size / BODY_BYTES - now, 0.0)


def note_failure(began: float, seconds: float) -> None:
    """Notes since when the server fails: no longer than the attempt may have taken.

    A process that was stopped meanwhile (SIGSTOP, a laptop asleep) has not waited all that time.
    """
    if _limits.failing is None:
        _limits.failing = max(began, time.monotonic() - seconds)


def attempt_seconds(size: int) -> float:
    """Returns how long one attempt at a request with a body of so many bytes may take."""
    longest = _thread.once or ATTEMPT_SECONDS
    seconds = min(max(left(), LAST_SECONDS), longest) if not _thread.once else longest
    until_end = max(_limits.end - time.monotonic(), 0.1)
    return min(seconds, until_end) + size / BODY_BYTES


def note_answer() -> None:
    """Notes that the server has answered."""
    _limits.failing = None
