import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


class Server:
    """A real MLflow server on loopback that can be killed and started again."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder = folder
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = ("--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db")
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        artifacts = ("--artifacts-destination", str(self.folder / "artifacts"))
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *store, *where, *artifacts],
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health"):
                    return
            except (urllib.error.URLError, ConnectionError):
                assert self.process is not None
                assert self.process.poll() is None
                time.sleep(0.1)

    def pause(self) -> None:
        """Takes requests from now on, and answers none."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
