"""Trials as new interpreters of this machine: slower to start, but safe with every library."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from yt8m_exp import spec
from yt8m_exp.tuning import child
from yt8m_exp.tuning.launchers.children import exit_in_words
from yt8m_exp.tuning.slots import slot_environments

EXIT_SECONDS = 10.0


class Subprocess:
    """Launches each trial as `python -m`, which loads TensorFlow anew.

    Args:
        slots: how many trials run at the same time; None: one for each GPU.
        devices: see `slots.slot_environments`.
        megabytes: memory of each trial: of its GPU, or of its process where it has none.
    """

    def __init__(
        self,
        slots: int | None = None,
        devices: Sequence[Any] | None = None,
        megabytes: int | None = None,
    ) -> None:
        self._environments = slot_environments(slots, devices, megabytes=megabytes)
        self._megabytes = megabytes
        self.slots = len(self._environments)

    def start(self, task: Mapping[str, Any], slot: int) -> "Started":
        """Starts a trial; see `Launcher`."""
        environment = task["environment"] | self._environments[slot]
        given = {"environment": environment, "megabytes": self._megabytes}
        return start({**task, **given})

    def close(self) -> None:
        """There is nothing to free."""


@dataclass(frozen=True)
class Started:
    """A trial's process that this one has started itself."""

    connection: Connection
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Ends the process and all that it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def ended(self) -> str:
        """Waits for the process to end; returns how it did, in words."""
        try:
            self.process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait(EXIT_SECONDS)
        return exit_in_words(self.process.returncode)


def start(task: Mapping[str, Any]) -> Started:
    """Starts an interpreter that works as a whole task says; see `child.serve`."""
    ours, theirs = socket.socketpair()
    path = os.pathsep.join(filter(None, [str(spec.PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno()), str(os.getpid())],
            env={**os.environ, **task["environment"], "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    connection = Connection(ours.detach())
    connection.send_bytes(json.dumps(task).encode())
    return Started(connection, process)


def main() -> None:
    """Works in the process that `start` has started."""
    descriptor, parent = map(int, sys.argv[1:])
    os.set_inheritable(descriptor, False)
    child.end_with_parent()
    if os.getppid() != parent:
        return  # it died before the kernel was told
    connection = Connection(descriptor)
    child.serve(connection, json.loads(connection.recv_bytes()))


if __name__ == "__main__":
    main()
