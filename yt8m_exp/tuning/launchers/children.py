"""What every launcher gives the driver: a connection to a trial's process, and a way to end it."""

import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Protocol

IN_LIBRARY = " (a fault of a library, or no memory within a limit as of ulimit -v: see output.log)"
HINTS = {
    "SIGKILL": " (no memory left on the machine, or somebody's kill -9)",
    "SIGSEGV": IN_LIBRARY,
    "SIGABRT": IN_LIBRARY,
}


class Child(Protocol):
    """A trial's process, here or on another machine.

    Attributes:
        connection: to the process; it breaks when the process ends.
    """

    connection: Connection

    def kill(self) -> None:
        """Kills the process and its children."""

    def ended(self) -> str:
        """Waits for the process to end; returns how it did, in words."""


class Launcher(Protocol):
    """Where trials run.

    Attributes:
        slots: how many run at the same time.
    """

    slots: int

    def start(self, task: Mapping[str, Any], slot: int) -> Child:
        """Starts a trial's process in a slot that is free.

        Args:
            task: see `child.serve`; the launcher adds `environment` and `megabytes`.
            slot: from 0 on.
        """

    def close(self) -> None:
        """Frees the launcher's resources; its children have ended."""


def exit_in_words(code: int | None) -> str:
    """Returns how a process ended, from its exit code."""
    if code is None:
        return "did not end"
    if code < 0:
        name = signal.Signals(-code).name
        return f"was killed by {name}{HINTS.get(name, '')}"
    return f"exited with {code} and no report"
