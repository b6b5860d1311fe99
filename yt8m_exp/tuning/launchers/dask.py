"""Trials as tasks of a Dask cluster, each in a process of its own beside a worker; and plain calls.

A worker connects to the driver and relays messages between it and the trial's process. When one
end breaks, the other is closed: a lost worker ends its trial for the driver, and a lost driver ends
the trial for its worker.
"""

import contextlib
import logging
import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Client as connect
from multiprocessing.connection import Connection, Listener, wait
from typing import Any
from urllib.parse import urlsplit

import distributed

from yt8m_exp.tuning.launchers import subprocess

logger = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 5.0
CONNECT_SECONDS = 30.0
CALLS_AHEAD = 4
"""Calls for each thread of the cluster that are on their way, so that none of them waits."""


class Dask:
    """Launches trials on the workers of a cluster.

    A worker's devices come from its own environment (CUDA_VISIBLE_DEVICES): start one worker for
    each GPU, with `--resources GPU=1 --nthreads 1`.

    Args:
        slots: how many trials run at the same time; None: one for each worker.
        address: of a scheduler, as `tcp://host:8786`; None makes a cluster of this machine, with a
            worker for each slot.
        resources: what a trial takes of a worker, as `{"GPU": 1}`.
        megabytes: memory of each trial: of its GPU, or of its process where it has none.
    """

    def __init__(
        self,
        slots: int | None = None,
        address: str | None = None,
        resources: Mapping[str, float] | None = None,
        megabytes: int | None = None,
    ) -> None:
        logging.getLogger("distributed").setLevel(logging.WARNING)
        self._megabytes, self._resources = megabytes, dict(resources or {})
        if not address:
            logger.info("Starting a cluster on this machine, as launcher.address names none")
        self._cluster = None if address else _local_cluster(slots or 1, self._resources)
        self._client = distributed.Client(address or self._cluster, timeout=CONNECT_SECONDS)
        self.slots = slots or max(len(self._client.scheduler_info(-1)["workers"]), 1)
        self._key = secrets.token_bytes(16)
        self._listener = Listener((_own_address(self._client), 0), "AF_INET", authkey=self._key)
        self._waiting: dict[str, _Remote] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="workers", daemon=True).start()

    def start(self, task: Mapping[str, Any], slot: int) -> "_Remote":
        """Starts a trial; see `Launcher`."""
        token = secrets.token_hex(8)
        ours, theirs = Pipe()
        given = (self._listener.address, self._key, token, {**task, "megabytes": self._megabytes})
        with self._lock:  # until it is known, no worker is listened to
            future = self._client.submit(
                *(work, *given),
                key=f"trial-{token}",
                resources=self._resources,
                retries=0,
                pure=False,
            )
            self._waiting[token] = remote = _Remote(ours, theirs, self._client, future)
        future.add_done_callback(lambda future: remote.done())
        return remote

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Calls a function with each item in the workers themselves; yields results in order.

        Dask repeats the calls of a worker that is lost.

        Raises:
            Exception: what the function raises, or that four workers died in the same call.
        """
        most = CALLS_AHEAD * max(sum(self._client.nthreads().values()), 1)
        waiting: deque[distributed.Future] = deque()
        for item in items:
            if len(waiting) == most:
                yield waiting.popleft().result()
            future = self._client.submit(function, item, resources=self._resources, pure=False)
            waiting.append(future)
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """Leaves the cluster, and ends it where it was made here."""
        self._listener.close()
        self._client.close()
        if self._cluster:
            self._cluster.close()

    def _accept(self) -> None:
        while True:
            try:
                line = self._listener.accept()
                token = line.recv_bytes().decode()
                with self._lock:
                    remote = self._waiting.pop(token, None)
            except EOFError:
                continue
            except OSError:
                return  # it is closed
            if remote is None:
                line.close()  # an attempt that Dask makes after the driver has given it up
            else:
                threading.Thread(target=remote.carry, args=(line,), daemon=True).start()


@dataclass
class _Remote:
    connection: Connection
    theirs: Connection
    client: distributed.Client
    future: distributed.Future
    line: Connection | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def carry(self, line: Connection) -> None:
        self.line = line
        relay(self.theirs, line)

    def done(self) -> None:
        """Ends the driver's line of a task that ended before a worker connected."""
        with self.lock:
            if self.line is None:
                self.theirs.close()

    def kill(self) -> None:
        if self.line is None:
            self.client.cancel([self.future], force=True)
            self.done()
            return
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.line.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

    def ended(self) -> str:
        try:
            return str(self.future.result(timeout=LAST_WORDS_SECONDS))
        except Exception as error:  # of many kinds: lost workers, cancelled tasks, time-outs
            self.client.cancel([self.future], force=True)
            return f"was lost with its worker ({type(error).__name__})"


def work(address: tuple[str, int], key: bytes, token: str, task: Mapping[str, Any]) -> str:
    """Runs a trial beside the worker that this is called in; returns how its process ended.

    Args:
        address: of the driver.
        key: what both ends prove to know.
        token: which trial it is.
        task: see `child.serve`.
    """
    line = connect(address, authkey=key)
    line.send_bytes(token.encode())
    started = subprocess.start(task)
    try:
        relay(started.connection, line)
        return started.ended()
    finally:
        started.kill()


def relay(one: Connection, other: Connection) -> None:
    """Passes messages on between two connections until one of them ends, then closes both."""
    ends = {one: other, other: one}
    with one, other, contextlib.suppress(EOFError, OSError):
        while True:
            for line in wait(list(ends)):
                ends[line].send_bytes(line.recv_bytes())  # type: ignore[index, union-attr]


def _local_cluster(slots: int, resources: Mapping[str, float]) -> distributed.LocalCluster:
    return distributed.LocalCluster(
        n_workers=slots,
        threads_per_worker=1,
        dashboard_address=None,
        resources=dict(resources),
        silence_logs=logging.ERROR,
    )


def _own_address(client: distributed.Client) -> str:
    """Returns the address of this machine under which the scheduler's machine sees it."""
    there = urlsplit(client.scheduler_info()["address"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((there.hostname, there.port or 1))
        return probe.getsockname()[0]
