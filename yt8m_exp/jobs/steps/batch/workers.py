"""Keeps the slots of a launcher busy with the shards of a queue until all are done."""

import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from yt8m_exp.jobs.steps.batch.queue import Queue
from yt8m_exp.spec import OutsideError
from yt8m_exp.tuning.launchers.children import Child, Launcher

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.5
LOST_IN_A_ROW = 8
"""Workers that may be lost one after the other without a part by any."""


@dataclass
class _Worker:
    """A worker in a slot.

    Attributes:
        child: its process.
        unit: the shards that it has taken and not done.
        waits: whether it asked for more when there was nothing.
        ended: whether it has ended as it should.
        reason: what it raised.
    """

    child: Child
    unit: list[int] = field(default_factory=list)
    waits: bool = False
    ended: bool = False
    reason: str = ""


class Workers:
    """Processes that make parts, in the slots of a launcher.

    Args:
        launcher: where they run.
        queue: the shards.
        entries: what a worker is told of a shard, by its place.
        task: makes the task of the worker in a slot; see `child.serve`.
        made: is called with a worker's message about each part that is new.
    """

    def __init__(
        self,
        launcher: Launcher,
        queue: Queue,
        entries: Sequence[Any],
        *,
        task: Callable[[int], Mapping[str, Any]],
        made: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._launcher, self._queue, self._entries = launcher, queue, entries
        self._task, self._made = task, made
        self._running: dict[int, _Worker] = {}
        self._lost = 0

    def run(self) -> None:
        """Works until each shard is done, or has failed.

        Raises:
            OutsideError: the disk is full, or workers die at once, time after time.
        """
        try:
            while not self._queue.is_done:
                self._fill()
                self._listen()
        finally:
            for worker in self._running.values():
                worker.child.kill()
            for worker in self._running.values():
                worker.child.ended()
                worker.child.connection.close()

    def _fill(self) -> None:
        """Gives what waits to the workers that asked for more, and starts some in free slots."""
        for worker in self._running.values():
            if worker.waits and self._queue.has_waiting:
                self._answer(worker)
        for slot in sorted(set(range(self._launcher.slots)) - self._running.keys()):
            if self._queue.has_waiting:
                self._running[slot] = _Worker(self._launcher.start(self._task(slot), slot))

    def _listen(self) -> None:
        slots = {worker.child.connection: slot for slot, worker in self._running.items()}
        for connection in wait(list(slots), WAIT_SECONDS):
            slot = slots[connection]  # type: ignore[index]
            try:
                message = json.loads(self._running[slot].child.connection.recv_bytes())
            except (EOFError, OSError):
                self._settle(slot)
            else:
                self._hear(self._running[slot], message)

    def _hear(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        if "next" in message:
            self._answer(worker)
        elif "part" in message:
            self._lost = 0
            worker.unit.remove(message["part"])
            if self._queue.done(message["part"]):
                self._made(message)
        elif "failed" in message:
            worker.unit.remove(message["failed"])
            self._queue.fail(message["failed"], message["reason"])
            logger.warning("Not predicted: %s", message["reason"])
        elif "full" in message:
            raise OutsideError(
                f"A part cannot be written ({message['full']}). Make room on its disk: the parts "
                "that are there are kept, and the same command goes on."
            )
        elif "error" in message:
            worker.reason = message["error"]["reason"]

    def _answer(self, worker: _Worker) -> None:
        worker.unit = self._queue.take()
        worker.waits = not worker.unit
        if worker.unit:
            entries = [self._entries[place] for place in worker.unit]
            with contextlib.suppress(OSError):  # it has died; `_listen` takes its unit back
                worker.child.connection.send_bytes(json.dumps({"go": entries}).encode())

    def _settle(self, slot: int) -> None:
        """Takes back the shards of a worker that was lost, and frees its slot."""
        worker = self._running.pop(slot)
        how = worker.child.ended()
        worker.child.connection.close()
        how = worker.reason or f"{how}."
        self._lost += 1
        self._queue.lost(worker.unit, how)
        logger.warning("Worker %d: %s Its %d shards go to others.", slot, how, len(worker.unit))
        if self._lost >= LOST_IN_A_ROW:
            raise OutsideError(
                f"{self._lost} workers were lost one after the other, and none of them predicted a "
                f"shard; of the last: {how} Its output: {self._task(slot)['output']}"
            )
