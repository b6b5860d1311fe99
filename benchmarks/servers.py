"""Models behind MLflow's own scoring server, as `mlflow models serve` starts it."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 240.0


class Server:
    """A scoring server.

    Args:
        port: where it listens.
        process: the group that it belongs to.
    """

    def __init__(self, port: int, process: subprocess.Popen):
        self.port, self.process = port, process

    def post(self, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
        """Sends a request; returns the status, and the answer, decoded if it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/invocations", body, {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def ask(self, request: dict[str, Any]) -> tuple[int, Any]:
        return self.post(json.dumps(request).encode())

    def lives(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def resident_mebibytes(self) -> float:
        """Memory of the server's largest process."""
        import psutil

        group = psutil.Process(self.process.pid)
        sizes = [process.memory_info().rss for process in (group, *group.children(recursive=True))]
        return max(sizes) / 2**20


def records_request(records: list[bytes], **params: Any) -> dict[str, Any]:
    """Returns a request of serialized records, which travel as base64."""
    rows = [[base64.b64encode(record).decode()] for record in records]
    return {"dataframe_split": {"columns": ["record"], "data": rows}, "params": params}


@contextmanager
def serving(model_uri: str, tracking_uri: str, folder: Path) -> Iterator[Server]:
    """Serves a model until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("models", "serve", "-m", model_uri, "-p", str(port), "--env-manager", "local")
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words, "--workers", "1"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        server = Server(port, process)
        end = time.monotonic() + START_SECONDS
        while not server.lives():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "server.log").read_text())
            time.sleep(0.2)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
