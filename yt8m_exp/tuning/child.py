"""A trial's own process: it works, reports to its driver, and ends when the driver ends.

Both ends of the connection write JSON. The trial sends `values` and `examples`, with `ask` where it
waits for an answer, and at last `result` or `error`. The driver sends `go` or `interrupt`.
"""

import ctypes
import importlib
import json
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from yt8m_exp.terminal.redaction import redact, redact_output
from yt8m_exp.tuning.slots import visible_gpus

PR_SET_PDEATHSIG = 1
NO_BARS = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
"""The output is a file, and a bar of tqdm has a semaphore that `os._exit` would leave behind."""
OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError", "bad_alloc")


def serve(connection: Connection, task: Mapping[str, Any]) -> None:
    """Works as a task says, tells the driver how that ended, and exits.

    Args:
        connection: to the driver.
        task: `work`, a function by `module:name`; its `arguments`; the `environment`; the file that
            takes its `output`; `megabytes` of memory that it may have, or None; and `given`, the
            method of `DriverConnection` that the function is given, `reported` by default.
    """
    if os.getpid() != os.getsid(0):
        os.setsid()  # the driver handles Ctrl-C, and a kill reaches all children
    driver = DriverConnection(connection)  # after setsid: it kills the whole session
    try:
        _settle(task)
        module, _, name = task["work"].partition(":")
        work = getattr(importlib.import_module(module), name)
        given = task.get("given", "reported")
        message = {"result": work(**task["arguments"], **{given: getattr(driver, given)})}
    except BaseException as error:  # of any kind: the driver must know
        message = {"error": _described(error)}
        if message["error"]["kind"] == "failed":
            traceback.print_exc()
    driver.send(message)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit("error" in message)  # a plain exit would wait for threads of libraries


def end_with_parent() -> None:
    """Has the kernel kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class DriverConnection:
    """A trial's connection to its driver.

    Args:
        connection: to the driver; when it breaks, this process and its children are killed.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="driver", daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a message to the driver."""
        self._connection.send_bytes(json.dumps(message).encode())

    def ask(self, message: Mapping[str, Any], *, answered: bool = True) -> Any:
        """Sends the driver a message; returns its answer if it is to be answered."""
        self.send({**message, "ask": answered})
        return self._answers.get() if answered else None

    def reported(self, values: Mapping[str, float], examples: int) -> bool:
        """Reports values at a number of examples seen; tells whether to continue.

        It asks the driver before training, at 0 examples, and at each evaluation.
        """
        ask = examples == 0 or any(name.startswith("val/") for name in values)
        self.send({"values": dict(values), "examples": examples, "ask": ask})
        return self._answers.get() if ask else True

    def _listen(self) -> None:
        while True:
            try:
                message = json.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                os.killpg(0, signal.SIGKILL)
            if "interrupt" in message:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                self._answers.put(message["go"])


def _settle(task: Mapping[str, Any]) -> None:
    os.environ.update(NO_BARS | task["environment"])
    output = Path(task["output"])
    output.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    redact_output()
    if task["megabytes"]:
        _limit_memory(task["megabytes"] << 20)


def _limit_memory(size: int) -> None:
    if not visible_gpus():
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
        return
    # Imported here: it takes 7 s, and only a limit of a GPU's memory needs it.
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=size >> 20)
        tf.config.set_logical_device_configuration(gpu, [limit])


def _described(error: BaseException) -> dict[str, str]:
    sentence = redact(f"{type(error).__name__}: {error}".strip())
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return {"kind": "interrupted", "reason": sentence}
    if any(name in sentence for name in OUT_OF_MEMORY):
        return {"kind": "failed", "reason": f"Out of memory. {sentence}"}
    return {
        "kind": "stopped" if type(error).__name__ == "Stopped" else "failed",
        "reason": sentence,
    }
