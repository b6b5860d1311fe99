"""A running trial: what its process has reported, and how it ended."""

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna import Trial

from yt8m_exp.tuning.launchers.children import Child

logger = logging.getLogger(__name__)


@dataclass
class RunningTrial:
    """A trial in a slot.

    Attributes:
        trial: Optuna's.
        params: its parameters.
        run_id: its run.
        child: its process.
        examples: examples seen.
        began: when, by the monotonic clock, and at how many examples.
        values: the last value that it reported of each name.
        stopped: why the driver stops it: `pruned`, `infeasible`, `late` or `interrupted`; None
            while it goes on.
        reason: the same in words.
        interrupted: when it was told to write a checkpoint and end.
        result: what its work returned.
        error: the `kind` and the `reason` of what its work raised.
    """

    trial: Trial
    params: Mapping[str, Any]
    run_id: str
    child: Child
    examples: int = 0
    began: tuple[float, int] = (0.0, 0)
    values: dict[str, float] = field(default_factory=dict)
    stopped: str | None = None
    reason: str = ""
    interrupted: float = math.inf
    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        self.began = time.monotonic(), self.examples

    @property
    def seconds(self) -> float:
        """How long this attempt has lasted."""
        return time.monotonic() - self.began[0]

    def receive(self) -> dict[str, Any]:
        """Takes a message from the process; returns it.

        Raises:
            EOFError, OSError: the process has ended.
        """
        message = json.loads(self.child.connection.recv_bytes())
        if "values" in message:
            self.examples = message["examples"]
            self.values |= message["values"]
        self.result = message.get("result", self.result)
        # A training that is resumed at its end reports nothing.
        self.examples = max(self.examples, (self.result or {}).get("examples", 0))
        self.error = message.get("error", self.error)
        return message

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends the process a message, unless the process has ended."""
        try:
            self.child.connection.send_bytes(json.dumps(message).encode())
        except OSError:
            logger.debug("The process of trial %d has ended already.", self.trial.number)

    def stop(self, why: str, reason: str) -> None:
        """Notes why the driver stops it; the first reason holds."""
        if self.stopped is None:
            self.stopped, self.reason = why, reason

    def interrupt(self, reason: str) -> None:
        """Tells the process to write a checkpoint and end."""
        if self.stopped is None:
            self.stop("interrupted", reason)
            self.interrupted = time.monotonic()
            self.send({"interrupt": True})

    def objectives(self, names: Sequence[str]) -> list[float]:
        """Returns the result's values of the objectives; `val/gap` is `gap` in the result."""
        result = self.result or {}
        return [float(result[name.removeprefix("val/")]) for name in names]

    def outcome(self, names: Sequence[str], exit_text: str) -> tuple[str, str]:
        """Returns the state in which it ended, and the reason in words.

        Args:
            names: the study's objectives.
            exit_text: how its process ended.
        """
        if self.result is not None:
            return _checked(self.result, names)
        kind, said = (self.error or {}).get("kind"), (self.error or {}).get("reason", "")
        if self.stopped == "late":
            return "failed", self.reason
        if self.stopped == "interrupted" and kind != "failed":
            return "interrupted", self.reason
        if self.stopped and kind == "stopped":
            return self.stopped, self.reason
        if kind in (None, "interrupted"):
            return "crashed", f"Its process {exit_text}." if kind is None else f"{said}."
        return "failed", said


def _checked(result: Mapping[str, Any], names: Sequence[str]) -> tuple[str, str]:
    """Returns `complete`, or `failed` where an objective is missing or no number."""
    found = {key: value for key, value in result.items() if isinstance(value, int | float)}
    for name in names:
        value = found.get(name.removeprefix("val/"))
        if value is None:
            return "failed", f"`{name}` is none of what trials measure: {', '.join(found)}."
        if math.isnan(value):
            return "failed", f"{name} is not a number."
    return "complete", ""
