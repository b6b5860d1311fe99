"""A team's stack, from a fresh clone, in a real Docker engine."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import requests

from tests.verbs import PROJECT

LOCAL_IMAGE = "localhost/postgres"
LOCAL = PROJECT / "tests" / "stack" / "local.env"
USERS = {"anna": "researcher", "paul": "promoter", "rita": "reader"}
STUDY = """
name: tiny
overrides:
  - epochs=1
  - ~data.features.mean_rgb
  - checkpoint_seconds=0
objectives: {val/gap: maximize}
trials: 3
space:
  learning_rate: {type: float, low: 1.0e-3, high: 3.0e-2, log: true}
"""


class Stack:
    """A clone of the project with its stack."""

    def __init__(self, folder: Path, command: list[str]):
        self.folder = folder / "clone"
        self.project = f"yt8mtest{uuid4().hex[:8]}"
        self.data = folder / "data"
        self._command = command
        _clone(self.folder)
        self.data.mkdir()
        (self.data / "tiny.yaml").write_text(STUDY)
        for name in ("train/validate0017.tfrecord", "validate/validate0076.tfrecord"):
            shutil.copy(PROJECT / "sample" / "video" / name, self.data)
        self.port, self.database_port, self.tls_port = _free_port(), _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        subprocess.run(["sh", "stack/setup"], cwd=self.folder, check=True)
        self._configure()

    def _configure(self) -> None:
        more = {
            "COMPOSE_PROJECT_NAME": self.project,
            "PORT": f"127.0.0.1:{self.port}",
            "POSTGRES_PORT": f"127.0.0.1:{self.database_port}",
            "HTTP_PORT": f"127.0.0.1:{_free_port()}",
            "HTTPS_PORT": f"127.0.0.1:{self.tls_port}",
            "MAX_UPLOAD": "50MB",
            "SWEEP": "/data/tiny.yaml",
            "TRAIN": "/data/validate0017.tfrecord",
            "VALIDATE": "/data/validate0076.tfrecord",
            "DATA": str(self.data),
        }
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{key}={value}\n" for key, value in more.items())
            if _has_image(LOCAL_IMAGE):
                file.write(LOCAL.read_text())

    @property
    def secrets(self) -> dict[str, str]:
        """The passwords, by their names in `.env`."""
        lines = (self.folder / ".env").read_text().splitlines()
        pairs = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        return {k: v for k, v in pairs.items() if k.endswith("_PASSWORD") or k == "SECRET_KEY"}

    def login(self, user: str) -> dict[str, str]:
        """The environment of a user."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": self.password(user),
        }

    def password(self, user: str) -> str:
        given = {"admin": "ADMIN_PASSWORD", "worker": "WORKER_PASSWORD"}
        return self.secrets[given[user]] if user in given else f"password-of-{user}"

    def compose(self, *words: str, text: str | None = None) -> str:
        """Runs docker compose; returns what it prints."""
        done = subprocess.run(
            [*self._command, *words], cwd=self.folder, input=text, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def script(self, name: str, *words: str) -> None:
        """Runs a script of `stack/`."""
        environment = {**os.environ, "COMPOSE": " ".join(self._command)}
        done = subprocess.run(
            ["sh", f"stack/{name}", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def remove_machines(self) -> None:
        """Removes the containers of `machines`, which are on the stack's network."""
        listed = ("docker", "ps", "-aq", "--filter", f"label={self.project}")
        ids = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
        if ids:
            subprocess.run(["docker", "rm", "-fv", *ids], capture_output=True, check=True)

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service).split()[0]

    def get(self, path: str, user: str | None = None, method: str = "GET") -> requests.Response:
        login = (user, self.password(user)) if user else None
        return requests.request(method, self.url + path, auth=login, timeout=30)

    def add_users(self) -> None:
        """Adds a user of each role: the first as people do, the others as that does it."""
        name, *others = USERS
        words = ("run", "--rm", "-T", "users", "add", name, USERS[name])
        self.compose(*words, text=f"{self.password(name)}\n")
        roles = self.get("/api/3.0/mlflow/roles/list?workspace=default", "admin").json()["roles"]
        ids = {role["name"]: role["id"] for role in roles}
        for name in others:
            login = {"username": name, "password": self.password(name)}
            self.post("/api/2.0/mlflow/users/create", login)
            role = {"username": name, "role_id": ids[USERS[name]]}
            assert self.post("/api/3.0/mlflow/roles/assign", role).ok

    def post(self, path: str, body: object, user: str = "admin") -> requests.Response:
        login = (user, self.password(user))
        return requests.post(self.url + path, json=body, auth=login, timeout=30)

    def wait(self, path: str = "/health", user: str | None = None) -> None:
        """Waits until a page answers through the proxy."""
        end = time.monotonic() + 240
        while time.monotonic() < end:
            try:
                if self.get(path, user).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"{path} does not answer: {self.compose('ps')}")


@contextmanager
def running(folder: Path, command: list[str], override: str = "") -> Iterator[Stack]:
    """Brings up a stack with a user of each role, and removes all of it after the block.

    Args:
        folder: where its clone is made.
        command: see `compose_command`.
        override: a compose file that changes the project's.
    """
    made = Stack(folder, command)
    if override:
        (made.folder / "docker-compose.override.yml").write_text(override)
    try:
        made.compose("up", "-d", "--no-build", "proxy")
        made.wait()
        made.add_users()
        yield made
    finally:
        profiles = ("worker", "champion", "tls", "tensorboard")
        words = [word for profile in profiles for word in ("--profile", profile)]
        made.remove_machines()
        made.compose(*words, "down", "-v", "-t", "3")


def why_not() -> str | None:
    """Returns why no stack can run here; None where one can."""
    if shutil.which("docker") is None or _status("docker", "info"):
        return "No Docker engine answers. tests/stack/engine starts one, as .ci/stack does."
    if not _has_image("yt8m-worker"):
        return "The stack's images are not built: docker compose --profile worker build"
    return None


def compose_command() -> list[str]:
    """Returns the words of compose, of version 2 or 1."""
    return ["docker-compose"] if _status("docker", "compose", "version") else ["docker", "compose"]


def _status(*command: str) -> int:
    return subprocess.run(command, capture_output=True).returncode


def _has_image(name: str) -> bool:
    return not _status("docker", "image", "inspect", name)


def _clone(folder: Path) -> None:
    """Copies what a clone would hold, without the ignored files."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if name.startswith(("stack/", "docker-compose", ".env.example")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
