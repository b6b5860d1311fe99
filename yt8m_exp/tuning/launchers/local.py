"""Trials as processes of this machine, forked from a server that has loaded TensorFlow."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, cast

from yt8m_exp.tuning import child
from yt8m_exp.tuning.launchers.children import exit_in_words
from yt8m_exp.tuning.slots import slot_environments

EXIT_SECONDS = 10.0
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a terminal or a scheduler sends to all processes; the driver ends the others."""


class Local:
    """Launches each trial as a fork of a server: in 0.1 s, where a new interpreter takes 8 s.

    The server only imports modules. It runs no operation of TensorFlow, so it holds no device and
    starts no thread; each trial sees the device of its slot only.

    Args:
        slots: how many trials run at the same time; None: one for each GPU.
        devices: see `slots.slot_environments`.
        megabytes: memory of each trial: of its GPU, or of its process where it has none.
        preload: modules that the server imports.
    """

    def __init__(
        self,
        slots: int | None = None,
        devices: Sequence[Any] | None = None,
        megabytes: int | None = None,
        preload: Sequence[str] = (),
    ) -> None:
        self._environments = slot_environments(slots, devices, megabytes=megabytes)
        self._megabytes = megabytes
        self.slots = len(self._environments)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([child.__name__, *preload])
        _start_server()

    def start(self, task: Mapping[str, Any], slot: int) -> "_Forked":
        """Starts a trial; see `Launcher`."""
        ours, theirs = self._context.Pipe()
        environment = task["environment"] | self._environments[slot]
        given = {"environment": environment, "megabytes": self._megabytes}
        process = self._context.Process(
            target=_serve, args=(theirs, {**task, **given}), daemon=True
        )
        process.start()
        theirs.close()
        return _Forked(ours, process)

    def close(self) -> None:
        """Leaves the server to end with this process."""


def _start_server() -> None:
    """Starts the server, which imports while the driver goes on, and which `STOPPING` do not end.

    It inherits which signals are blocked.
    """
    resource_tracker.ensure_running()  # its start unblocks them
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def _serve(connection: Connection, task: Mapping[str, Any]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    # The server ends when all copies of this descriptor are closed; with a copy here, server and
    # child would outlive a driver that was killed (CPython 3.11, not reported).
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    child.end_with_parent()
    child.serve(connection, task)


@dataclass(frozen=True)
class _Forked:
    connection: Connection
    process: ForkServerProcess

    def kill(self) -> None:
        self.process.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(cast(int, self.process.pid), signal.SIGKILL)

    def ended(self) -> str:
        self.process.join(EXIT_SECONDS)
        if self.process.exitcode is None:
            self.kill()
            self.process.join(EXIT_SECONDS)
        return exit_in_words(self.process.exitcode)
