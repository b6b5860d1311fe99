"""Kills workers that predict, at random moments."""

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import psutil

from yt8m_exp.serving.parts import folder as parts


def workers(server: int) -> list[int]:
    """Returns the processes that a fork server has started for work: each leads a session."""
    found = psutil.Process(server).children()
    return [child.pid for child in found if os.getsid(child.pid) == child.pid]


class Killer(threading.Thread):
    """Kills a worker of this process after every few parts that appear.

    Args:
        folder: of the parts.
        kills: how many times.
        seed: of the moments and the choice of the worker.
        server: the fork server of the workers; None: that of this process.
        kill: what is done to a worker.
    """

    def __init__(
        self,
        folder: str,
        kills: int,
        *,
        seed: int = 0,
        server: int | None = None,
        kill: Callable[[int], None] = lambda pid: os.kill(pid, signal.SIGKILL),
    ) -> None:
        super().__init__(daemon=True)
        self._folder, self._left, self._kill = folder, kills, kill
        self._server = server or forkserver._forkserver._forkserver_pid
        self._rng = np.random.default_rng(seed)
        self._over = threading.Event()
        self.killed = 0

    def run(self) -> None:
        seen = 0
        while self._left and not self._over.wait(0.002):
            count = len(parts.found(self._folder)) if Path(self._folder).is_dir() else 0
            if count < seen:
                continue
            found = workers(self._server)
            if found and count:
                self._kill(int(self._rng.choice(found)))
                self.killed, self._left = self.killed + 1, self._left - 1
                seen = count + int(self._rng.integers(1, 4))

    def __enter__(self) -> "Killer":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join()
