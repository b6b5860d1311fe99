import os
import signal
import socket
import time
import urllib.error
import urllib.request
from multiprocessing.process import BaseProcess
from pathlib import Path

import requests

from tests import mlflow_command

LOGINS = """[mlflow]
database_uri = sqlite:///{folder}/users.db
admin_username = {name}
admin_password = {password}
default_permission = READ
auth_cache_ttl_seconds = 600
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


class Server:
    """A real MLflow server on loopback that can be killed and started again.

    Args:
        folder: of its database and its artifacts.
        login: name and password without which it answers nothing; None lets everybody in.
    """

    def __init__(self, folder: Path, login: tuple[str, str] | None = None):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.login = folder, login
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: BaseProcess | None = None

    def start(self) -> None:
        store = ("--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db")
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        artifacts = ("--artifacts-destination", str(self.folder / "artifacts"))
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        logins = self._logins(environment) if self.login else ()
        words = ["server", *store, *where, *artifacts, *logins]
        self.process = mlflow_command.start(words, environment, os.devnull, os.devnull)

    def _logins(self, environment: dict[str, str]) -> tuple[str, ...]:
        assert self.login is not None
        name, password = self.login
        file = self.folder / "users.ini"
        file.write_text(LOGINS.format(folder=self.folder, name=name, password=password))
        environment |= {"MLFLOW_AUTH_CONFIG_PATH": str(file), "MLFLOW_FLASK_SERVER_SECRET_KEY": "s"}
        return ("--app-name", "basic-auth")

    def change_password(self, password: str) -> None:
        """Gives the user another password: the old one is refused from now on."""
        assert self.login is not None
        name, before = self.login
        answer = requests.patch(
            f"{self.uri}/api/2.0/mlflow/users/update-password",
            json={"username": name, "password": password, "current_password": before},
            auth=(name, before),
            timeout=60,
        )
        answer.raise_for_status()
        self.login = name, password

    def wait(self) -> None:
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health"):
                    return
            except (urllib.error.URLError, ConnectionError):
                assert self.process is not None
                assert self.process.is_alive()
                time.sleep(0.1)

    def pause(self) -> None:
        """Takes requests from now on, and answers none."""
        self._send(signal.SIGSTOP)

    def kill(self) -> None:
        if self.process is not None:
            self._send(signal.SIGKILL)
            self.process.join()
            self.process = None

    def _send(self, number: signal.Signals) -> None:
        """Sends a signal to MLflow's command and to the server that it has started."""
        assert self.process is not None
        assert self.process.pid is not None
        os.killpg(self.process.pid, number)
