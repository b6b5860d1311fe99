"""A trial at work: what its process has said, and how it ended."""

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
class Working:
    """A trial in a slot.

    Attributes:
        trial: Optuna's.
        params: its parameters.
        run_id: its run.
        child: its process.
        examples: examples seen.
        began: when, by the monotonic clock, and at how many examples.
        values: the last that it reported, by name.
        verdict: why the driver ends it: `pruned`, `infeasible`, `late` or `interrupted`.
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
    verdict: str | None = None
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

    def hear(self) -> dict[str, Any]:
        """Takes a message from the process; returns it.

        Raises:
            EOFError, OSError: the process has ended.
        """
        message = json.loads(self.child.connection.recv_bytes())
        if "values" in message:
            self.examples = message["examples"]
            self.values |= message["values"]
        self.result = message.get("result", self.result)
        self.error = message.get("error", self.error)
        return message

    def tell(self, message: Mapping[str, Any]) -> None:
        """Sends the process a message, if it is still there to take it."""
        try:
            self.child.connection.send_bytes(json.dumps(message).encode())
        except OSError:
            logger.debug("Trial %d is gone already.", self.trial.number)

    def stop(self, verdict: str, reason: str) -> None:
        """Notes why the driver ends it; the first reason holds."""
        if self.verdict is None:
            self.verdict, self.reason = verdict, reason

    def interrupt(self, reason: str) -> None:
        """Lets it write a checkpoint and end."""
        if self.verdict is None:
            self.stop("interrupted", reason)
            self.interrupted = time.monotonic()
            self.tell({"interrupt": True})

    def objectives(self, names: Sequence[str]) -> list[float]:
        """Returns the values of the result by the names of objectives, `val/gap` for `gap`."""
        result = self.result or {}
        return [float(result[name.removeprefix("val/")]) for name in names]

    def outcome(self, names: Sequence[str], how: str) -> tuple[str, str]:
        """Returns the state in which it ended, and the reason in words.

        Args:
            names: the study's objectives.
            how: how its process ended.
        """
        if self.result is not None:
            found = {k: v for k, v in self.result.items() if isinstance(v, int | float)}
            for name in names:
                if name.removeprefix("val/") not in found:
                    return "failed", f"`{name}` is none of what trials measure: {', '.join(found)}."
                if math.isnan(found[name.removeprefix("val/")]):
                    return "failed", f"{name} is not a number."
            return "complete", ""
        kind, said = (self.error or {}).get("kind"), (self.error or {}).get("reason", "")
        if self.verdict == "late":
            return "failed", self.reason
        if self.verdict == "interrupted" and kind != "failed":
            return "interrupted", self.reason
        if self.verdict and kind == "stopped":
            return self.verdict, self.reason
        if kind in (None, "interrupted"):
            return "crashed", f"Its process {how}." if kind is None else f"{said}."
        return "failed", said
