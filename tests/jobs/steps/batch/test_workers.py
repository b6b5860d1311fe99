import errno
import json
import os
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest

from yt8m_exp.jobs.steps.batch import worker
from yt8m_exp.jobs.steps.batch.queue import Queue
from yt8m_exp.jobs.steps.batch.workers import Workers
from yt8m_exp.spec import OutsideError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_ends_the_work_and_blames_no_shard():
    ours, theirs = Pipe()
    for message in ({"next": True}, {"full": FULL.strerror}):
        theirs.send_bytes(json.dumps(message).encode())
    child = SimpleNamespace(connection=ours, kill=lambda: None, ended=lambda: "It ended")
    launcher = SimpleNamespace(slots=1, start=lambda task, slot: child)
    queue = Queue({0: 1, 1: 1}, 1)
    workers = Workers(launcher, queue, ["a", "b"], task=lambda slot: {}, made=lambda message: None)
    with pytest.raises(OutsideError, match=r"No space left on device.*the same command goes on"):
        workers.run()
    assert not queue.failed


def test_a_worker_tells_of_a_full_disk(monkeypatch):
    told = []
    working = object.__new__(worker.Worker)
    working._ask = lambda message, answered=True: told.append(message)
    working._job, working._form = {"folder": "parts"}, SimpleNamespace(suffix=".csv")
    entry = (0, "stem", "key", ())
    working._encoded = lambda entries: iter([(entry, SimpleNamespace(facts=None), 1, b"")])

    def write(*words):
        raise FULL

    monkeypatch.setattr(worker.parts, "write", write)
    with pytest.raises(OSError, match="No space left"):
        working.predict([entry])
    assert told == [{"full": "No space left on device"}]
