"""A run's metric points on the local disk, written before they are sent."""

import json
import logging
import math
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from yt8m_exp.spec import OutsideError

MOST = 1 << 63
"""Times and steps are below it, in MLflow's database."""
logger = logging.getLogger(__name__)


class Point(NamedTuple):
    """One value of a metric.

    The time (milliseconds since 1970) is part of a point's identity in MLflow's database: a point
    that is sent twice with the same time is stored once.
    """

    key: str
    value: float
    time: int
    step: int


class Journal:
    """An append-only file of JSON lines, one a call; a kill -9 loses at most the last line."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(path)
        self._file = path.open("ab", buffering=0)
        self._torn = False

    def append(self, time: int, step: int, metrics: Mapping[str, float]) -> None:
        """Appends one call's metrics with one write.

        Raises:
            OSError: The disk does not take the line.
        """
        line = json.dumps({"time": time, "step": step, "metrics": metrics}).encode() + b"\n"
        line = b"\n" + line if self._torn else line
        written = self._file.write(line)
        self._torn = written < len(line)
        if self._torn:
            raise OutsideError(
                f"{self.path} took {written} of {len(line)} bytes. Is the disk full?"
            )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read(path: Path) -> Iterator[Point]:
    """Yields a journal's points in the order in which they were logged; damaged lines are skipped.

    Args:
        path: The journal; a missing one has no points.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            points = _points(line)
            if points is not None:
                yield from points
            elif line.strip():
                logger.warning("%s, line %d is damaged and was left out.", path, number)


def is_name(key: object) -> bool:
    """Tells whether MLflow takes a metric of this name."""
    return (
        isinstance(key, str)
        and re.fullmatch(r"[/\w.\- :]{1,250}", key) is not None
        and posixpath.normpath(key) == key
        and not key.startswith((".", "/"))
    )


def _points(line: bytes) -> list[Point] | None:
    """Returns the points of a line; None if MLflow would refuse one, and with it all others."""
    try:
        call = json.loads(line)
        time, step, metrics = call["time"], call["step"], call["metrics"]
        points = [Point(key, float(value), time, step) for key, value in metrics.items()]
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None
    whole = all(type(number) is int and 0 <= number < MOST for number in (time, step))
    if not whole or not all(is_name(key) and not math.isinf(value) for key, value, *_ in points):
        return None
    return points


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
