"""Containers of the project's own image, each a machine of its own beside a stack."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from tests.stack.running import Stack

VERBS_SECONDS = 600
MEMORY = "1800m"


class Outcome(NamedTuple):
    """How a machine's command ended: its exit status, its last line decoded, what it wrote."""

    status: int
    result: Any
    err: str

    @property
    def sentence(self) -> str:
        return self.err.strip().splitlines()[-1]


class Machine:
    """A container with a host name, a file system and limits, logged in as the stack's worker.

    Args:
        stack: whose network it is on.
        command: what it runs.
        names: of the host, which others resolve.
        environment: variables beside those of the stack's workers.
        cpus: the share of cores it may use.
    """

    def __init__(
        self,
        stack: Stack,
        command: Sequence[str],
        *,
        names: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        cpus: float = 2.0,
    ):
        self._network = f"{stack.project}_default"
        self._names = [word for name in names for word in ("--network-alias", name)]
        variables = stack.login("worker") | {
            "MLFLOW_TRACKING_URI": "http://mlflow:5000",
            "STORAGE_EMULATOR_HOST": "http://objects:4443",
            "GOOGLE_CLOUD_PROJECT": "yt8m",
            **(environment or {}),
        }
        file = stack.data.parent / f"{uuid4().hex}.env"  # not on a command line, which all can see
        file.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        limits = (f"--memory={MEMORY}", f"--cpus={cpus}", "--pids-limit=2000", "--cap-drop=ALL")
        self.id = docker(
            *("run", "-d", "--init", "--network", self._network, *self._names, *limits),
            *("--env-file", str(file), "-v", f"{stack.data}:/data:ro", "--label", stack.project),
            *("yt8m-worker", *command),
        )

    def wait(self) -> Outcome:
        """Waits until the command has ended."""
        status = int(docker("wait", self.id, timeout=VERBS_SECONDS))
        out, err = self.logs()
        return Outcome(status, json.loads(out.splitlines()[-1]) if status == 0 else None, err)

    def done(self) -> Any:
        """Waits for a command that must succeed; returns its last line."""
        outcome = self.wait()
        assert outcome.status == 0, outcome.err
        return outcome.result

    def logs(self) -> tuple[str, str]:
        """Returns what it wrote to standard output and to standard error."""
        found = subprocess.run(
            ["docker", "logs", self.id], capture_output=True, text=True, check=True
        )
        return found.stdout, found.stderr

    def kill(self) -> None:
        docker("kill", self.id)

    def cut_off(self) -> None:
        """Takes it off the network."""
        docker("network", "disconnect", self._network, self.id)

    def plug_in(self) -> None:
        """Puts it back on the network, under its names."""
        names = [word.replace("--network-alias", "--alias") for word in self._names]
        docker("network", "connect", *names, self._network, self.id)

    def read(self, path: str, folder: Path) -> bytes:
        """Returns a file of its file system."""
        copied = folder / uuid4().hex
        docker("cp", f"{self.id}:{path}", str(copied))
        return copied.read_bytes()


def verb(name: str, *words: str) -> list[str]:
    """Returns the command of a verb."""
    return ["python", "-m", f"yt8m_exp.{name}", *words]


def docker(*words: str, timeout: float | None = None) -> str:
    """Runs docker; returns what it prints."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
